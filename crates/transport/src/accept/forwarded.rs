//! Whom a proxy in front says that it asks for.

use crate::Networks;
use http::{HeaderMap, header::FORWARDED};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address, if the peer is a proxy that is believed and says one: the last that no such proxy has. Where
/// `X-Forwarded-For` and `Forwarded` (RFC 7239) say different ones neither is believed, since a proxy that writes one passes
/// on the other as it came.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, trusted: &Networks) -> Option<IpAddr> {
    if !trusted.contains(peer) {
        return None;
    }
    let by_list = last(headers, X_FORWARDED_FOR, trusted, address);
    let by_field = last(headers, FORWARDED.as_str(), trusted, |element| {
        // Divided without regard for quotes: what a client has left open must not swallow what the proxy adds behind it.
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for"));
        address(named.next()?.1.trim_matches('"'))
    });
    match (by_list, by_field) {
        (Said::Nothing, Said::Address(said)) | (Said::Address(said), Said::Nothing) => Some(said),
        (Said::Address(one), Said::Address(other)) if one == other => Some(one),
        _ => None,
    }
}

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Address(IpAddr),
    Unclear,
}

fn last(
    headers: &HeaderMap,
    name: &str,
    trusted: &Networks,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Said {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let mut said = Said::Nothing;
    for element in values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
        let Some(ip) = std::str::from_utf8(element).ok().and_then(|text| address(text.trim())) else {
            return Said::Unclear;
        };
        said = Said::Address(ip);
        if !trusted.contains(ip) {
            break;
        }
    }
    said
}

/// An address, with or without a port; IPv6 in brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, fields: &[(&'static str, &str)]) -> Option<String> {
        let trusted = Networks::parse(["10.0.0.0/8", "::1"]).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        client(&headers, peer.parse().unwrap(), &trusted).map(|ip| ip.to_string())
    }

    /// Proves that the last address counts that no proxy of ours has, that a client can prepend what it wants, and that
    /// nobody else is believed (case 144).
    #[test]
    fn case_144_the_last_address_that_is_no_proxy_is_the_client() {
        let list = "x-forwarded-for";
        for (said, meant) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("203.0.113.9, 192.0.2.1", Some("192.0.2.1")),
            ("203.0.113.9, 192.0.2.1:99, 10.2.3.4", Some("192.0.2.1")),
            ("[2001:db8::1]:9", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("10.1.1.1, 10.2.2.2", Some("10.1.1.1")),
            ("192.0.2.1, unknown", None),
            ("", None),
        ] {
            assert_eq!(of("10.0.0.1", &[(list, said)]).as_deref(), meant, "{said}");
            assert_eq!(of("192.0.2.77", &[(list, said)]), None, "not of a proxy of ours: {said}");
        }
        assert_eq!(of("::ffff:10.0.0.1", &[(list, "192.0.2.1")]).as_deref(), Some("192.0.2.1"));
        assert_eq!(
            of("10.0.0.1", &[(list, "203.0.113.9"), (list, "192.0.2.1")]).as_deref(),
            Some("192.0.2.1")
        );
        for (said, meant) in [
            ("for=192.0.2.1;proto=https, for=10.0.0.5", Some("192.0.2.1")),
            ("For=\"[2001:db8::1]:4711\"", Some("2001:db8::1")),
            ("for=\"203.0.113.9, for=192.0.2.1", Some("192.0.2.1")),
            ("for=_hidden", None),
            ("proto=https", None),
        ] {
            assert_eq!(of("10.0.0.1", &[("forwarded", said)]).as_deref(), meant, "{said}");
        }
        let both = |one, other| of("10.0.0.1", &[(list, one), ("forwarded", other)]);
        assert_eq!(both("192.0.2.1", "for=192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(both("192.0.2.1", "for=203.0.113.9"), None);
        assert_eq!(both("192.0.2.1", "for=unknown"), None);
    }
}
