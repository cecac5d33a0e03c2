//! The session machines, driven by hand and against each other, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod base_client;
mod base_pair;
mod base_server;
mod documentation;
mod finals;
mod golden;
mod hostile;
mod lists;
mod resumable_stop;
mod sim;
mod streamed;
mod windows;
