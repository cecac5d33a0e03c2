//! The one door to the network: every hop of every request passes [`Door`], for addresses as for names.

use crate::address::canonical;
use crate::hop::{Hop, Via};
use crate::own_listeners::OwnListeners;
use crate::policy::{Decision, Destination, Policy};
use crate::refusal::{self, Refused};
use crate::request::target::Target;
use crate::resolve::Resolve;
use crate::upstream::{Proxy, ProxyScheme, Way};
use reqwest::dns::{Addrs, Name, Resolving};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

tokio::task_local! {
    /// The hop that the current task is performing. Set around every poll of the HTTP client; the client asks its
    /// resolver synchronously from there, which is how the resolver knows port and scheme. Where it is not set, the
    /// resolver refuses.
    pub(crate) static HOP: Arc<Hop>;
}

/// What denies a destination that is this process itself.
const SELF: &str = "self";

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
    ) -> Result<(), afield_exchange::Error> {
        if let Some(verdict) = self.0.policy.judge_name(destination)
            && !verdict.allowed
        {
            hop.judged(|| verdict.reason.label());
            return Err(refusal::denied(destination, literal, &verdict.reason.label(), hop.index));
        }
        match literal {
            Some(address) => self.vet_address(destination, address, hop),
            None => Ok(()),
        }
    }

    fn vet_address(
        &self,
        destination: &Destination<'_>,
        address: IpAddr,
        hop: &Hop,
    ) -> Result<(), afield_exchange::Error> {
        if self.0.own_listeners.contains(address, destination.port) {
            hop.judged(|| SELF.to_owned());
            return Err(refusal::own_listener(destination, address, hop.index));
        }
        let verdict = self.0.policy.judge_address(destination, address);
        hop.judged(|| verdict.reason.label());
        if verdict.allowed {
            return Ok(());
        }
        Err(refusal::denied(destination, Some(address), &verdict.reason.label(), hop.index))
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
    pub(crate) async fn way(&self, target: &Target, proxy: &Proxy, hop: &Hop) -> Result<Way, Refused> {
        let host = target.host();
        let is_loopback = |address: &IpAddr| canonical(*address).is_loopback();
        match target.literal {
            Some(address) if is_loopback(&address) => return Ok(Way::Direct),
            Some(_) => {}
            None if is_localhost(host) => return Ok(Way::Direct),
            None if proxy.names_resolved_there => {}
            None => {
                hop.connecting();
                hop.resolving();
                let addresses = self.admit(host, hop).await?;
                hop.resolved();
                let here = addresses.iter().any(is_loopback);
                hop.set_vetted(addresses);
                if here {
                    return Ok(Way::Direct);
                }
            }
        }
        if let Some(address) = proxy.literal() {
            self.vet_proxy(&proxy.host, proxy.port, address, hop)?;
        }
        let asks = proxy.scheme == ProxyScheme::Socks5 && !proxy.names_resolved_there;
        let is_destination = asks && proxy.host == host;
        hop.go_via(Via { host: proxy.host.clone(), port: proxy.port, is_destination });
        Ok(Way::Proxied)
    }

    /// The addresses of a proxy: the operator's word, so no policy judges them. But it is not this process itself.
    async fn proxy_addresses(&self, via: &Via, hop: &Hop) -> Result<Vec<IpAddr>, Refused> {
        let addresses = self.addresses(&via.host, hop).await;
        let addresses = addresses.map_err(|refused| refusal::proxy_unresolved(refused.0))?;
        for address in &addresses {
            self.vet_proxy(&via.host, via.port, *address, hop)?;
        }
        Ok(addresses)
    }

    fn vet_proxy(&self, host: &str, port: u16, address: IpAddr, hop: &Hop) -> Result<(), Refused> {
        match self.0.own_listeners.contains(address, port) {
            true => Err(refusal::proxy_is_self(host, port, hop.index).into()),
            false => Ok(()),
        }
    }

    /// What the HTTP client connects to when it asks for `name`. Port 0 stands for the port it has itself.
    async fn answer(&self, name: &str, hop: &Hop) -> Result<Vec<SocketAddr>, Refused> {
        let with_port = |addresses: &[IpAddr], port| -> Vec<SocketAddr> {
            addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()
        };
        match (hop.via(), hop.vetted()) {
            (Some(via), _) if via.host == name && !via.is_destination => {
                Ok(with_port(&self.proxy_addresses(via, hop).await?, 0))
            }
            (Some(_), Some(vetted)) => Ok(with_port(vetted, 0)),
            (Some(_), None) => Ok(with_port(&self.admit(name, hop).await?, 0)),
            (None, Some(vetted)) => Ok(with_port(vetted, hop.port)),
            (None, None) => Ok(with_port(&self.admit(name, hop).await?, hop.port)),
        }
    }

    /// Resolves a name and vets every answer: one denied answer denies the name.
    async fn admit(&self, host: &str, hop: &Hop) -> Result<Vec<IpAddr>, Refused> {
        let mut addresses = self.addresses(host, hop).await?;
        if addresses.is_empty() {
            return Err(refusal::unresolved(hop, host, "no address").into());
        }
        let destination = Destination { scheme: hop.scheme, host, port: hop.port, method: "" };
        for address in &addresses {
            self.vet_address(&destination, *address, hop)?;
        }
        addresses.truncate(ANSWERS);
        Ok(addresses)
    }

    /// The addresses of a host, unjudged.
    pub(crate) async fn addresses(&self, host: &str, hop: &Hop) -> Result<Vec<IpAddr>, Refused> {
        let name = host.strip_suffix('.').unwrap_or(host);
        // The client asks even for addresses where it is to hand them to a proxy.
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        if is_localhost(host) {
            // RFC 6761, section 6.3: these names are loopback and never go to DNS.
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        if is_or_below(name, "invalid") {
            return Err(refusal::unresolved(hop, host, "reserved as invalid by RFC 6761").into());
        }
        match tokio::time::timeout(self.0.dns_limit, self.0.resolver.resolve(host)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(refusal::unresolved(hop, host, &error.to_string()).into()),
            Err(_) => Err(refusal::dns_timeout(hop, host, self.0.dns_limit).into()),
        }
    }
}

/// Whether this name is loopback by definition (RFC 6761, section 6.3).
pub(crate) fn is_localhost(host: &str) -> bool {
    is_or_below(host.strip_suffix('.').unwrap_or(host), "localhost")
}

fn is_or_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl reqwest::dns::Resolve for Door {
    fn resolve(&self, name: Name) -> Resolving {
        let Ok(hop) = HOP.try_with(Arc::clone) else {
            return Box::pin(std::future::ready(Err(io::Error::other(
                "a name was resolved outside of a hop",
            )
            .into())));
        };
        let door = self.clone();
        Box::pin(async move {
            hop.resolving();
            let addresses = door.answer(name.as_str(), &hop).await?;
            hop.resolved();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Resolving as Answering;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting(Arc<AtomicUsize>);

    impl Resolve for Counting {
        fn resolve<'a>(&'a self, _host: &'a str) -> Answering<'a> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) })
        }
    }

    /// Proves that a name which is resolved outside of a hop, where port and scheme are unknown, is refused unasked.
    #[tokio::test]
    async fn without_a_hop_nothing_is_resolved() {
        let asked = Arc::new(AtomicUsize::new(0));
        let resolver = Arc::new(Counting(Arc::clone(&asked)));
        let door = Door::new(Policy::default(), OwnListeners::default(), resolver, Duration::from_secs(5));
        let name = || "name.test".parse::<Name>().expect("a name");
        assert!(reqwest::dns::Resolve::resolve(&door, name()).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        let hop = Arc::new(Hop::new(0, crate::policy::Scheme::Http, 80, false, false));
        let resolving = HOP.sync_scope(hop, || reqwest::dns::Resolve::resolve(&door, name()));
        let addresses: Vec<_> = resolving.await.expect("within a hop it is resolved").collect();
        assert_eq!(addresses, [SocketAddr::from((Ipv4Addr::LOCALHOST, 80))]);
    }
}
