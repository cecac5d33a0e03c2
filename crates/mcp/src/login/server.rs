use super::LoginError;
use afield_exchange::redacted_url;
use ring::digest;
use std::fmt;
use url::Url;

/// The MCP server that a token is for: its URL, and where requests to it leave from.
///
/// A token belongs to both: the same URL from another place is another server, and has a token of its own or none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Server {
    url: Url,
    placement: String,
}

impl Server {
    /// The server at this URL, asked from this placement: `local`, or an executor's name.
    ///
    /// # Errors
    ///
    /// A URL that is not an absolute `http:` or `https:` URL.
    pub fn new(url: &str, placement: impl Into<String>) -> Result<Self, LoginError> {
        let unusable =
            || LoginError::Server(format!("`{}` is not an absolute http: or https: URL", redacted_url(url)));
        let mut parsed = Url::parse(url).map_err(|_| unusable())?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
            return Err(unusable());
        }
        parsed.set_fragment(None);
        Ok(Self { url: parsed, placement: placement.into() })
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where requests leave from.
    pub fn placement(&self) -> &str {
        &self.placement
    }

    /// Whether a request to this URL may carry the server's token: only where scheme, host and port are the server's.
    pub fn covers(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin() == self.url.origin())
    }

    /// What stands for the server in a file's name: readable, and distinct for every pair of URL and placement.
    pub(crate) fn file_stem(&self) -> String {
        let mut text = digest::Context::new(&digest::SHA256);
        text.update(self.placement.as_bytes());
        text.update(&[0]);
        text.update(self.url.as_str().as_bytes());
        let hash = text.finish();
        let hash: String = hash.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        let host = self.url.host_str().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let host: String = host.chars().take(64).map(plain).collect();
        format!("{host}-{hash}")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted_url(self.url.as_str()))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self} from {})", self.placement.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a token goes to the server's own origin alone.
    #[test]
    fn only_the_servers_origin_is_covered() {
        let server = Server::new("https://mcp.example/a/mcp?key=canary", "there").unwrap();
        for url in ["https://mcp.example/a/mcp", "https://MCP.example:443/b"] {
            assert!(server.covers(url), "{url}");
        }
        for url in [
            "http://mcp.example/a/mcp",
            "https://mcp.example:8443/",
            "https://mcp.example.evil/",
            "https://mcp.example@evil/",
            "https://x.mcp.example/",
            "mcp.example",
        ] {
            assert!(!server.covers(url), "{url}");
        }
        assert!(!format!("{server:?} {server}").contains("canary"));
    }

    /// Proves that every pair of URL and placement has a name of its own, which is a plain file name.
    #[test]
    fn every_place_and_url_has_a_name_of_its_own() {
        let stem = |url, place: &str| Server::new(url, place).unwrap().file_stem();
        let stems = [
            stem("http://a/mcp", "local"),
            stem("http://a/mcp", "there"),
            stem("http://a/mcp2", "local"),
            stem("http://[::1]:1/../../etc", "../../x"),
        ];
        for (at, stem) in stems.iter().enumerate() {
            assert!(!stems[..at].contains(stem));
            assert!(!stem.contains(['/', '\\', ':', '[']), "{stem}");
        }
    }
}
