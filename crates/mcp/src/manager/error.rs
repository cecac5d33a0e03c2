use crate::Failure;
use rmcp::model::ErrorData;
use std::time::Duration;

/// Why a call brought no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no server of this name.
    #[error("there is no MCP server named {0:?}")]
    Unknown(String),
    /// The server is not to be used.
    #[error("the MCP server is disabled")]
    Disabled,
    /// The manager has ended.
    #[error("the manager of MCP servers has ended")]
    Closed,
    /// There is no session with the server. The call was not sent.
    #[error("{0}")]
    NotConnected(Failure),
    /// The call failed on its way. [`Failure::may_have_been_executed`] says whether it was.
    #[error("{0}")]
    Failed(Failure),
    /// The server refused the call: an unknown tool, wrong arguments.
    #[error("the server refused the call: {} ({})", .0.message, .0.code.0)]
    Refused(ErrorData),
    /// There was no answer in time. The server was told that nobody waits any more.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server asks for input of a person before it goes on, which nobody can give here.
    #[error("the tool asks for input in the middle of its work, and nobody can give it here")]
    InputRequired,
}

impl CallError {
    /// Whether the tool may have been executed, so that calling again may do it twice.
    pub fn may_have_been_executed(&self) -> bool {
        match self {
            Self::Failed(failure) => failure.may_have_been_executed(),
            Self::Timeout(_) | Self::InputRequired => true,
            Self::Unknown(_) | Self::Disabled | Self::Closed | Self::NotConnected(_) | Self::Refused(_) => {
                false
            }
        }
    }

    /// The failure, where something failed on the way.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::NotConnected(failure) | Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
