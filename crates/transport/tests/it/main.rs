//! Whole messages over real sockets on loopback, against raw peers that break every rule.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod autobahn;
mod client_certificates;
mod close;
mod dial;
mod door;
mod flow;
mod handshake;
mod hostile;
mod listen;
mod proxy;
mod raw;
mod roundtrip;
mod stdio;
mod support;
mod throughput;
mod tls;
mod unix;
