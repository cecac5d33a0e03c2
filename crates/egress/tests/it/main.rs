//! What an egress promises, shown on loopback.

mod addresses;
mod dns;
mod redirects;
mod support;
mod urls;
