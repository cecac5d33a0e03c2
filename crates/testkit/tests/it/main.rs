//! What the other crates' tests rely on, over real sockets on loopback.

mod origin;
mod support;
