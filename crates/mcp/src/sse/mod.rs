//! Server-sent events, each bounded in bytes before it is parsed.

mod bounded;
mod events;
mod oversized;
mod size;
#[cfg(test)]
mod tests;

pub use bounded::EventTooLarge;
pub(crate) use events::events;
pub(crate) use oversized::{Lineage, Oversized};
