//! What a client promises, shown on loopback: `Local` and `Remote` alike, and what `Remote` does with a connection.

mod cancelling;
mod closing;
mod concurrency;
mod connecting;
mod deadlines;
mod losing;
mod misbehaviour;
mod parity;
mod streams;
mod support;
mod tls;
mod uploads;
