//! Peers that do not keep to the protocol: each breach ends as the specification says, and harms nobody else.

mod client;
mod server;
