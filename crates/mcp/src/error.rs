use crate::login::AuthorizeError;
use afield_exchange::Error;
use http::StatusCode;

/// Why a request brought nothing that MCP has a word for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// The exchange failed: no answer, or not all of it. Says whom to blame and whether a retry is safe.
    #[error(transparent)]
    Exchange(#[from] Error),
    /// The server refused a request that expects no message in return.
    #[error("the server answered HTTP {0}")]
    Status(StatusCode),
    /// There is no token to be had for the server, and not for want of a login.
    #[error(transparent)]
    Authorization(#[from] AuthorizeError),
}

impl TransportError {
    /// The failure of the exchange, if that is what happened.
    pub fn exchange(&self) -> Option<&Error> {
        match self {
            Self::Exchange(error) => Some(error),
            Self::Status(_) | Self::Authorization(_) => None,
        }
    }

    /// The status that refused the request, if that is what happened.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Exchange(_) | Self::Authorization(_) => None,
            Self::Status(status) => Some(*status),
        }
    }
}

/// A header field that is the transport's own was given among those to send along.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header field `{0}` is set by the MCP transport: take it off the server's headers")]
pub struct ReservedHeader(pub String);
