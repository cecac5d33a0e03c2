//! What the policy would say, without a request.

use crate::address::canonical;
use crate::door::is_localhost;
use crate::generation::Generation;
use crate::hop::Hop;
use crate::policy::{Decision, Scheme};
use crate::request::host::OwnHost;
use crate::request::method;
use crate::request::target::Target;
use crate::secrets::Going;
use crate::upstream::Upstream;
use afield_exchange::Error;
use http::HeaderName;
use std::net::IpAddr;
use std::sync::Arc;

/// The longest URL that is looked at, in bytes.
const LONGEST_URL: usize = 64 * 1024;

/// What the policy says of a destination, and what would go there with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The URL's scheme.
    pub scheme: Scheme,
    /// The host that is judged: an A-label name, or an address without brackets, in the form it stands for.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether a request may go there.
    pub verdict: Verdict,
    /// For each address that is known, what is said of it, in order. Empty for a name that was not resolved.
    pub addresses: Vec<(IpAddr, Decision)>,
    /// The `Host` that was asked about, if it is not the URL's own, in the form that is judged, and what is said of it.
    pub host_field: Option<(String, Decision)>,
    /// The upstream rule by which it would go.
    pub upstream: Option<String>,
    /// The secrets that would be attached: the header field, and the secret's name.
    pub attached: Vec<(String, String)>,
}

/// Whether a request may go somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may, by this rule; by this rule its first address.
    Allowed(String),
    /// It may not, by this rule.
    Denied(String),
    /// That depends on the addresses that the name leads to. If they are ordinary public ones that no rule names, this is
    /// what is said.
    DependsOnAddresses(Decision),
}

pub(crate) async fn explain(
    generation: &Generation,
    principal: Option<&str>,
    method: &str,
    url: &str,
    host: Option<&str>,
    resolve: bool,
) -> Result<Explanation, Error> {
    let method = method::check(method)?;
    let (target, _) = Target::parse(url, LONGEST_URL)?;
    let view = generation.view(principal);
    let destination = target.destination(&method);
    let by_name = view.door.policy().decide_name(&destination);
    let hop = Hop::new(0, principal.map(Arc::from).as_ref(), false, false);
    let known = match target.literal {
        Some(address) => vec![address],
        // What is loopback by definition is known unasked.
        None if (resolve || is_localhost(target.host())) && by_name.is_none() => {
            view.door.addresses(target.host(), &hop).await?
        }
        None => Vec::new(),
    };
    let decide = |address| (address, view.door.decide(&destination, address));
    let addresses: Vec<_> = known.into_iter().map(decide).collect();
    let denied = addresses.iter().find(|(_, decision)| !decision.allowed);
    let verdict = match (by_name, denied.or(addresses.first())) {
        (Some(decision), _) => settled(decision),
        (None, Some((_, decision))) => settled(decision.clone()),
        (None, None) => Verdict::DependsOnAddresses(view.door.policy().decide_ordinary(&destination)),
    };
    let upstream = view.upstream(&target).map(|slot| slot.upstream());
    let own = match host {
        Some(host) => own_host(host, &target)?,
        None => None,
    };
    let going = Going { target: &target, method: method.as_str(), principal };
    let attached = generation.secrets.attached(going).map(|(_, attachment)| {
        let (secret, header) = attachment.parts();
        (header.to_owned(), secret.to_owned())
    });
    let attached: Vec<_> = attached.collect();
    let host_field = own.map(|own| {
        let barred = own_host_barred(upstream, is_near(&target), !attached.is_empty());
        let judged = own.judge(&view.door, &target, &method);
        let denied = |rule: &str| Decision { allowed: false, rule: rule.to_owned() };
        let decision = if judged.allowed { barred.map_or(judged, denied) } else { judged };
        (own.shown(), decision)
    });
    let verdict = match (&host_field, verdict) {
        (_, denied @ Verdict::Denied(_)) => denied,
        (Some((_, decision)), _) if !decision.allowed => Verdict::Denied(decision.rule.clone()),
        (_, verdict) => verdict,
    };
    Ok(Explanation {
        scheme: target.scheme,
        host: target.host().to_owned(),
        port: target.port,
        verdict,
        addresses,
        host_field,
        upstream: upstream.map(|upstream| upstream.name().to_owned()),
        attached,
    })
}

pub(crate) fn may_complete(
    generation: &Generation,
    principal: Option<&str>,
    variable: &str,
    header: &str,
    url: &str,
) -> bool {
    let (Ok((target, _)), Ok(header)) = (Target::parse(url, LONGEST_URL), header.parse::<HeaderName>())
    else {
        return false;
    };
    let going = Going { target: &target, method: "POST", principal };
    generation.secrets.of_variable(variable, &header, going).is_some()
}

/// The `Host` that is asked about, if it is not what the URL says.
fn own_host(host: &str, target: &Target) -> Result<Option<OwnHost>, Error> {
    match target.is_host(host.as_bytes()) {
        true => Ok(None),
        false => OwnHost::parse(host.as_bytes(), target).map(Some),
    }
}

/// Why a `Host` of the caller's own does not go along, whatever it names.
fn own_host_barred(upstream: Option<&Upstream>, near: bool, with_secret: bool) -> Option<&'static str> {
    if with_secret {
        return Some("host/secret");
    }
    let upstream = upstream?;
    if upstream.shows_certificate() {
        return Some("host/certificate");
    }
    (upstream.has_proxy() && !near && !upstream.allows_own_host()).then_some("host/proxy")
}

/// Whether this is certainly loopback, which is never asked of a proxy.
fn is_near(target: &Target) -> bool {
    match target.literal {
        Some(address) => canonical(address).is_loopback(),
        None => is_localhost(target.host()),
    }
}

fn settled(decision: Decision) -> Verdict {
    match decision.allowed {
        true => Verdict::Allowed(decision.rule),
        false => Verdict::Denied(decision.rule),
    }
}
