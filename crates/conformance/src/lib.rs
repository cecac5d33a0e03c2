//! The MCP conformance suite, run as it is, and its results compared check by check.
//!
//! Totals say nothing: a server that is not there at all passes dozens of checks. What counts is that the same peer gets
//! the same results by two routes: [`Results::differences`] between them is empty.
//!
//! Beside the suite stand two programs for it to be run on: `conformance-server`, which implements what its server scenarios
//! ask for, and `conformance-client`, which does what its client scenarios want, by a route of choice. This crate is for
//! tests.

mod results;
mod suite;

pub use results::{Check, Results};
pub use suite::{REVISIONS, Suite};
