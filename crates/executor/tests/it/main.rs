//! The executor, over real sockets: what it promises to orchestrators, and what it does when they, or origins, misbehave.

mod admission;
mod calls;
mod cancel;
mod concurrency;
mod defects;
mod drain;
mod liveness;
mod loss;
mod own_listener;
mod refusals;
mod sessions;
mod support;
mod unread;
