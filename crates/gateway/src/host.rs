//! Hosts as they stand in `Host`, in `Origin` and in URLs.

use afield_egress::canonical;
use http::uri::Authority;
use std::net::IpAddr;

/// A host: an address, or a name in lower case without the root's dot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    Name(String),
}

impl Host {
    /// The host of `name`, `name:port`, `address` or `address:port`. `None`: it is not of this form.
    pub fn of_authority(text: &[u8]) -> Option<Self> {
        let authority = Authority::try_from(text).ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        Self::parse(authority.host())
    }

    /// The host of an origin as browsers write it: a scheme, `://`, and an authority.
    pub fn of_origin(text: &[u8]) -> Option<Self> {
        let (scheme, authority) = std::str::from_utf8(text).ok()?.split_once("://")?;
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_scheme.then(|| Self::of_authority(authority.as_bytes())).flatten()
    }

    /// A host alone, an IPv6 address in brackets.
    pub fn parse(host: &str) -> Option<Self> {
        if let Some(literal) = host.strip_prefix('[') {
            let address = literal.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(IpAddr::V6(address)));
        }
        let name = name(host);
        match name.parse() {
            Ok(address) => Some(Self::Address(IpAddr::V4(address))),
            Err(_) if name.is_empty() => None,
            Err(_) => Some(Self::Name(name)),
        }
    }

    /// Whether it is this machine whoever resolves it, and no name that could be made to lead here.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => canonical(*address).is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }
}

/// A name in the form in which names are compared.
pub(crate) fn name(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::Host;

    /// Proves which hosts are loopback beyond doubt, however they are written.
    #[test]
    fn loopback_is_told_from_what_only_looks_like_it() {
        for (authority, loopback) in [
            ("127.0.0.1", Some(true)),
            ("127.9.9.9:80", Some(true)),
            ("[::1]:7412", Some(true)),
            ("[::ffff:127.0.0.1]", Some(true)),
            ("localhost", Some(true)),
            ("LOCALHOST.:1", Some(true)),
            ("evil.test", Some(false)),
            ("localhost.evil.test", Some(false)),
            ("127.0.0.1.evil.test", Some(false)),
            ("10.0.0.1", Some(false)),
            ("[::]", Some(false)),
            ("0.0.0.0", Some(false)),
            ("localhost@evil.test", None),
            ("[::1", None),
            ("", None),
            ("a b", None),
        ] {
            let host = Host::of_authority(authority.as_bytes());
            assert_eq!(host.map(|host| host.is_loopback()), loopback, "{authority}");
        }
    }

    /// Proves that an origin is read as browsers write it, and that `null` is none.
    #[test]
    fn origins_are_read() {
        for (origin, loopback) in [
            ("http://localhost:6274", Some(true)),
            ("https://127.0.0.1", Some(true)),
            ("https://evil.test", Some(false)),
            ("http://localhost.evil.test", Some(false)),
            ("http://localhost@evil.test", None),
            ("http://localhost/evil", None),
            ("null", None),
            ("", None),
            ("://localhost", None),
        ] {
            let host = Host::of_origin(origin.as_bytes());
            assert_eq!(host.map(|host| host.is_loopback()), loopback, "{origin}");
        }
    }
}
