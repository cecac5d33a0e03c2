//! A configuration made live: one [`HttpClient`](afield_client::HttpClient) for each place that requests leave from.
//!
//! ```no_run
//! use afield_config::{Config, Variables};
//! use afield_exchange::Request;
//! use afield_placement::Placements;
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load(None, &Variables::of_process())?;
//! let placements = Placements::new(Variables::of_process());
//! let client = placements.of_server(config.mcp_server("docs")?)?;
//! let answer = client.call(Request::get("http://docs.internal/")).await?;
//! # drop(answer);
//! placements.close().await;
//! # Ok(()) }
//! ```
//!
//! # What is promised
//!
//! - **One client each.** All that is placed here shares one [`Local`](afield_client::Local), and all that is placed at an
//!   executor one connection to it, which is made when it is first needed and again when it was lost.
//! - **It fails closed.** A place that is not known or cannot be used is an error of whoever is placed there, and of nobody
//!   else. It never means this process.
//! - **Secrets are read when they are needed**, and an executor's token anew when the executor refuses the one it got.

mod authorizer;
mod executor;
mod offered;
mod placements;
mod remote_config;
mod server;

pub use authorizer::{NoAuthorizer, beforehand, client_credentials, client_settings};
pub use executor::ExecutorClient;
pub use offered::Offered;
pub use placements::{Placements, Unplaced};
pub use remote_config::remote_config;
