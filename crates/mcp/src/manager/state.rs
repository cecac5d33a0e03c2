use crate::Failure;
use std::time::Instant;

/// How a server stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerState {
    /// It is not to be used.
    Disabled,
    /// A session is being begun.
    Connecting,
    /// It can be called.
    Ready {
        /// The revision that is spoken, such as `2025-11-25`.
        revision: String,
        /// What it calls itself, with its version; `None` if it does not say.
        server: Option<String>,
        /// How many tools it has; `None` if it has no tools at all.
        tools: Option<usize>,
    },
    /// Somebody has to log in.
    LoginNeeded {
        /// What the server, or who gets its tokens, said.
        failure: Failure,
    },
    /// It cannot be used now.
    Failed {
        /// Why.
        failure: Failure,
        /// When it is tried again by itself; `None`: never.
        retry_at: Option<Instant>,
    },
    /// The manager has ended.
    Closed,
}

impl ServerState {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Connecting => "connecting",
            Self::Ready { .. } => "ready",
            Self::LoginNeeded { .. } => "login needed",
            Self::Failed { .. } => "failed",
            Self::Closed => "closed",
        }
    }

    /// Why it cannot be used, where that is so.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::LoginNeeded { failure } | Self::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }
}

/// A server, and how it stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Where its requests leave from.
    pub environment: String,
    /// Whether nothing works without it.
    pub required: bool,
    /// How it stands.
    pub state: ServerState,
}
