//! The gateway's own listener, which it never asks anything of.

use crate::host::{Host, name};
use afield_egress::OwnListeners;
use afield_exchange::{Blame, Error, Kind, Retry, detail};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Url;

/// What would lead back here.
pub(crate) struct Own {
    listeners: OwnListeners,
    names: Vec<String>,
}

impl Own {
    /// `names` are those by which the gateway is addressed.
    pub fn new(listeners: OwnListeners, names: &[String]) -> Self {
        Self { listeners, names: names.iter().map(|text| name(text)).collect() }
    }

    /// Refuses a URL that leads back here.
    ///
    /// Addresses are judged as the URL parser reads them. Of names those are known here that mean this machine everywhere, and
    /// the gateway's own; a request by another name that leads here comes back with a `Host` that is not let in.
    pub fn check(&self, url: &str) -> Result<(), Error> {
        if !self.is_own(url) {
            return Ok(());
        }
        let message = "this URL is the gateway's own address: a program that uses the gateway as a proxy has to ask the \
                       gateway's routes directly (NO_PROXY)";
        Err(Error::new(Kind::PolicyDenied, Blame::Caller, Retry::No, message).with_detail(detail::SELF))
    }

    fn is_own(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let (Some(host), Some(port)) = (url.host_str().and_then(Host::parse), url.port_or_known_default())
        else {
            return false;
        };
        match host {
            Host::Address(address) => self.listeners.contains(address, port),
            Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
                let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                loopback.into_iter().any(|address| self.listeners.contains(address, port))
            }
            Host::Name(name) => self.names.contains(&name) && self.listeners.has_port(port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the gateway knows its own address in every spelling, and takes no other for it.
    #[test]
    fn case_26_the_own_address_is_known_in_every_spelling() {
        let own = |listen: &str| {
            let listeners = OwnListeners::default();
            listeners.insert(listen.parse().unwrap());
            Own::new(listeners, &["Gateway.Test".to_owned()])
        };
        let loopback = own("127.0.0.1:7412");
        for url in [
            "http://127.0.0.1:7412/",
            "http://127.1:7412",
            "http://2130706433:7412/",
            "http://0x7f.1:7412/x",
            "http://[::ffff:127.0.0.1]:7412/",
            "http://user@127.0.0.1:7412/",
            "https://localhost:7412/",
            "http://LocalHost.:7412/",
            "http://x.localhost:7412/",
            "http://gateway.test.:7412/",
        ] {
            assert!(loopback.check(url).is_err(), "{url}");
        }
        for url in [
            "http://127.0.0.1/",
            "http://127.0.0.2:7412/",
            "http://[::1]:7412/",
            "http://localhost:7413/",
            "http://gateway.test/",
            "http://other.test:7412/",
            "nonsense",
        ] {
            assert!(loopback.check(url).is_ok(), "{url}");
        }
        assert!(own("[::]:80").check("http://127.0.0.1/").is_err());
    }
}
