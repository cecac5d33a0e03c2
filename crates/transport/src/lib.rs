//! Whole messages over WebSocket and stdio.
//!
//! A [`Connection`] carries whole messages both ways and is driven by the one task that owns it: that task reads and
//! writes in the same poll function, so nothing is split, locked or queued in between.
//!
//! - [`Socket`] accepts streams: TCP, TLS over it, or a Unix socket.
//! - [`Acceptor`] turns an accepted stream into a [`WebSocket`], having checked path, `Origin`, `Host` and credentials
//!   before the upgrade; it answers `GET /readyz` itself. Who may connect is decided by what implements [`Authenticate`].
//! - [`dial()`] makes the other end of one, over TLS or not.
//! - [`Stdio`] carries one text message a line over a pair of pipes.
//!
//! # Memory
//!
//! An idle WebSocket holds a read buffer of 16 KiB and nothing to write with. A large message is received into one
//! allocation, and sent without being copied by the side that need not mask it; a message that is kept keeps at most
//! about four times its size alive. What a peer does never makes a connection hold more than one incoming message,
//! one outgoing message, and a little over [`HIGH_WATER`] bytes to be written.
//!
//! # What a peer can make us do
//!
//! Nothing is kept for what a frame merely announces. A message in more than [`MAX_FRAGMENTS`] fragments is refused;
//! below that, tiny fragments cost no more per byte than tiny messages do. Of unread pongs only a few kilobytes wait.

mod accept;
mod access;
mod buffer;
mod closed;
mod connection;
mod dial;
#[doc(hidden)]
pub mod fuzzing;
mod listen;
mod networks;
mod session_tag;
mod stdio;
mod stream;
mod websocket;

pub use accept::{AcceptOptions, Accepted, Acceptor, Places, Readiness, Refused, RefusedReason};
pub use access::{
    All, Any, Arrival, Authenticate, Authorization, ClientCertificate, ClientCertificates, CredentialEnd,
    Credentials, FileError, Grant, Jwt, JwtKeys, JwtRules, NameRule, NoAuthentication, Peer, Principal,
    PrincipalKind, TokenDigest, Tokens, Unauthorized, mint_jwt, new_token,
};
pub use closed::{CloseReason, Closed};
pub use connection::{Connection, HIGH_WATER, Message, Prefix, Received, Room};
pub use dial::{
    BearerToken, ClientIdentity, DialConfig, DialError, Dialled, Pin, Proxy, connect, dial, dial_with_cookies,
};
pub use listen::{Incoming, ServerTls, Socket, Validity, is_off_this_machine};
pub use networks::{Networks, NoNetwork};
pub use session_tag::session_tag;
pub use stdio::{Stdio, StdioParts, stdio};
pub use stream::NetStream;
pub use websocket::{FRAGMENT, MAX_FRAGMENTS, Role, WebSocket};
