//! Misbehaving origins, peers and networks for tests.

pub mod dead;
mod gate;
pub mod names;
pub mod origin;
pub mod pattern;
pub mod raw;
mod socket;
mod task;
pub mod tls;
mod wait;

pub use gate::Gate;
pub use names::Names;
pub use origin::Origin;
pub use raw::{RawOrigin, Script};
pub use wait::{PATIENCE, within};
