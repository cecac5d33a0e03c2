//! The conformance suite on the programs of this crate.

mod client;
mod server;
mod support;
