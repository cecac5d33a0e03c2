use http::uri::Authority;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The names by which an executor may be addressed. Another name in `Host` means that somebody else's name leads here
/// (DNS rebinding); an IP address cannot be pointed elsewhere.
#[derive(Clone, Debug)]
pub(super) struct AllowedHosts(Vec<String>);

/// What a `Host` value is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostVerdict {
    Allowed,
    NotAllowed,
    Malformed,
}

impl AllowedHosts {
    pub(super) fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(names.into_iter().map(|name| canonical(name.as_ref())).collect())
    }

    /// Judges the value of a `Host` header. The port is not compared.
    pub(super) fn judge(&self, value: &[u8]) -> HostVerdict {
        let Ok(authority) = Authority::try_from(value) else { return HostVerdict::Malformed };
        let host = authority.host();
        if host.is_empty() || authority.as_str().contains('@') {
            return HostVerdict::Malformed;
        }
        if let Some(literal) = host.strip_prefix('[') {
            return match literal.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
                Some(Ok(_)) => HostVerdict::Allowed,
                _ => HostVerdict::Malformed,
            };
        }
        let name = canonical(host);
        if name.parse::<Ipv4Addr>().is_ok() || name == "localhost" || self.0.contains(&name) {
            HostVerdict::Allowed
        } else {
            HostVerdict::NotAllowed
        }
    }
}

/// Lower case, without the root's dot.
fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{AllowedHosts, HostVerdict::*};

    /// Proves which `Host` values lead to this executor on purpose.
    #[test]
    fn only_addresses_localhost_and_allowed_names_are_hosts() {
        let hosts = AllowedHosts::new(["Executor.Internal", "other.test."]);
        for (value, verdict) in [
            ("127.0.0.1", Allowed),
            ("127.0.0.1:8080", Allowed),
            ("[::1]:8080", Allowed),
            ("[::ffff:10.0.0.1]", Allowed),
            ("localhost", Allowed),
            ("LOCALHOST.:1", Allowed),
            ("executor.internal:443", Allowed),
            ("EXECUTOR.INTERNAL.", Allowed),
            ("other.test", Allowed),
            ("evil.test", NotAllowed),
            ("executor.internal.evil.test", NotAllowed),
            ("x.localhost", NotAllowed),
            ("127.0.0.1.evil.test", NotAllowed),
            ("", Malformed),
            ("[::1", Malformed),
            ("[evil.test]", Malformed),
            ("localhost@evil.test", Malformed),
            ("a b", Malformed),
        ] {
            assert_eq!(hosts.judge(value.as_bytes()), verdict, "{value}");
        }
    }
}
