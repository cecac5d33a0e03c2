use std::{fmt, io, sync::Arc};

/// A connection has come to its end.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
}

/// Why a connection has come to its end.
#[derive(Clone, Debug)]
pub enum CloseReason {
    /// The peer said so.
    Peer {
        /// The close code, where the peer gave one.
        code: Option<u16>,
        /// The peer's own words. Show them escaped.
        text: String,
    },
    /// The peer sent a message over the limit, or in more pieces than a message may have. It is told with 1009.
    TooLarge,
    /// The peer broke the rules of the transport, in this way. It is told with 1002, or 1007 for text that is not UTF-8.
    Protocol(&'static str),
    /// The network failed.
    Io(Arc<io::Error>),
    /// The peer went away without a word.
    Ended,
}

impl From<CloseReason> for Closed {
    fn from(reason: CloseReason) -> Self {
        Self { reason }
    }
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        CloseReason::Io(Arc::new(error)).into()
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            CloseReason::Peer { code, text } => {
                f.write_str("the peer closed the connection")?;
                if let Some(code) = code {
                    write!(f, " with code {code}")?;
                }
                if !text.is_empty() {
                    write!(f, ": {}", text.escape_debug())?;
                }
                Ok(())
            }
            CloseReason::TooLarge => f.write_str("the peer sent a message over the size limit"),
            CloseReason::Protocol(what) => write!(f, "the peer broke the protocol: {what}"),
            CloseReason::Io(error) => write!(f, "the connection failed: {error}"),
            CloseReason::Ended => f.write_str("the peer ended the connection without saying why"),
        }
    }
}

impl std::error::Error for Closed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            CloseReason::Io(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
