//! Which URLs a server may send a login to.
//!
//! What a server and its authorization server publish names URLs that are then asked from where the server is: each of
//! them a lever to reach something else there. The policy of whoever performs the request judges every address; here
//! stands what no policy can know: that a server must not lead to where it is not itself, nor away from TLS.

use afield_exchange::RuledOut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// A URL that `server` (or what it named) gave, if it may be asked.
///
/// # Errors
///
/// Says what is wrong with it.
pub(crate) fn named(server: &Url, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "it is no absolute URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it is no http: or https: URL".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user name or a password".into());
    }
    if url.origin() == server.origin() {
        return Ok(url);
    }
    if server.scheme() == "https" && url.scheme() == "http" && !is_loopback(&url) {
        return Err("it leads from https to http".into());
    }
    if is_loopback(&url) && !is_loopback(server) {
        return Err("it leads to a loopback address, and the server is not at one".into());
    }
    if is_link_local(&url) {
        return Err("it leads to a link-local address".into());
    }
    Ok(url)
}

/// What a request to this URL must not reach, wherever its name leads: what [`named`] refuses where it can be told from the
/// URL. Nothing, where the server itself is.
pub(crate) fn ruled_out(server: &Url, url: &str) -> RuledOut {
    match Url::parse(url) {
        Ok(url) if url.origin() == server.origin() => RuledOut::default(),
        _ => RuledOut { loopback: !is_loopback(server), link_local: true },
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => match plain(address) {
            IpAddr::V4(address) => address.is_loopback() || address.is_unspecified(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unspecified(),
        },
        None => false,
    }
}

/// Where clouds keep the credentials of their machines, among others.
fn is_link_local(url: &Url) -> bool {
    let v4 = |address: Ipv4Addr| address.is_link_local();
    match url.host() {
        Some(Host::Ipv4(address)) => v4(address),
        Some(Host::Ipv6(address)) => match plain(address) {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => {
                (address.segments()[0] & 0xffc0) == 0xfe80
                    || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
            }
        },
        _ => false,
    }
}

fn plain(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a server leads to its own origin and to other servers, but not from TLS to plain text, to loopback,
    /// or to a machine's own credentials.
    #[test]
    fn a_server_leads_neither_away_from_tls_nor_to_what_is_near() {
        for (server, url, allowed) in [
            ("https://mcp.example/mcp", "https://auth.example/token", true),
            ("https://mcp.example/mcp", "https://10.0.0.7/token", true),
            ("http://10.0.0.6/mcp", "http://10.0.0.6/token", true),
            ("http://10.0.0.6/mcp", "http://10.0.0.7:8080/token", true),
            ("http://127.0.0.1:1/mcp", "http://localhost:2/token", true),
            ("http://169.254.1.1/mcp", "http://169.254.1.1/token", true),
            ("https://mcp.example/mcp", "http://auth.example/token", false),
            ("https://mcp.example/mcp", "http://127.0.0.1/token", false),
            ("http://mcp.example/mcp", "http://[::ffff:127.0.0.1]/token", false),
            ("http://mcp.example/mcp", "http://0.0.0.0/token", false),
            ("http://mcp.example/mcp", "http://localhost./token", false),
            ("http://mcp.example/mcp", "http://169.254.169.254/latest", false),
            ("http://mcp.example/mcp", "http://[fe80::1]/", false),
            ("http://mcp.example/mcp", "http://[fd00:ec2::254]/", false),
            ("http://mcp.example/mcp", "http://user:pw@auth.example/", false),
            ("http://mcp.example/mcp", "file:///etc/passwd", false),
            ("http://mcp.example/mcp", "javascript:alert(1)", false),
            ("http://mcp.example/mcp", "/token", false),
        ] {
            let server = Url::parse(server).unwrap();
            assert_eq!(named(&server, url).is_ok(), allowed, "{server} {url}");
        }
    }
}
