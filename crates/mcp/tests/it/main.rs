//! The transport against origins of every kind, from here and from an executor, beside rmcp's own client.

mod cancel;
mod idle;
mod limits;
mod mapping;
mod oauth;
mod redirects;
mod requests;
mod support;
