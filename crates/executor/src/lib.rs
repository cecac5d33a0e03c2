//! The executor: it performs HTTP requests over here for orchestrators that are over there.
//!
//! [`Executor::bind`] checks the [`Config`] and binds; [`Executor::run`] serves until it is told to stop, then
//! drains. The path of a request through this crate:
//!
//! 1. `listener` accepts a connection and lets the transport check who it is, which `audit` is told of; `reload` sees to
//!    it that credentials which are changed or taken away count at once;
//! 2. `driver` reads and writes it, in one task that never awaits a call; the protocol's machine, in `shared`, says
//!    what every message means;
//! 3. `call` performs one request through the egress, and says its answer to the machine.
//!
//! Everything spawned is owned: a connection's calls end with the connection, through to the origins' sockets, and
//! connections end with [`Executor::run`].

mod audit;
mod call;
mod config;
mod descriptors;
mod doorstep;
mod driver;
mod environment;
mod executor;
mod listener;
mod reload;
mod session_id;
mod sessions;
mod shared;

pub use audit::{Audit, AuditEvent, TracingAudit};
pub use config::{Config, Listen, StartError};
pub use executor::Executor;
pub use reload::Reloader;
