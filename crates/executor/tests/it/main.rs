//! The executor, over real sockets: what it promises to orchestrators, and what it does when they, or origins, misbehave.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod access;
mod admission;
mod bodies;
mod calls;
mod cancel;
mod concurrency;
mod decoding;
mod defects;
mod drain;
mod liveness;
mod loss;
mod own_listener;
mod refusals;
mod resumable;
mod sessions;
mod shares;
mod support;
mod unread;
