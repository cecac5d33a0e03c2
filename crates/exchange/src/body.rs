use crate::Recorded;
use bytes::Bytes;
use futures_core::Stream;
use std::{fmt, pin::Pin};

/// Why a streamed request body could not be produced. Its text may reach the caller.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request body that is produced while it is sent. An `Err` item aborts the request: an upload that never ended is
/// never terminated towards the origin as if it were complete.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// The body of a request.
#[derive(Default)]
pub enum RequestBody {
    /// No body. What framing this means on the wire depends on the method (RFC 9110, section 8.6).
    #[default]
    Empty,
    /// A body that is whole already.
    Bytes(Bytes),
    /// A body that is produced while it is sent.
    Stream {
        /// Its exact length in bytes, where known; a body of another length fails the request.
        length: Option<u64>,
        /// The bytes.
        stream: BodyStream,
    },
    /// A body that is produced while it is sent, and kept, so that it can be sent again.
    Recorded(Recorded),
}

impl RequestBody {
    /// The length in bytes, where it is known beforehand.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
            Self::Recorded(body) => body.length(),
        }
    }

    /// The body once more, if it can be sent once more.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Recorded(body) => Some(Self::Recorded(body.clone())),
            Self::Stream { .. } => None,
        }
    }

    /// Whether sending the body a second time is possible.
    pub fn is_replayable(&self) -> bool {
        !matches!(self, Self::Stream { .. })
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Bytes(bytes) => write!(f, "<{} bytes>", bytes.len()),
            Self::Recorded(body) => body.fmt(f),
            Self::Stream { length: Some(length), .. } => write!(f, "<stream of {length} bytes>"),
            Self::Stream { length: None, .. } => f.write_str("<stream>"),
        }
    }
}
