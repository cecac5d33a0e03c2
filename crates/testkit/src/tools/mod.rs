//! Programs of others to test against, installed once into the target directory.
//!
//! A tool is `Unavailable` when its package manager is missing or the network is. A test that needs one then says so
//! and returns, unless `AFIELD_REQUIRE_TOOLS` is set, which makes it fail:
//!
//! ```no_run
//! # async fn test() {
//! use afield_testkit::{require_or_skip, tools};
//!
//! let codex = require_or_skip!(tools::codex());
//! let server = require_or_skip!(codex.exec_server().await);
//! // … ws:// connections to server.address() …
//! # }
//! ```
//!
//! `AFIELD_TOOLS_DIR` names another directory for them than `tools` in the target directory.

mod codex;
mod install;
mod logins;
mod origins;
mod proxies;
mod unavailable;

pub use codex::{Codex, ExecServer, codex};
pub use install::{npm, pip};
pub use logins::RealLogin;
pub use origins::RealOrigin;
pub use proxies::{caddy, envoy, haproxy, installed, nginx, traefik};
pub use unavailable::Unavailable;
