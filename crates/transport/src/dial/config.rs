use super::{ClientIdentity, Pin, Proxy};
use afield_exchange::{Limits, redacted_url};
use http::HeaderMap;
use std::{fmt, sync::Arc, time::Duration};

/// A token to be presented as `Authorization: Bearer`. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// The token, without the word `Bearer`. What cannot stand in a header is refused by [`dial`](crate::dial()).
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

/// Where to dial and how.
#[derive(Clone)]
pub struct DialConfig {
    /// `ws:` or `wss:`; `http:` and `https:` mean the same. Userinfo is refused. `unix:PATH` or `ws+unix:PATH`: a Unix
    /// socket, whose path is taken as it stands.
    pub url: String,
    /// The token, if the executor wants one.
    pub token: Option<BearerToken>,
    /// Required for `wss:`, unless there are [`pins`](Self::pins). It must offer no ALPN protocol but `http/1.1`: a WebSocket begins as HTTP/1.1.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The executor's certificate must be one of these, if there are any, besides what [`tls`](Self::tls) checks. Without
    /// `tls` they are all that is checked: whoever proves to hold the pinned certificate's key is the executor, whatever
    /// name and dates the certificate has.
    pub pins: Vec<Pin>,
    /// The certificate to present where the executor asks for one.
    pub identity: Option<ClientIdentity>,
    /// The proxy to go through. What dials does not look at the environment.
    pub proxy: Option<Proxy>,
    /// Over everything: DNS, connecting, TLS, the upgrade.
    pub connect_timeout: Duration,
    /// The limit on one incoming message, in bytes.
    pub message_bytes: usize,
    /// Send the token over `ws:` to an address that is not loopback, where whoever listens on the way can read it.
    pub allow_plaintext_token: bool,
    /// Further headers for the upgrade request, such as a reverse proxy may want.
    pub headers: HeaderMap,
}

impl DialConfig {
    /// This URL with the defaults: no token, no TLS, the default limits' connect timeout and message size.
    pub fn new(url: impl Into<String>) -> Self {
        let limits = Limits::default();
        Self {
            url: url.into(),
            token: None,
            tls: None,
            pins: Vec::new(),
            identity: None,
            proxy: None,
            connect_timeout: limits.connect,
            message_bytes: limits.message_bytes,
            allow_plaintext_token: false,
            headers: HeaderMap::new(),
        }
    }
}

impl fmt::Debug for DialConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialConfig")
            .field("url", &redacted_url(&self.url))
            .field("token", &self.token)
            .field("tls", &self.tls.is_some())
            .field("pins", &self.pins)
            .field("identity", &self.identity)
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("message_bytes", &self.message_bytes)
            .field("allow_plaintext_token", &self.allow_plaintext_token)
            .field("headers", &self.headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// Proves that no secret of a configuration can reach a log through `Debug`.
    #[test]
    fn debug_shows_no_token_userinfo_query_or_header_value() {
        let mut config = DialConfig::new("wss://canary@host/?token=canary");
        config.token = Some(BearerToken::new("canary"));
        config.proxy = Some(Proxy::parse("http://canary:canary@proxy.test:1").unwrap());
        config.headers.insert("x-gateway", HeaderValue::from_static("canary"));
        let text = format!("{config:?} {:?}", config.token);
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("wss://host/") && text.contains("x-gateway"), "{text}");
    }
}
