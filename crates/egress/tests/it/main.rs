//! What an egress promises, shown on loopback.

mod addresses;
mod support;
mod urls;
