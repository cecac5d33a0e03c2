//! The orchestrator's end: of a connection in the base dialect, of a session in afield/1, and what they have in common.

mod base;
mod event;
mod handshake;
mod inbound;
mod machine;
mod stream;

pub use base::BaseClient;
pub use event::{CallId, Event, HeadPoll};
pub(crate) use handshake::initialized;
pub use handshake::{Connected, initialize, initialize_answer};
pub use inbound::{Inbound, Raw, decode};
pub use machine::Client;
