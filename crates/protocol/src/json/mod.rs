//! JSON-RPC messages, decoded strictly.

mod envelope;
mod exact;
mod id;
mod object;
mod strict;
mod text;

pub use envelope::{Envelope, Malformed, decode};
pub(crate) use exact::from_object;
pub use id::RpcId;
pub use object::{Object, object, objects, parse_object, word};
pub use strict::check_object;
pub use text::Text;
