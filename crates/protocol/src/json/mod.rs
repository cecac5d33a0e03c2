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
pub use object::{Few, MOST, Object, few_or_null, object, objects, parse_object, word};
pub use strict::{KEYS, check_object};
pub use text::Text;
