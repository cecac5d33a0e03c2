//! Streamable HTTP MCP over any [`HttpClient`](afield_client::HttpClient): from here, or from an executor, by the same
//! code.
//!
//! [`HttpTransport`] is an HTTP client for rmcp. What an MCP server sees of it, and what rmcp learns from it, is what
//! rmcp's own client (on reqwest) shows and tells: the same requests, the same outcomes, the same limits. Only the place
//! that the requests leave from differs, and that is the client's choice:
//!
//! ```
//! # fn serve(client: std::sync::Arc<dyn afield_client::HttpClient>) {
//! use afield_mcp::HttpTransport;
//! use rmcp::transport::{
//!     StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
//! };
//!
//! let transport = StreamableHttpClientTransport::with_client(
//!     HttpTransport::new(client), // an afield_client::Local, or a Remote
//!     StreamableHttpClientTransportConfig::with_uri("http://mcp.internal/mcp"),
//! );
//! // … rmcp::ServiceExt::serve(handler, transport) …
//! # drop(transport);
//! # }
//! ```
//!
//! It is an [`OAuthHttpClient`](rmcp::transport::auth::OAuthHttpClient) too, so that discovery, registration and tokens
//! are asked for from where the server is.
//!
//! What a server that asks for a login needs is in [`login`]; [`manager`] keeps many servers connected.
//!
//! The path of a message through this crate:
//!
//! 1. `request` writes the request, and refuses header fields that are the transport's own;
//! 2. `redirect` sends it, and follows what may be followed;
//! 3. `post`, `get` and `delete` say what the answer means to rmcp; `opening` keeps messages behind the stream of their
//!    session;
//! 4. `sse` bounds the events of a stream before they are parsed.

mod answer;
mod authorized;
mod body;
mod challenge;
mod delete;
mod discover;
mod error;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod get;
pub mod login;
mod lost;
pub mod manager;
mod media_type;
mod oauth;
mod opening;
mod post;
mod redirect;
mod relay;
mod request;
mod sse;
mod transport;

pub use error::{ReservedHeader, TransportError};
pub use failure::{Failure, Stage};
pub use relay::Relay;
pub use sse::EventTooLarge;
pub use transport::HttpTransport;
