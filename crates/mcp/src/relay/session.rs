use super::message::Message;
use std::sync::Arc;

/// What is known of the session with the server.
#[derive(Clone, Default)]
pub(super) struct Session {
    pub id: Option<Arc<str>>,
    /// The revision that `initialize` settled.
    pub revision: Option<String>,
    /// Counted up with every session.
    pub generation: u64,
    /// The host's own `initialize`, to begin another session with.
    pub initialize: Option<Message>,
    /// Whether the host has said that it is initialized.
    pub is_open: bool,
}
