use crate::FileError;
use rustls::CertificateError;
use std::{fmt, io, time::Duration};

/// Why a WebSocket could not be opened. Its text names the host and never a token, a query or userinfo.
#[derive(Debug)]
pub enum DialError {
    /// The URL cannot be dialled, for this reason.
    InvalidUrl(String),
    /// The token holds what cannot stand in a header.
    InvalidToken,
    /// The client's own certificate or its key cannot be used.
    Identity(FileError),
    /// The proxy did not make a tunnel.
    Proxy {
        /// Its host and port.
        proxy: String,
        /// The HTTP status of its answer, if it answered.
        status: Option<u16>,
        /// What it said, or what became of it.
        what: String,
    },
    /// The executor ended TLS after the handshake, as one does that wants a client certificate or does not accept it.
    RefusedByTls(String),
    /// `wss:` without a TLS configuration.
    TlsNotConfigured,
    /// The token would be readable on the way.
    PlaintextToken {
        /// Host and port.
        host: String,
    },
    /// The host's name was not resolved.
    Dns {
        /// Host and port.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the host accepted a connection; this is the last one's failure.
    Connect {
        /// Host and port.
        host: String,
        /// What the last attempt said.
        source: io::Error,
    },
    /// The TLS handshake or the check of the certificate failed.
    Tls {
        /// Host and port.
        host: String,
        /// What TLS said.
        source: io::Error,
    },
    /// The server answered, but not with the upgrade.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What came with it: the first 1,024 bytes of the body at most, where a redirect leads to, the title of a page. The
        /// server's words: `Display` escapes them.
        body: String,
        /// The executor's own word for its reason; `None` where somebody else answered, such as a proxy in front.
        refusal: Option<String>,
    },
    /// Not done within the connect timeout.
    Timeout {
        /// Host and port.
        host: String,
        /// The timeout.
        after: Duration,
    },
    /// The connection ended before the answer to the upgrade, as it does behind a tunnel at whose other end nobody
    /// listens.
    Dropped(String),
    /// What answered does not speak WebSocket, in this way.
    NotWebSocket(String),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(what) => {
                write!(
                    f,
                    "the executor's URL is invalid: {what} (expected ws://HOST:PORT, wss://HOST:PORT, unix:PATH or ssh://HOST)"
                )
            }
            Self::InvalidToken => f.write_str(
                "the token holds characters that no header may hold: check for line breaks or a wrong file",
            ),
            Self::Identity(error) => write!(f, "the client certificate cannot be used: {error}"),
            Self::Proxy { proxy, what, .. } => {
                write!(f, "the proxy {proxy} made no tunnel: {}", what.escape_debug())
            }
            Self::RefusedByTls(what) => write!(
                f,
                "the executor ended TLS ({what}): check that it accepts the client certificate, or whether it wants one \
                 (`--executor-certificate` and `--executor-key`, or `client_certificate` and `client_key` of the executor in \
                 the configuration)"
            ),
            Self::TlsNotConfigured => f.write_str("a wss: URL needs a TLS configuration"),
            Self::PlaintextToken { host } => write!(
                f,
                "the token would be sent to {host} unencrypted: use wss:, or a tunnel to an address of this machine; \
                 allow_plaintext_token in the configuration allows it where the network is trusted"
            ),
            Self::Dns { host, source } => {
                write!(f, "{host} could not be resolved: {source}; check the name and the resolver")
            }
            Self::Connect { host, source } => {
                write!(f, "{host} could not be connected to: {source}; check that an executor listens there")
            }
            Self::Tls { host, source } => match certificate(source) {
                Some(what) => write!(f, "TLS with {host} failed: {what}"),
                None => write!(
                    f,
                    "TLS with {host} failed: {source}; check the certificate, the trusted roots, and that the port speaks TLS"
                ),
            },
            Self::Refused { status, body, refusal } => {
                match refusal {
                    Some(_) => write!(f, "the executor refused the connection with {status}")?,
                    None => write!(f, "the server answered {status} instead of opening a WebSocket")?,
                }
                if !body.is_empty() {
                    write!(f, ": {}", body.trim_end().escape_debug())?;
                }
                f.write_str(advice(*status, refusal.is_some()))
            }
            Self::Timeout { host, after } => write!(
                f,
                "{host} did not open a WebSocket within {after:?}: check the address, or raise the connect timeout"
            ),
            Self::Dropped(what) => write!(
                f,
                "the connection ended before a WebSocket was opened ({what}): check that an executor listens there, \
                 and behind any tunnel on the way"
            ),
            Self::NotWebSocket(what) => {
                write!(f, "what answered is not a WebSocket server ({what}): check the address and the port")
            }
        }
    }
}

/// What is wrong with the executor's certificate, whose it is to mend, and at which end.
fn certificate(source: &io::Error) -> Option<String> {
    let error = source.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(wrong) = error else { return None };
    Some(match wrong {
        CertificateError::Expired => {
            "the executor's certificate has expired: whoever runs the executor has to renew it".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            let ago = if days == 0 { "today".to_owned() } else { format!("{days} days ago") };
            format!("the executor's certificate has expired, {ago}: whoever runs the executor has to renew it")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the executor's certificate is not valid yet: check the clocks of both machines".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the executor's certificate is of an authority that is not trusted on this side: check the certificate, and name \
             its authority here (`--ca`, or `ca` of the executor in the configuration), or pin it (`--executor-pin`)"
                .to_owned()
        }
        CertificateError::NotValidForName => {
            "the executor's certificate is for other names: address the executor by one of those, or pin the certificate"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "the executor's certificate is for other names ({}): address the executor by one of those, or pin the certificate",
            names(presented).escape_debug()
        ),
        _ => return None,
    })
}

/// The names, without the words that rustls has for their kinds: `DnsName("a")`.
fn names(presented: &[String]) -> String {
    let bare = presented.iter().take(8).map(|name| name.split('"').nth(1).unwrap_or(name));
    bare.collect::<Vec<_>>().join(", ")
}

/// What to do. What the executor itself says holds that already, but for its caller's part.
fn advice(status: u16, own: bool) -> &'static str {
    match (status, own) {
        (401, _) => "; check the token",
        (429 | 503, true) => "; try again later",
        (_, true) => "",
        (300..=399, _) => "; redirects are not followed: give the executor's own URL",
        (400 | 426, _) => {
            "; check that the address is an executor's, and that a proxy in front passes WebSocket upgrades on"
        }
        (403 | 421, _) => {
            "; this is not the executor's own answer: check what stands in front of it, and by which name it is addressed"
        }
        (404, _) => "; check the URL, or whether what stands in front of the executor knows the way to it",
        (502..=504, _) => "; what stands in front of the executor does not reach it now: try again later",
        (429, _) => "; try again later",
        (200..=299, _) => "; check that the address is an executor's",
        _ => "",
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Dns { source, .. } | Self::Connect { source, .. } | Self::Tls { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
