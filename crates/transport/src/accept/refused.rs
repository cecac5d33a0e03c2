use std::{fmt, net::SocketAddr, time::Duration};

/// No WebSocket came of a stream.
#[derive(Debug)]
pub struct Refused {
    /// The other end.
    pub peer: SocketAddr,
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
        /// The body: what is wrong and what to do. Holds nothing that the peer sent.
        text: &'static str,
    },
    /// The upgrade was not finished in this time.
    Timeout(Duration),
    /// The stream ended before a request.
    NoRequest,
    /// What came was not HTTP/1.1, or its head was too large, or the network failed.
    NotHttp(hyper::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer;
        match &self.reason {
            RefusedReason::Probe => write!(f, "{peer} asked whether the executor is ready"),
            RefusedReason::Answered { status, text } => write!(f, "{peer} was refused with {status}: {text}"),
            RefusedReason::Timeout(after) => write!(f, "{peer} did not finish the upgrade within {after:?}"),
            RefusedReason::NoRequest => write!(f, "{peer} went away before it sent a request"),
            RefusedReason::NotHttp(error) => write!(f, "{peer} sent no acceptable HTTP/1.1 request: {error}"),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            RefusedReason::NotHttp(error) => Some(error),
            _ => None,
        }
    }
}
