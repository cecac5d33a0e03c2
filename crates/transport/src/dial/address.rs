use super::{DialConfig, DialError};
use url::{Host, Url};

/// A URL, taken apart into what dialling needs.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// The request target: path and query.
    pub(super) target: String,
}

impl Address {
    /// Parses and judges the URL and what goes with it, before anything touches the network.
    pub(super) fn parse(config: &DialConfig) -> Result<Self, DialError> {
        let url = Url::parse(&config.url).map_err(|error| DialError::InvalidUrl(error.to_string()))?;
        let invalid = |what: &str| DialError::InvalidUrl(what.to_owned());
        let tls = match url.scheme() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(invalid("the scheme is neither ws: nor wss:")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it holds a user name or password; pass the token separately"));
        }
        let host = url.host().ok_or_else(|| invalid("it has no host"))?.to_owned();
        let port = url
            .port_or_known_default()
            .filter(|port| *port != 0)
            .ok_or_else(|| invalid("port 0 cannot be dialled"))?;
        if tls && config.tls.is_none() {
            return Err(DialError::TlsNotConfigured);
        }
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self { host, port, tls, target })
    }

    /// For messages and for `Host`, where the default port is left out.
    pub(super) fn authority(&self) -> String {
        if self.port == if self.tls { 443 } else { 80 } {
            self.host.to_string()
        } else {
            self.host_and_port()
        }
    }

    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
