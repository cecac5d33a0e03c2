//! The orchestrator's end of a connection.

mod base;
mod inbound;
mod stream;

pub use base::{BaseClient, CallId, Connected, Event, HeadPoll, Outgoing};
pub use inbound::{Inbound, Raw, decode};
