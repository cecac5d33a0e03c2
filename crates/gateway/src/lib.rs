//! The gateway: HTTP servers that only an executor can reach, on a port of this machine.
//!
//! A program that knows nothing of executors sends its requests here, and they leave from wherever the [`HttpClient`]
//! behind the gateway performs them. There are two ways in, through one listener:
//!
//! - a **route**: `http://127.0.0.1:7412/NAME` stands for one server's URL, `/NAME/rest` for what lies below it;
//! - the **forward proxy**: a program with `HTTP_PROXY=http://127.0.0.1:7412` keeps its `http:` URLs as they are.
//!
//! # What is promised
//!
//! - **It relays HTTP and never looks inside.** Method, header fields, status and bodies pass as they are, both
//!   ways and as they come; redirects and challenges are the caller's to act upon. Only what concerns a single
//!   connection (RFC 9110, section 7.6.1) stays behind.
//! - **In order.** Requests of an MCP session wait for the session's stream, for half a second at most: what many relays get
//!   wrong. All that is looked at is the field `Mcp-Session-Id`.
//! - **Nothing is added**: no `Via`, no `Forwarded`, no `Date`.
//! - **A body that broke off breaks the caller's connection**; it never ends as if it were whole.
//! - **A caller that leaves cancels**, through to the origin's socket. One that closes its sending side has left.
//! - **A restart loses nothing** where the next gateway takes up its sockets, or listens beside it: calls are answered, and streams
//!   on which a server speaks of its own accord are ended, so that their hosts ask the next one for them.
//! - **Nobody gets in by accident**: no web page, no name that was made to lead here, no other machine.
//! - **An answer of the gateway's own** has the header field `afield-error`.
//!
//! # The path of a request through this crate
//!
//! 1. `listener` accepts a connection from a socket of `sockets`; `connection` serves it, and notices when the caller leaves.
//! 2. `access` lets the request in or not; `target` says what it is for.
//! 3. `relay` makes an exchange of it, in its turn (`opening`): `headers` and `upload` say what of it goes on, `authorize`
//!    adds a token.
//! 4. `answer` and `body` hand the response back, a stream until the gateway stops `between` two events; `refusal` says why there is
//!    none.
//!
//! [`HttpClient`]: afield_client::HttpClient

mod access;
mod answer;
mod authorize;
mod between;
mod body;
mod busy;
mod config;
mod connection;
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod headers;
mod host;
mod index;
mod informational;
mod listener;
mod live;
mod opening;
mod own;
mod path;
mod refusal;
mod relay;
mod route;
mod shared;
mod socket;
mod sockets;
mod target;
mod token;
mod upload;

pub use authorize::{Authorize, Authorizing, Secret};
pub use config::{Config, StartError};
pub use gateway::{Gateway, Handle, Placed};
pub use route::{Route, RouteError};
pub use token::TokenDigest;
