//! How names become addresses: what is asked, in which order, and by whom.

mod hosts;
mod lookups;
mod resolve;
mod search;
mod system;

pub use resolve::{Resolve, Resolving};
pub use system::SystemResolver;
