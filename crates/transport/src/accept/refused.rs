use crate::Peer;
use std::{borrow::Cow, fmt, io, time::Duration};

/// No WebSocket came of a stream.
#[derive(Debug)]
pub struct Refused {
    /// The other end.
    pub peer: Peer,
    /// Why.
    pub reason: RefusedReason,
}

/// Why no WebSocket came of a stream.
#[derive(Debug)]
pub enum RefusedReason {
    /// It was a readiness probe, and has been answered.
    Probe,
    /// The request was answered with this status and this text.
    Answered {
        /// The HTTP status.
        status: u16,
        /// A stable word for the audit.
        code: &'static str,
        /// The body: what is wrong and what to do.
        text: Cow<'static, str>,
        /// The field that came and should not have, or not like that: `host: name`, cut and escaped.
        came: Option<String>,
    },
    /// The upgrade was not finished in this time.
    Timeout(Duration),
    /// The stream ended before a request.
    NoRequest,
    /// The TLS handshake failed, or the client's certificate is not accepted.
    Tls(io::Error),
    /// It does not speak TLS, where only TLS is spoken. It has been told so.
    NotTls,
    /// A process of a user who may not connect.
    User,
    /// What came was not HTTP/1.1, or its head was too large, or the network failed.
    NotHttp(hyper::Error),
}

impl RefusedReason {
    /// A stable word for the audit.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Answered { code, .. } => code,
            Self::Timeout(_) => "timeout",
            Self::NoRequest => "no_request",
            Self::Tls(_) => "tls",
            Self::NotTls => "not_tls",
            Self::User => "user",
            Self::NotHttp(_) => "not_http",
        }
    }

    /// The field of the request that it is about, cut and escaped, where it is about one. Proxies in front write such fields.
    pub fn came(&self) -> Option<&str> {
        match self {
            Self::Answered { came, .. } => came.as_deref(),
            _ => None,
        }
    }

    /// The HTTP status that was answered, if one was.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::NotTls => Some(400),
            _ => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer;
        match &self.reason {
            RefusedReason::Probe => write!(f, "{peer} asked whether the executor is ready"),
            RefusedReason::Answered { status, text, .. } => {
                write!(f, "{peer} was refused with {status}: {text}")
            }
            RefusedReason::Timeout(after) => write!(f, "{peer} did not finish the upgrade within {after:?}"),
            RefusedReason::NoRequest => write!(f, "{peer} went away before it sent a request"),
            RefusedReason::Tls(error) => write!(f, "TLS with {peer} failed: {error}"),
            RefusedReason::NotTls => write!(f, "{peer} does not speak TLS"),
            RefusedReason::User => write!(f, "{peer} is no user who may connect"),
            RefusedReason::NotHttp(error) => write!(f, "{peer} sent no acceptable HTTP/1.1 request: {error}"),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            RefusedReason::NotHttp(error) => Some(error),
            RefusedReason::Tls(error) => Some(error),
            _ => None,
        }
    }
}
