//! What the other crates' tests rely on, over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

mod origin;
mod peer;
mod process;
mod raw;
mod support;
mod tls;
mod tools;
mod toxic;
