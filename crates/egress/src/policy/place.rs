use super::HostPattern;
use super::host_pattern::Parsed;
use super::rule::RuleError;
use super::spelling;
use crate::address::canonical;
use std::fmt;
use std::net::IpAddr;

/// Where a request goes, as its URL says it: a host and perhaps a port. Nothing is resolved for it.
///
/// Written `host` or `host:port`, where `host` is a name, `*.name` for everything below a name, an address (IPv6 in
/// brackets where a port follows), or `*` for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Name(HostPattern),
    Address(IpAddr),
}

impl Place {
    /// The place that `text` describes.
    ///
    /// # Errors
    ///
    /// If the host is not one, or the port is not a number from 1 to 65535.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let bad = |why: &str| spelling::not_a_host(text, why);
        if let Some(meant) = spelling::of_place(text) {
            return Err(bad(&meant));
        }
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address without brackets holds colons and no port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (host, Some(port.ok_or_else(|| bad("its port is not a number from 1 to 65535"))?))
            }
            _ => (text, None),
        };
        let host = match host {
            "*" => Host::Any,
            host => match HostPattern::parse(host)? {
                Parsed::Name(pattern) => Host::Name(pattern),
                Parsed::Address(address) => Host::Address(canonical(address)),
            },
        };
        Ok(Self { host, port })
    }

    /// Whether it is every host.
    pub(crate) fn is_any_host(&self) -> bool {
        self.host == Host::Any
    }

    /// Whether every URL that leads to `other` leads here too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        (self.port.is_none() || self.port == other.port) && self.host.covers(&other.host)
    }

    /// Whether some URL leads to both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let ports = self.port.is_none() || other.port.is_none() || self.port == other.port;
        ports && (self.host.covers(&other.host) || other.host.covers(&self.host))
    }

    /// Whether a URL with this host and port leads there; `literal` is the address, if the host is one.
    pub(crate) fn matches(&self, host: &str, literal: Option<IpAddr>, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
            && match (&self.host, literal) {
                (Host::Any, _) => true,
                (Host::Name(pattern), None) => pattern.matches(host),
                (Host::Address(address), Some(literal)) => *address == canonical(literal),
                _ => false,
            }
    }
}

impl Host {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Name(own), Self::Name(other)) => own.covers(other),
            (Self::Address(own), Self::Address(other)) => own == other,
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => f.write_str("*")?,
            Host::Name(pattern) => pattern.fmt(f)?,
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Address(address) => address.fmt(f)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl std::str::FromStr for Place {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a place is read in every form, matches exactly what it says and is shown as it is written.
    #[test]
    fn a_place_matches_what_it_says() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        for (place, host, port, matches) in [
            ("api.test", "api.test", 443, true),
            ("api.test", "api.test.", 80, true),
            ("API.test:443", "api.test", 443, true),
            ("api.test:443", "api.test", 80, false),
            ("*.test", "api.test", 80, true),
            ("*.test", "test", 80, false),
            ("*", "anything", 1, true),
            ("*:8080", "10.0.0.1", 8080, true),
            ("10.0.0.1", "10.0.0.1", 80, true),
            ("10.0.0.1:80", "10.0.0.1", 81, false),
            ("[::1]:80", "::1", 80, true),
            ("::1", "::1", 80, true),
            ("[::ffff:10.0.0.1]", "10.0.0.1", 80, true),
            ("*.0.0.1.test", "10.0.0.1", 80, false),
        ] {
            let parsed = Place::parse(place).expect(place);
            assert_eq!(parsed.matches(host, address(host), port), matches, "{place} {host}:{port}");
            let shown = parsed.to_string();
            assert_eq!(Place::parse(&shown).as_ref(), Ok(&parsed), "{place} is shown as {shown}");
        }
        for bad in ["", ":80", "a:0", "a:65536", "a:x", "a*b", "*.10.0.0.1", "http://a", "a b"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    /// Proves that a place says of another whether it holds all of it, or some.
    #[test]
    fn places_cover_and_meet_each_other() {
        for (one, other, covers, meets) in [
            ("*", "a.test:80", true, true),
            ("*:80", "a.test", false, true),
            ("*:80", "a.test:81", false, false),
            ("a.test", "A.test.:80", true, true),
            ("a.test:80", "a.test", false, true),
            ("*.test", "a.test", true, true),
            ("*.test", "*.a.test", true, true),
            ("*.a.test", "*.test", false, true),
            ("*.a.test", "a.test", false, false),
            ("*.test", "test", false, false),
            ("10.0.0.1", "[::ffff:10.0.0.1]:1", true, true),
            ("10.0.0.1", "10.0.0.2", false, false),
            ("a.test", "10.0.0.1", false, false),
        ] {
            let (first, second) = (Place::parse(one).expect(one), Place::parse(other).expect(other));
            assert_eq!(first.covers(&second), covers, "{one} covers {other}");
            assert_eq!((first.meets(&second), second.meets(&first)), (meets, meets), "{one} meets {other}");
        }
    }
}
