use super::declared::UpstreamError;
use crate::secrets::SecretSource;
use std::fmt;
use std::net::IpAddr;
use url::Url;

/// A proxy that connections to an origin are made through.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) scheme: ProxyScheme,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(super) credentials: Option<(String, SecretSource)>,
    pub(crate) names_resolved_there: bool,
}

/// What is spoken with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP: `CONNECT` for `https:` URLs, whole URLs for `http:` ones.
    Http,
    /// The same inside TLS, with the authorities and client certificate of the rule.
    Https,
    /// SOCKS5 (RFC 1928).
    Socks5,
}

impl Proxy {
    /// The proxy at `url`: `http://host:port`, `https://host:port`, `socks5://host:port` or `socks5h://host:port`, which is
    /// `socks5` with [`Proxy::names_resolved_there`]. The port defaults to 80, 443 and 1080.
    ///
    /// # Errors
    ///
    /// If it is none of these, or holds credentials: they have a place of their own.
    pub fn new(url: &str) -> Result<Self, UpstreamError> {
        let bad = |why: &str| UpstreamError::Proxy(why.to_owned());
        let parsed = Url::parse(url).map_err(|error| bad(&error.to_string()))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(bad("credentials do not belong in the URL: give user and password apart"));
        }
        let (scheme, default, there) = match parsed.scheme() {
            "http" => (ProxyScheme::Http, 80, false),
            "https" => (ProxyScheme::Https, 443, false),
            "socks5" => (ProxyScheme::Socks5, 1080, false),
            "socks5h" => (ProxyScheme::Socks5, 1080, true),
            _ => return Err(bad("the scheme is none of http, https, socks5, socks5h")),
        };
        let port = parsed.port().unwrap_or(default);
        let bare =
            matches!(parsed.path(), "" | "/") && parsed.query().is_none() && parsed.fragment().is_none();
        let host = parsed.host_str().unwrap_or_default();
        if host.is_empty() || port == 0 || !bare {
            return Err(bad("it is not scheme://host:port"));
        }
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            credentials: None,
            names_resolved_there: there,
        })
    }

    /// The credentials it demands: a user name, and where the password comes from.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: SecretSource) -> Self {
        self.credentials = Some((user.into(), password));
        self
    }

    /// Leaves it to the proxy alone to resolve the origins' names. Then the policy judges the names and the addresses that
    /// URLs hold, but cannot know to which addresses names lead.
    #[must_use]
    pub fn names_resolved_there(mut self) -> Self {
        self.names_resolved_there = true;
        self
    }

    /// Its address, where its host is one.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The URL without credentials.
    fn url(&self) -> String {
        let scheme = match self.scheme {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 if self.names_resolved_there => "socks5h",
            ProxyScheme::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => format!("{scheme}://[{}]:{}", self.host, self.port),
            false => format!("{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a proxy is read from its URL, with the port its scheme has, and that anything else is refused.
    #[test]
    fn a_proxy_is_read_from_its_url() {
        for (url, read) in [
            ("http://proxy.test", "http://proxy.test:80"),
            ("http://proxy.test:3128/", "http://proxy.test:3128"),
            ("https://proxy.test", "https://proxy.test:443"),
            ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
            ("socks5h://[::1]:9", "socks5h://[::1]:9"),
        ] {
            assert_eq!(Proxy::new(url).expect(url).url(), read);
        }
        for url in [
            "proxy.test",
            "ftp://proxy",
            "http://canary:canary@proxy",
            "http://proxy/path",
            "http://",
            "socks5://a:0",
        ] {
            let error = Proxy::new(url).expect_err(url).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
