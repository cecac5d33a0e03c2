//! The wire: message types, strict decoding, error codes, and the session machines of both ends, sans I/O.
//!
//! Nothing here touches a socket or a clock: bytes and `now` come in as arguments, messages, events and deadlines go
//! out. A whole session can be simulated in virtual time.

pub mod client;
pub mod error;
pub mod json;
mod liveness;
pub mod resumable;
pub mod server;
pub mod wire;

pub use error::{ErrorData, RpcError};
pub use liveness::{BASE_SILENCE, Liveness, PING_EVERY, SILENCE, Verdict};
