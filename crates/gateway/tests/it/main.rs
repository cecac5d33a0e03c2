//! The gateway on real sockets, over a client from here and over an executor.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod as_it_is;
mod authorize;
mod bodies;
mod browser;
mod drain;
mod errors;
mod faithful;
mod informational;
mod leaving;
mod limits;
mod own;
mod proxy;
mod routes;
mod streams;
mod support;
