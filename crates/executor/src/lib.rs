//! The executor: it performs HTTP requests over here for orchestrators that are over there.
//!
//! [`Executor::bind`] checks the [`Config`] and binds; [`Executor::run`] serves until it is told to stop, then
//! drains. The path of a request through this crate:
//!
//! 1. `listener` accepts a connection and lets the transport check who it is, which `audit` is told of; `reload` sees to
//!    it that credentials which are changed or taken away count at once;
//! 2. `driver` reads and writes it, in one task that never awaits a call; the protocol's machine, in `shared`, says
//!    what every message means;
//! 3. `session` finds or makes the session that the connection belongs to, in the table of `sessions`;
//!    What principals share is divided in `shares`;
//! 4. `call` performs one request through the egress, and says its answer to the machine; `upload` is its body where
//!    that comes in pieces, `inline` what of the answer rides with its head;
//! 5. `offers` says which MCP servers an orchestrator is told of that asks for them.
//!
//! Everything spawned is owned. In the base dialect a connection owns its calls: they end with it, through to the
//! origins' sockets. In afield/1 the session owns them, and outlives its connections by the grace. Connections and
//! sessions end with [`Executor::run`].

mod admin;
mod audit;
mod call;
mod calls;
mod config;
mod decoding;
mod descriptors;
mod doorstep;
mod driver;
mod environment;
mod executor;
mod failure_log;
mod inline;
mod listener;
mod offers;
mod reclaim;
mod reload;
mod session;
mod session_id;
mod sessions;
mod shared;
mod shares;
mod turns;
mod upload;

pub use audit::{Audit, AuditEvent, AuditLog, Caller, FileSink, NoAudit, TracingAudit};
pub use config::{AdminListen, Config, Listen, StartError};
pub use executor::{Executor, Stopped};
pub use offers::{OfferedServer, Offers};
pub use reload::Reloader;
pub use shares::REQUEST_BYTES;
