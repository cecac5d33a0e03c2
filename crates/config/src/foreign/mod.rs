//! The files of other MCP hosts: finding their servers, and telling them in our words.
//!
//! What they say is turned into the tree that our own section would be, each part still knowing where it stands, and
//! read as that: one set of checks holds for all.

mod codex;
mod detect;
mod header;
mod import;
mod json;
mod servers;
mod told;

pub use import::{Imported, ImportedServer, import};

pub(crate) use detect::{format, syntax};
pub(crate) use import::no_servers;
pub(crate) use servers::servers;
pub(crate) use told::Told;

use crate::{Format, syntax::Entry};

/// A server of another program's file, in our words.
pub(crate) fn tell(format: Format, entry: &Entry) -> Told {
    match format {
        Format::Afield => Told::as_it_is(entry),
        Format::Codex => codex::tell(entry),
        _ => json::tell(entry),
    }
}
