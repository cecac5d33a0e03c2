//! Misbehaving origins, peers and networks for tests.

pub mod origin;
pub mod pattern;
mod task;
mod wait;

pub use origin::Origin;
pub use wait::{PATIENCE, within};
