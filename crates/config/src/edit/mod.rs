//! Changing a file that people also change by hand: what is not touched stays as it was, two changes at once lose
//! nothing, and there is never half a file.

mod change;
mod file;
mod toml;

pub use change::{Change, EditError, Edited, edit};
pub(crate) use file::update;
pub(crate) use toml::{put, remove};
