//! Misbehaving origins, peers and networks for tests.
//!
//! Everything here talks over real sockets on loopback, listens on a port the system picks, and ends when it is
//! dropped. What a test waits for is awaited, never slept for: a wait ends at once when the promise is kept, and fails
//! the test, naming what it waited for and where, after [`PATIENCE`] when it is not.
//!
//! | to test against | use |
//! |---|---|
//! | a proper origin, HTTP/1.1 or HTTP/2, plain or TLS, whose connections and requests can be inspected | [`Origin`] |
//! | an origin that sends any bytes in any rhythm, and records every byte it gets | [`RawOrigin`], [`Script`], [`raw::frames`] |
//! | an authorization server, and an MCP server it protects | [`oauth::Site`] |
//! | certificates, good and bad | [`tls::Ca`], [`tls::Identity`] |
//! | addresses that refuse, or never answer | [`dead::Refusing`], [`dead::Blackhole`] |
//! | an MCP server that counts what it executes, and restarts | [`mcp::Server`] |
//! | a resolver with scripted answers | [`Names`] |
//! | what stands in front of executors and answers in its own words, adds headers, balances, or is a forward proxy | [`Front`] |
//! | a network that cuts, stalls, throttles, delays, swallows | [`Toxic`] |
//! | a principal of an executor that takes what it can get, in every way | [`hostile::Hostile`] |
//! | the other end of a WebSocket session, proper or not | [`Upgrade`], [`Peer`], [`PeerServer`] |
//! | a program of ours as a process | [`Process`], [`process::Usage`] |
//! | programs of others | [`tools`], [`require_or_skip!`] |
//! | bytes that can be checked by position or hash | [`pattern`] |
//! | a moment that the test decides | [`Gate`] |
//! | random choices that can be repeated | [`Seed`], [`Rng`] |
//!
//! # A cancel that must reach the origin
//!
//! ```
//! use afield_testkit::Origin;
//! use afield_testkit::origin::Outcome;
//! # use tokio::{io::AsyncWriteExt, net::TcpStream};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let origin = Origin::on("127.66.0.1").await;
//! let mut call = TcpStream::connect(origin.address()).await.unwrap();
//! call.write_all(b"GET /sse-open HTTP/1.1\r\nhost: o\r\n\r\n").await.unwrap();
//! let request = origin.request(0).await; // it has arrived
//! drop(call);
//! assert_eq!(request.wait_ended().await, Outcome::Abandoned); // and the origin knows that nobody listens
//! origin.wait_active(0).await;
//! # }
//! ```
//!
//! # An answer that stops half way
//!
//! ```
//! use afield_testkit::{Gate, RawOrigin, Script};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let gate = Gate::new();
//! let half = Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
//! let origin = RawOrigin::always(half.wait(&gate).reset()).await;
//! // … a client calls origin.url("/") and has the head and four bytes …
//! gate.open(); // … and now the reset
//! # }
//! ```

pub mod dead;
mod front;
mod gate;
pub mod hostile;
pub mod mcp;
pub mod names;
pub mod oauth;
pub mod origin;
pub mod pattern;
pub mod peer;
pub mod process;
pub mod raw;
pub mod seed;
mod socket;
mod task;
pub mod tls;
pub mod tools;
pub mod toxic;
mod wait;

pub use front::Front;
pub use gate::Gate;
pub use names::Names;
pub use origin::Origin;
pub use peer::{Peer, PeerServer, Upgrade};
pub use process::Process;
pub use raw::{RawOrigin, Script};
pub use seed::{Rng, Seed};
pub use toxic::Toxic;
pub use wait::{PATIENCE, within};
