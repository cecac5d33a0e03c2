//! The executor's end of a connection.

mod base;
mod inbound;
mod outgoing;
mod stream;

pub use base::{BaseServer, BaseServerConfig, CallId, Event};
pub use inbound::{Inbound, decode};
pub use outgoing::{Outgoing, Reply};
