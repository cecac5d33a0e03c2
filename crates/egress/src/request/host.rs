//! A `Host` of the caller's own: another name that the request goes to.
//!
//! Whoever stands behind the address of a URL (a shared server, a gateway, a content network) goes by `Host`, and by nothing
//! else. So a `Host` that is not the URL's is judged like a destination, by every rule that denies; it goes along with no
//! secret and no client certificate of the operator's, whose places are those of URLs; and through a proxy only where the
//! operator says so, since the proxy would see two names, and pick one.

use super::target::Target;
use crate::door::Door;
use crate::policy::{Decision, Destination, Reason, Verdict};
use crate::refusal;
use crate::upstream::Slot;
use afield_exchange::{Blame, Error, Kind, Retry, detail};
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};

/// A `Host` other than the URL's, in the form in which it is judged.
pub(crate) struct OwnHost(Target);

impl OwnHost {
    /// What the fields of a request say, if it is not what the URL says.
    ///
    /// # Errors
    ///
    /// If it is nothing that a URL could name.
    pub(crate) fn of(fields: &HeaderMap, target: &Target) -> Result<Option<Self>, Error> {
        match fields.get(HOST) {
            Some(value) if !target.is_host(value.as_bytes()) => {
                Self::parse(value.as_bytes(), target).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A field's value, in a request to `target`.
    pub(crate) fn parse(value: &[u8], target: &Target) -> Result<Self, Error> {
        let text = std::str::from_utf8(value).map_err(|_| unsound())?;
        if !is_authority(text) {
            return Err(unsound());
        }
        let url = format!("{}://{text}/", target.scheme.as_str());
        let (own, _) = Target::parse(&url, url.len()).map_err(|_| unsound())?;
        Ok(Self(own))
    }

    /// The host, as it is judged.
    pub(crate) fn host(&self) -> &str {
        self.0.host()
    }

    /// Host and port as a URL would have them.
    pub(crate) fn shown(&self) -> String {
        let url = &self.0.url;
        url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
    }

    /// What the policy says of it. It is asked about the port that the field names (the scheme's own, if none) and about the
    /// one that is connected to: a rule that denies either denies the request; that no rule allows it, only if none allows
    /// either.
    pub(crate) fn judge(&self, door: &Door, target: &Target, method: &Method) -> Decision {
        let verdict = |port| {
            let destination = Destination { port, ..self.0.destination(method) };
            if let Some(verdict) = door.policy().judge_name(&destination) {
                return Some(Judged::of(&verdict));
            }
            self.0.literal.map(|address| match door.is_own(address, port) {
                true => Judged { decision: door.decide(&destination, address), is_firm: true },
                false => Judged::of(&door.policy().judge_address(&destination, address)),
            })
        };
        let judged = [self.0.port, target.port].map(verdict);
        let denied = judged.iter().flatten().find(|judged| judged.is_firm && !judged.decision.allowed);
        let by_both = match &judged {
            [Some(named), Some(connected)] if !named.decision.allowed && !connected.decision.allowed => {
                Some(named)
            }
            _ => None,
        };
        let allowed = judged.iter().flatten().find(|judged| judged.decision.allowed);
        denied.or(by_both).or(allowed).map_or_else(
            || Decision { allowed: true, rule: "host".to_owned() },
            |judged| judged.decision.clone(),
        )
    }
}

/// A decision, and whether it holds whatever is said of another port.
struct Judged {
    decision: Decision,
    is_firm: bool,
}

impl Judged {
    fn of(verdict: &Verdict<'_>) -> Self {
        let is_firm = matches!(verdict.reason, Reason::Rule(_) | Reason::Always(_));
        Self { decision: Decision { allowed: verdict.allowed, rule: verdict.reason.label() }, is_firm }
    }
}

/// Refuses an own `Host` that may not go by this way, before anything is sent.
pub(crate) fn check(
    fields: &HeaderMap,
    target: &Target,
    method: &Method,
    door: &Door,
    upstream: Option<&Slot>,
    hop: &crate::hop::Hop,
) -> Result<(), Error> {
    let Some(own) = OwnHost::of(fields, target)? else { return Ok(()) };
    let decision = own.judge(door, target, method);
    if !decision.allowed {
        hop.judged(|| decision.rule.clone());
        return Err(refusal::host_denied(own.host(), &decision.rule, hop.index));
    }
    match upstream.is_some_and(|slot| slot.upstream().shows_certificate()) {
        true => Err(beside("a client certificate of the operator's")),
        false => Ok(()),
    }
}

/// Refuses an own `Host` that would go through a proxy whose operator does not say that it may.
pub(crate) fn check_way(
    fields: &HeaderMap,
    target: &Target,
    upstream: Option<&Slot>,
    is_proxied: bool,
) -> Result<(), Error> {
    let barred = is_proxied && upstream.is_some_and(|slot| !slot.upstream().allows_own_host());
    match barred && OwnHost::of(fields, target)?.is_some() {
        true => Err(refusal::host_through_proxy()),
        false => Ok(()),
    }
}

/// Refuses an own `Host` that no URL could name, and one in a request that carries something of the operator's.
pub(crate) fn check_secrets(fields: &HeaderMap, target: &Target, with_secrets: bool) -> Result<(), Error> {
    match OwnHost::of(fields, target)?.is_some() && with_secrets {
        true => Err(beside("a secret of the executor's")),
        false => Ok(()),
    }
}

fn beside(what: &str) -> Error {
    let message = format!("host: another than the URL's does not go along with {what}");
    Error::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message).with_detail(detail::HEADER_VALUE)
}

/// Refuses a `Host` that is not an authority without userinfo (RFC 9110, section 7.2).
pub(crate) fn check_sound(value: &HeaderValue) -> Result<(), Error> {
    match std::str::from_utf8(value.as_bytes()).is_ok_and(is_authority) {
        true => Ok(()),
        false => Err(unsound()),
    }
}

fn unsound() -> Error {
    Error::invalid(detail::HEADER_VALUE, "host: not a host with an optional port")
}

fn is_authority(text: &str) -> bool {
    http::uri::Authority::try_from(text).is_ok_and(|authority| {
        let port = authority.as_str().strip_prefix(authority.host());
        let port_is_sound = |port: &str| port.is_empty() || port[1..].parse::<u16>().is_ok();
        // Userinfo stands before the host, so it leaves no such prefix.
        !authority.host().is_empty() && port.is_some_and(port_is_sound)
    })
}
