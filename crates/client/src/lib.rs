//! The orchestrator's side: the [`HttpClient`] capability and its two implementations.

mod http_client;

pub use http_client::{Exchange, HttpClient};
