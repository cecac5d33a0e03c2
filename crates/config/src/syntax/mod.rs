//! From text to a tree that knows where each of its parts stands, the same for TOML and for JSON with comments.

mod json;
mod node;
mod source;
mod toml;

pub(crate) use json::OPTIONS as JSON;
pub(crate) use node::{Entry, Node, Span, Value};
pub(crate) use source::Source;

use crate::Problem;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Toml,
    /// With comments and trailing commas, as editors allow them.
    Json,
}

/// The tree of a text, or where it stops being one.
pub(crate) fn parse(source: &Source, syntax: Syntax) -> Result<Node, Problem> {
    match syntax {
        Syntax::Toml => toml::parse(source),
        Syntax::Json => json::parse(source),
    }
}
