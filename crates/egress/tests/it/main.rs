//! What an egress promises, shown on loopback.

mod addresses;
mod deadlines;
mod dns;
mod origins;
mod redirects;
mod requests;
mod support;
mod urls;
