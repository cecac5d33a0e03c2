//! What the other crates' tests rely on, over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

mod origin;
mod raw;
mod support;
mod tls;
