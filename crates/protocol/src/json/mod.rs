//! JSON-RPC messages, decoded strictly.

mod envelope;
mod id;
mod strict;
mod text;

pub use envelope::{Envelope, Malformed, decode};
pub use id::RpcId;
pub use strict::check_object;
pub use text::Text;
