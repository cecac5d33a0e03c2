//! What a client promises, shown on loopback: `Local` and `Remote` alike, and what `Remote` does with a connection.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod as_it_is;
mod cancelling;
mod closing;
mod concurrency;
mod connecting;
mod deadlines;
mod grpc;
mod losing;
mod misbehaviour;
mod parity;
mod resuming;
mod resuming_played;
mod streams;
mod support;
mod tls;
mod uploads;
mod way_back;
