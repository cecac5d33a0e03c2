//! JSON-RPC messages, decoded strictly.

mod envelope;
mod exact;
mod id;
mod strict;
mod text;

pub use envelope::{Envelope, Malformed, decode};
pub(crate) use exact::from_object;
pub use id::RpcId;
pub use strict::check_object;
pub use text::Text;
