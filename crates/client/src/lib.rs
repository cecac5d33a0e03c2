//! The orchestrator's side: the [`HttpClient`] capability and its two implementations.
//!
//! [`Local`] performs exchanges from this process, through the same door to the network as an executor's. [`Remote`]
//! has them performed by an executor. Higher layers take an [`HttpClient`] and cannot tell which it is: status, headers,
//! body bytes and errors are the same.
//!
//! ```no_run
//! use afield_client::{HttpClient, Local, Remote, RemoteConfig};
//! use afield_egress::EgressConfig;
//! use afield_exchange::{Error, Request};
//!
//! /// Works with either.
//! async fn use_it(client: &dyn HttpClient) -> Result<(), Error> {
//!     // Buffered: the body is read whole, under a limit.
//!     let answer = client.call(Request::get("http://service.internal/health")).await?;
//!     println!("{} and {} bytes", answer.head.status, answer.body.len());
//!
//!     // Streamed: the head at once, the body as it comes. Dropping it cancels, through to the origin's socket.
//!     let mut response = client.stream(Request::get("http://service.internal/events")).await?;
//!     while let Some(bytes) = response.body.next().await {
//!         println!("{} bytes", bytes?.len());
//!     }
//!     Ok(())
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let here = Local::new(EgressConfig::default())?;
//! use_it(&here).await?;
//!
//! let there = Remote::connect(RemoteConfig::new("ws://127.0.0.1:7411")).await?;
//! use_it(&there).await?;
//! there.close().await;
//! # Ok(()) }
//! ```
//!
//! # What is promised
//!
//! - **Nothing is sent twice.** An error's [`retry`](afield_exchange::Error::retry) says whether sending again is safe.
//! - **A body that ends, ends whole.** A lost connection, a cut, a piece missing: each is an error, then the end.
//! - **Dropping cancels.** Futures and bodies are all there is to hold; what is dropped is given up everywhere.
//! - **Nothing outlives its users.** A connection ends with the last clone, exchange and body that needs it.

mod http_client;
mod local;
mod remote;

pub use http_client::{Exchange, HttpClient};
pub use local::Local;
pub use remote::{
    ConnectError, ConnectionState, Dialect, Endpoint, Remote, RemoteConfig, dial_executor,
    executor_certificate, offered_servers,
};
