//! What an egress promises, shown on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod connections;
mod crowds;
mod deadlines;
mod differential;
mod dns;
mod echoes;
mod held_secrets;
mod http2;
mod kept;
mod memory;
mod observers;
mod origins;
mod own_host;
mod principals;
mod properties;
mod proxies;
mod real_origins;
mod redirects;
mod requests;
mod ruled_out;
mod secrets;
mod spelling;
mod support;
mod texts;
mod tls;
mod upstreams;
mod urls;
