//! Entries for the files of other MCP hosts, through which they use the servers of this configuration.

mod entry;
mod host;
mod json;
mod toml;
mod write;

pub use entry::{Export, Via};
pub use host::{Host, Scope};
pub use write::{Written, export_into};
