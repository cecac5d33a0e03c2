//! The one door to the network: every hop of every request passes [`Door`], for addresses as for names.

use crate::hop::Hop;
use crate::own_listeners::OwnListeners;
use crate::policy::{Destination, Policy};
use crate::refusal::{self, Refused};
use crate::resolve::Resolve;
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
        hop: u32,
    ) -> Result<(), afield_exchange::Error> {
        if let Some(verdict) = self.0.policy.judge_name(destination)
            && !verdict.allowed
        {
            return Err(refusal::denied(destination, literal, &verdict.reason.to_string(), hop));
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
        hop: u32,
    ) -> Result<(), afield_exchange::Error> {
        if self.0.own_listeners.contains(address, destination.port) {
            return Err(refusal::own_listener(destination, address, hop));
        }
        let verdict = self.0.policy.judge_address(destination, address);
        if verdict.allowed {
            return Ok(());
        }
        Err(refusal::denied(destination, Some(address), &verdict.reason.to_string(), hop))
    }

    /// Resolves a name and vets every answer: one denied answer denies the name.
    async fn admit(&self, host: &str, hop: &Hop) -> Result<Vec<SocketAddr>, Refused> {
        let addresses = self.addresses(host, hop).await?;
        if addresses.is_empty() {
            return Err(refusal::unresolved(hop, host, "no address").into());
        }
        let destination = Destination { scheme: hop.scheme, host, port: hop.port, method: "" };
        for address in &addresses {
            self.vet_address(&destination, *address, hop.index)?;
        }
        let used = addresses.into_iter().take(ANSWERS);
        Ok(used.map(|address| SocketAddr::new(address, hop.port)).collect())
    }

    async fn addresses(&self, host: &str, hop: &Hop) -> Result<Vec<IpAddr>, Refused> {
        let name = host.strip_suffix('.').unwrap_or(host);
        if is_or_below(name, "localhost") {
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
            let addresses = door.admit(name.as_str(), &hop).await?;
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
        let hop = Arc::new(Hop::new(0, crate::policy::Scheme::Http, 80, false));
        let resolving = HOP.sync_scope(hop, || reqwest::dns::Resolve::resolve(&door, name()));
        let addresses: Vec<_> = resolving.await.expect("within a hop it is resolved").collect();
        assert_eq!(addresses, [SocketAddr::from((Ipv4Addr::LOCALHOST, 80))]);
    }
}
