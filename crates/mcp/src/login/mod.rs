//! Logging in at MCP servers that ask for it: over there for the servers, here for the person.
//!
//! Every request of a login leaves from where requests to its server leave, through the same
//! [`HttpClient`](afield_client::HttpClient): discovery, registration, codes, refreshes, revocation. Here are the browser,
//! the listener on loopback that it comes back to, and the tokens.
//!
//! | to | use |
//! |---|---|
//! | have a person log in | [`Login`] |
//! | get a token for a request, and do right when it is refused | [`Authorizer`] |
//! | have rmcp's requests carry it | [`HttpTransport::with_authorizer`](crate::HttpTransport::with_authorizer) |
//! | let a program log in by itself | [`ClientCredentials`], [`Authorizer::for_client`] |
//! | log out | [`logout`] |
//! | keep tokens | [`TokenStore`] |
//!
//! # A login and what follows
//!
//! ```no_run
//! use afield_client::{HttpClient, Remote, RemoteConfig};
//! use afield_mcp::{HttpTransport, login::*};
//! use std::sync::Arc;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let there: Arc<dyn HttpClient> = Arc::new(Remote::connect(RemoteConfig::new("ws://127.0.0.1:7411")).await?);
//! let server = Server::new("http://mcp.internal/mcp", "sandbox")?;
//! let store = TokenStore::of_the_user()?;
//!
//! let login = Login::new(there.clone(), server.clone(), store.clone());
//! login.in_browser(&SystemBrowser, &|line| eprintln!("{line}")).await?;
//!
//! let authorizer = Authorizer::new(there.clone(), server, store, ClientSettings::default());
//! let transport = HttpTransport::new(there).with_authorizer(authorizer.clone());
//! // … rmcp over the transport …
//! authorizer.settle().await;
//! # drop(transport); Ok(()) }
//! ```

mod assertion;
mod authorizer;
mod bearer;
mod beforehand;
mod browser;
mod callback;
mod challenge;
mod client;
mod credentials;
mod discovery;
mod error;
mod flow;
pub(crate) mod fuzzing;
mod grant;
mod guard;
mod held;
mod lifetime;
mod logout;
mod metadata;
mod places;
mod random;
mod redirect;
mod renew;
mod secret;
mod server;
mod state;
mod store;
mod token;
mod wire;

pub use assertion::SigningKey;
pub use authorizer::Authorizer;
pub use bearer::{AuthorizeError, Bearer, LoginNeeded, Verdict};
pub use beforehand::{Beforehand, Resource};
pub use browser::{Browser, SystemBrowser};
pub use challenge::Challenge;
pub use client::{ClientAuth, ClientSettings};
pub use error::LoginError;
pub use flow::{LoggedIn, Login};
pub use grant::{ClientCredentials, ClientProof};
pub use logout::{LoggedOut, forget, logout};
pub use secret::Secret;
pub use server::Server;
pub use state::LoginState;
pub use store::{KeyKeeper, KeyUnavailable, Protection, StoreError, SystemKeyring, TokenStore};
