//! The one door to the network: every hop of every request passes [`Door`], for addresses as for names.

use crate::address::canonical;
use crate::hop::Hop;
use crate::names::Resolve;
use crate::own_listeners::OwnListeners;
use crate::policy::{Decision, Destination, Policy, Reason, Verdict};
use crate::refusal;
use crate::request::target::Target;
use crate::upstream::Proxy;
use afield_exchange::{Error, Kind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// What denies a destination that is this process itself.
const SELF: &str = "self";

/// What denies a destination that the request itself rules out.
const BY_REQUEST: &str = "request";

/// Addresses of one name that are used at most.
const ANSWERS: usize = 16;

/// Judges destinations under one policy.
#[derive(Clone)]
pub(crate) struct Door(Arc<Inner>);

struct Inner {
    policy: Policy,
    own_listeners: OwnListeners,
    resolver: Arc<dyn Resolve>,
    dns_limit: Duration,
}

/// Addresses that a hop may go to.
pub(crate) struct Admitted {
    pub(crate) addresses: Vec<IpAddr>,
    /// The name that was asked, where it is another than the request's.
    pub(crate) asked: Option<Box<str>>,
}

/// By which way a hop goes whose upstream has a proxy.
pub(crate) enum Way {
    /// To the origin itself, at these addresses where they were asked for already.
    Direct(Option<Admitted>),
    /// Through the proxy, which is told the origin's name, or one of these addresses, vetted here.
    Proxied(Option<Admitted>),
}

impl Door {
    pub(crate) fn new(
        policy: Policy,
        own_listeners: OwnListeners,
        resolver: Arc<dyn Resolve>,
        dns_limit: Duration,
    ) -> Self {
        Self(Arc::new(Inner { policy, own_listeners, resolver, dns_limit }))
    }

    /// Judges a hop before anything is done for it: a host that is an address is judged finally, a name as far as its
    /// addresses do not matter. A pooled connection asks no resolver, so this is what stands before it.
    pub(crate) fn vet(
        &self,
        destination: &Destination<'_>,
        literal: Option<IpAddr>,
        hop: &Hop,
    ) -> Result<(), Error> {
        if let Some(verdict) = self.0.policy.judge_name(destination)
            && !verdict.allowed
        {
            let unlisted = matches!(verdict.reason, Reason::Unlisted) && literal.is_none();
            if !(unlisted && self.stands_for_a_listed_name(destination)) {
                return Err(self.denied(destination, literal, &verdict, hop));
            }
        }
        match literal {
            Some(address) => self.vet_address(&[*destination], address, hop),
            None => Ok(()),
        }
    }

    /// Whether the system looks for this name under another one that no rule denies.
    fn stands_for_a_listed_name(&self, destination: &Destination<'_>) -> bool {
        let candidates = self.0.resolver.candidates(destination.host);
        candidates.iter().any(|name| self.0.policy.judge_name(&named(destination, name)).is_none())
    }

    /// Judges an address that all of these names lead to: any of them may deny it, any may allow what nothing denies.
    fn vet_address(&self, names: &[Destination<'_>], address: IpAddr, hop: &Hop) -> Result<(), Error> {
        let destination = &names[0];
        if let Some(error) = refusal::ruled_out(destination, address, hop) {
            hop.judged(|| BY_REQUEST.to_owned());
            return Err(error);
        }
        if self.0.own_listeners.contains(address, destination.port) {
            hop.judged(|| SELF.to_owned());
            return Err(refusal::own_listener(destination, address, hop.index));
        }
        let mut verdict = self.0.policy.judge_address(destination, address);
        for name in &names[1..] {
            let other = self.0.policy.judge_address(name, address);
            let decides = |verdict: &Verdict<'_>| {
                !verdict.allowed && matches!(verdict.reason, Reason::Rule(_) | Reason::Always(_))
            };
            if !decides(&verdict) && (decides(&other) || other.allowed) {
                verdict = other;
            }
        }
        if !verdict.allowed {
            return Err(self.denied(destination, Some(address), &verdict, hop));
        }
        hop.judged(|| verdict.reason.label());
        Ok(())
    }

    fn denied(
        &self,
        destination: &Destination<'_>,
        address: Option<IpAddr>,
        verdict: &Verdict<'_>,
        hop: &Hop,
    ) -> Error {
        let label = verdict.reason.label();
        let error = refusal::denied(destination, address, &label, hop.index);
        hop.judged(|| label);
        error
    }

    /// What this door says of an address, in the words of the policy.
    pub(crate) fn decide(&self, destination: &Destination<'_>, address: IpAddr) -> Decision {
        match self.0.own_listeners.contains(address, destination.port) {
            true => Decision { allowed: false, rule: SELF.to_owned() },
            false => self.0.policy.decide(destination, address),
        }
    }

    /// Whether this process itself listens there.
    pub(crate) fn is_own(&self, address: IpAddr, port: u16) -> bool {
        self.0.own_listeners.contains(address, port)
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// By which way a hop that was let in goes whose upstream has a proxy. What the proxy is told to connect to is vetted
    /// here first, as far as it can be known here; loopback is never asked of a proxy.
    pub(crate) async fn way(
        &self,
        target: &Target,
        destination: &Destination<'_>,
        proxy: &Proxy,
        hop: &Hop,
    ) -> Result<Way, Error> {
        let is_loopback = |address: &IpAddr| canonical(*address).is_loopback();
        match target.literal {
            Some(address) if is_loopback(&address) => Ok(Way::Direct(None)),
            Some(address) => Ok(Way::Proxied(Some(Admitted { addresses: vec![address], asked: None }))),
            None if is_localhost(target.host()) => Ok(Way::Direct(None)),
            None if proxy.names_resolved_there => Ok(Way::Proxied(None)),
            None => {
                let admitted = self.admit(destination, hop).await?;
                match admitted.addresses.iter().any(is_loopback) {
                    true => Ok(Way::Direct(Some(admitted))),
                    false => Ok(Way::Proxied(Some(admitted))),
                }
            }
        }
    }

    /// The addresses of a proxy: the operator's word, so no policy judges them. But it is not this process itself.
    pub(crate) async fn proxy_addresses(&self, proxy: &Proxy, hop: &Hop) -> Result<Vec<IpAddr>, Error> {
        let addresses = match proxy.literal() {
            Some(address) => vec![address],
            None => self.addresses(&proxy.host, hop).await.map_err(refusal::proxy_unresolved)?,
        };
        for address in &addresses {
            if self.0.own_listeners.contains(*address, proxy.port) {
                return Err(refusal::proxy_is_self(&proxy.host, proxy.port, hop.index));
            }
        }
        Ok(addresses)
    }

    /// Resolves a name and vets every answer: one denied answer denies the name. Where the system looks for a name in
    /// several domains, each name that is asked is judged as if the request named it, and one that is denied is not asked.
    pub(crate) async fn admit(&self, destination: &Destination<'_>, hop: &Hop) -> Result<Admitted, Error> {
        let host = destination.host;
        if let Some(addresses) = self.known(host, hop)? {
            let addresses = self.admit_addresses(&[*destination], addresses, hop)?;
            return Ok(Admitted { addresses, asked: None });
        }
        let listed = self.0.policy.judge_name(destination).is_none();
        let (mut denied, mut failed) = (None, None);
        for name in self.0.resolver.candidates(host) {
            let asked = named(destination, &name);
            if let Err(error) = self.vet_asked(&asked, listed, hop) {
                denied = denied.or(Some(error));
                continue;
            }
            match self.ask(host, &name, hop).await {
                Ok(addresses) if addresses.is_empty() => {}
                Ok(addresses) => {
                    let addresses = self.admit_addresses(&[*destination, asked], addresses, hop)?;
                    let other = asked.host != host.strip_suffix('.').unwrap_or(host);
                    return Ok(Admitted { addresses, asked: other.then(|| asked.host.into()) });
                }
                // What gave no answer in time may well have the name.
                Err(error) if error.kind() == Kind::Timeout => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        Err(denied.or(failed).unwrap_or_else(|| refusal::unresolved(hop, host, "no address")))
    }

    /// Judges a hop that goes over a connection which was made by another name than the request's.
    pub(crate) fn vet_pooled(
        &self,
        destination: &Destination<'_>,
        asked: Option<&str>,
        hop: &Hop,
    ) -> Result<(), Error> {
        let Some(name) = asked else { return Ok(()) };
        let listed = self.0.policy.judge_name(destination).is_none();
        self.vet_asked(&named(destination, name), listed, hop)
    }

    /// Judges a name that is asked in the place of the request's. `listed`: that one is allowed by its name.
    fn vet_asked(&self, asked: &Destination<'_>, listed: bool, hop: &Hop) -> Result<(), Error> {
        match self.0.policy.judge_name(asked) {
            Some(verdict) if !(listed && matches!(verdict.reason, Reason::Unlisted)) => {
                Err(self.denied(asked, None, &verdict, hop))
            }
            _ => Ok(()),
        }
    }

    fn admit_addresses(
        &self,
        names: &[Destination<'_>],
        mut addresses: Vec<IpAddr>,
        hop: &Hop,
    ) -> Result<Vec<IpAddr>, Error> {
        // A connection is judged when it is made, for every method that will use it.
        let names: Vec<_> = names.iter().map(|name| Destination { method: "", ..*name }).collect();
        for address in &addresses {
            self.vet_address(&names, *address, hop)?;
        }
        addresses.truncate(ANSWERS);
        Ok(addresses)
    }

    /// The addresses of a host, unjudged.
    pub(crate) async fn addresses(&self, host: &str, hop: &Hop) -> Result<Vec<IpAddr>, Error> {
        if let Some(addresses) = self.known(host, hop)? {
            return Ok(addresses);
        }
        let mut failed = None;
        for name in self.0.resolver.candidates(host) {
            match self.ask(host, &name, hop).await {
                Ok(addresses) if addresses.is_empty() => {}
                Ok(addresses) => return Ok(addresses),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| refusal::unresolved(hop, host, "no address")))
    }

    /// The addresses of a host that no resolver is asked for.
    fn known(&self, host: &str, hop: &Hop) -> Result<Option<Vec<IpAddr>>, Error> {
        let name = host.strip_suffix('.').unwrap_or(host);
        if let Ok(address) = name.parse() {
            return Ok(Some(vec![address]));
        }
        if is_localhost(host) {
            // RFC 6761, section 6.3: these names are loopback and never go to DNS.
            return Ok(Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
        }
        if is_or_below(name, "invalid") {
            return Err(refusal::unresolved(hop, host, "reserved as invalid by RFC 6761"));
        }
        Ok(None)
    }

    async fn ask(&self, host: &str, name: &str, hop: &Hop) -> Result<Vec<IpAddr>, Error> {
        hop.resolving();
        let answer = self.0.resolver.resolve(name, hop.principal());
        let answer = match tokio::time::timeout(self.0.dns_limit, answer).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(refusal::unresolved(hop, host, &error.to_string())),
            Err(_) => Err(refusal::dns_timeout(hop, host, self.0.dns_limit)),
        };
        hop.resolved();
        answer
    }
}

/// The same destination under an absolute name.
fn named<'a>(destination: &Destination<'a>, name: &'a str) -> Destination<'a> {
    Destination { host: name.strip_suffix('.').unwrap_or(name), ..*destination }
}

/// Whether this name is loopback by definition (RFC 6761, section 6.3).
pub(crate) fn is_localhost(host: &str) -> bool {
    is_or_below(host.strip_suffix('.').unwrap_or(host), "localhost")
}

fn is_or_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
