//! The executor's end: of a connection in the base dialect, of a session in afield/1, and what they have in common.

mod base;
mod event;
mod inbound;
mod machine;
mod outgoing;
mod questions;
mod stream;

pub use base::{BaseServer, BaseServerConfig};
pub use event::{CallId, Event};
pub use inbound::{Inbound, decode, id_of_beginning};
pub use machine::Server;
pub use outgoing::{Encoded, Outgoing, Reply};
pub(crate) use questions::Questions;
