//! The conformance suite on the programs of this crate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod gateway;
mod server;
mod support;
