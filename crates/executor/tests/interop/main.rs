//! afield and the reference of its base dialect, the `codex exec-server` family, against each other: the same
//! behaviours on both, and each side's client against the other side's executor.
//!
//! The reference is a tool from outside (`@openai/codex` from npm): where it cannot be had, what needs it is skipped
//! with a word, unless `AFIELD_REQUIRE_TOOLS` is set.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod behaviours;
mod cli;
mod client;
mod documentation;
mod mcp_server;
mod model;
mod own;
mod socket_owner;
mod suite;
mod web;
mod wire;
