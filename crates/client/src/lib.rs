//! The orchestrator's side: the [`HttpClient`] capability and its two implementations.
//!
//! [`Local`] performs exchanges from this process, through the same door to the network as an executor's. [`Remote`]
//! has them performed by an executor. Higher layers take an [`HttpClient`] and cannot tell which it is.

mod http_client;
mod local;
mod remote;

pub use http_client::{Exchange, HttpClient};
pub use local::Local;
pub use remote::{ConnectError, Remote, RemoteConfig};
