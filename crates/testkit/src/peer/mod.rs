//! A WebSocket peer, client or server, that says exactly what a test tells it to.
//!
//! As a client it drives anything that serves the wire protocol; every byte of its upgrade request can be chosen. As a
//! server it stands in for an executor.
//!
//! ```no_run
//! # async fn test(executor: std::net::SocketAddr) {
//! use afield_testkit::peer::Upgrade;
//! use serde_json::json;
//!
//! let mut peer = Upgrade::to(executor).open().await.unwrap();
//! peer.initialize(json!({ "clientName": "test" })).await;
//! let params = json!({ "method": "GET", "url": "http://127.0.0.1:1/", "requestId": "1" });
//! let answer = peer.call("http/request", params).await;
//! assert_eq!(answer["error"]["data"]["kind"], "connect");
//!
//! let refused = Upgrade::to(executor).header("Origin", "https://evil.test").open().await.unwrap_err();
//! assert_eq!(refused.status(), Some(403));
//! # }
//! ```

mod connection;
mod frame;
pub(crate) mod head;
mod rpc;
mod server;
mod upgrade;

pub use connection::{End, Peer};
pub use frame::{Frame, opcode};
pub use server::PeerServer;
pub use tokio_tungstenite::tungstenite::Message;
pub use upgrade::{Refused, Upgrade};
