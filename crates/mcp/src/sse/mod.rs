//! Server-sent events, each bounded in bytes before it is parsed.

mod bounded;
mod events;
mod oversized;
mod size;

pub use bounded::EventTooLarge;
pub(crate) use events::events;
pub(crate) use oversized::{Lineage, Oversized};
