//! The transport against origins of every kind, from here and from an executor, beside rmcp's own client.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cancel;
mod idle;
mod limits;
mod login;
mod mapping;
mod oauth;
mod recovery;
mod redirects;
mod requests;
mod support;
