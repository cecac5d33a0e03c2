use std::sync::Arc;

/// How the connection to an executor stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There is none: the next exchange makes one.
    #[default]
    Idle,
    /// There is one.
    Connected {
        /// What is spoken: `base` or `afield/1`.
        dialect: Arc<str>,
        /// How often it has been lost and resumed since the session began.
        resumed: u32,
    },
    /// It was lost, and exchanges under way wait for another one. Only in afield/1.
    Reconnecting {
        /// Why it was lost.
        why: Arc<str>,
        /// Attempts that have failed since.
        attempts: u32,
    },
}
