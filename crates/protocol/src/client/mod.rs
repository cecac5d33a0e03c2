//! The orchestrator's end: of a connection in the base dialect, of a session in afield/1, and what they have in common.

mod base;
mod configuration;
mod event;
mod handshake;
mod inbound;
mod machine;
mod stream;

pub use base::BaseClient;
pub use configuration::{configuration, configuration_answer};
pub use event::{CallId, Event, HeadPoll};
pub use handshake::{Connected, initialize, initialize_answer, initialized};
pub use inbound::{Inbound, Raw, decode};
pub use machine::Client;
