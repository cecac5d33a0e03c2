//! What an egress promises, shown on loopback.

mod addresses;
mod deadlines;
mod dns;
mod http2;
mod origins;
mod redirects;
mod requests;
mod support;
mod tls;
mod urls;
