use super::{DialConfig, DialError};
use std::path::PathBuf;
use url::{Host, Url};

/// A URL, taken apart into what dialling needs.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// A Unix socket, instead of host and port.
    pub(super) unix: Option<PathBuf>,
    /// The request target: path and query.
    pub(super) target: String,
}

impl Address {
    /// Parses and judges the URL and what goes with it, before anything touches the network.
    pub(super) fn parse(config: &DialConfig) -> Result<Self, DialError> {
        if let Some(path) = unix_path(&config.url) {
            return Self::unix(path, config);
        }
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
        if tls && config.tls.is_none() && config.pins.is_empty() {
            return Err(DialError::TlsNotConfigured);
        }
        if !tls && (!config.pins.is_empty() || config.identity.is_some()) {
            return Err(invalid("a pin or a client certificate wants TLS: a URL of the scheme wss:"));
        }
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self { host, port, tls, unix: None, target })
    }

    fn unix(path: &str, config: &DialConfig) -> Result<Self, DialError> {
        let invalid = |what: &str| Err(DialError::InvalidUrl(what.to_owned()));
        if path.is_empty() || path.contains('\0') {
            return invalid("a path follows unix:");
        }
        if config.proxy.is_some() || !config.pins.is_empty() || config.identity.is_some() {
            return invalid("a Unix socket is reached without proxy and without TLS");
        }
        // Whom the upgrade request asks for.
        let host = Host::Domain("localhost".to_owned());
        Ok(Self { host, port: 80, tls: false, unix: Some(path.into()), target: "/".to_owned() })
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
        match &self.unix {
            Some(path) => format!("unix:{}", path.display()),
            None => format!("{}:{}", self.host, self.port),
        }
    }
}

/// The path in `unix:PATH` or `ws+unix:PATH`, taken as it stands. `unix:///PATH` is `unix:/PATH`.
fn unix_path(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    if !["unix", "ws+unix"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    Some(rest.strip_prefix("//").unwrap_or(rest))
}
