//! Fuzz targets, their seeds, and a deterministic mutator that needs no nightly toolchain.
//!
//! A target is a plain function over bytes that panics when a promise is broken. It runs in two ways: guided by
//! coverage, for hours, with cargo-fuzz (`fuzz_targets/`); and briefly, with the same inputs on every machine, in the
//! test suite ([`smoke`]). Both start from `seeds/TARGET/`, where an input that once broke a target is added to stay.
#![forbid(unsafe_code)]

mod answers;
mod environment;
mod event_streams;
mod frame_decoding;
mod gateway_requests;
mod header_hygiene;
mod mutate;
mod oauth_metadata;
mod proxy_protocol;
mod response_heads;
mod resumable;
mod rng;
mod seeds;
pub mod smoke;
mod targets;

pub use answers::answers;
pub use event_streams::event_streams;
pub use frame_decoding::frame_decoding;
pub use gateway_requests::gateway_requests;
pub use header_hygiene::header_hygiene;
pub use oauth_metadata::oauth_metadata;
pub use proxy_protocol::proxy_protocol;
pub use response_heads::response_heads;
pub use resumable::resumable;
pub use seeds::seeds;
pub use targets::{TARGETS, Target};
