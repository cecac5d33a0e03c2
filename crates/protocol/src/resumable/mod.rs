//! afield/1: binary bodies, credit for each stream, cancel, streamed uploads, and resumption.
//!
//! A body is a window over bytes addressed by offset ([`SendWindow`], [`ReceiveWindow`]): credit, acknowledgement,
//! resumption and bounded memory are one mechanism. [`ResumableServer`] and [`ResumableClient`] are the two ends of a
//! session, which outlives its connections.

mod call_text;
mod client;
mod frame;
mod line;
mod receive_window;
mod send_window;
mod server;
mod sync;

pub use call_text::{CallText, INLINE_UPLOAD};
pub use client::{ClientConfig, ClientEvent, Drained, ResumableClient};
pub use frame::{BodyKind, BodyMessage, HEADER_BYTES, MalformedBody};
pub use receive_window::{BrokenStream, Piece, ReceiveWindow};
pub use send_window::{End, Segment, SendWindow};
pub use server::{ResumableServer, ServerConfig, ServerEvent, Transmit};
pub(crate) use sync::decode_plain_consumed;
pub use sync::{Consumed, RequestState, SyncParams, SyncRequest, SyncResult, SyncedRequest};

/// The dialect's name in `initialize`.
pub const DIALECT: &str = "afield/1";

/// The most body bytes in one message.
pub const BODY_MESSAGE_BYTES: usize = 256 * 1024;

/// The largest complete body that rides in the result, in bytes.
pub const INLINE_BODY: usize = 16 * 1024;

/// Smallest and largest window a peer may ask for, in bytes; what is outside is taken as the nearest.
pub const WINDOW_RANGE: std::ops::RangeInclusive<u64> = 64 * 1024..=16 * 1024 * 1024;

/// The largest trailer fields of a body, as JSON, in bytes.
pub const TRAILERS_BYTES: usize = 64 * 1024;

/// The most informational responses of one request that are passed on; later ones are dropped.
pub const INFORMATIONAL: usize = 16;

/// The most bytes that they may be together, as messages; those that do not fit are dropped.
pub const INFORMATIONAL_BYTES: usize = 64 * 1024;

/// The greatest id of a request: the greatest whole number that every reader of JSON reads exactly.
pub const GREATEST_ID: u64 = (1 << 53) - 1;

/// What a stream keeps when the bodies of its session are over their common limit, in bytes.
pub const LEAST_KEPT: u64 = 32 * 1024;
