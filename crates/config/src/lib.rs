//! The configuration of afield: one TOML file that names executors, MCP servers and where each of them is reached from.
//!
//! ```
//! use afield_config::{Config, Placement, Variables};
//! # use std::path::Path;
//! let text = r#"
//! [executors.lab]
//! url = "wss://lab.internal:7411"
//! token_file = "lab.token"
//!
//! [mcp_servers.docs]
//! url = "http://docs.internal/mcp"
//! environment = "lab"
//! "#;
//! let config = Config::of_text(Path::new("/h/me/config.toml"), text, &Variables::of_process())?;
//! let docs = config.mcp_server("docs").expect("it is in the file");
//! assert_eq!(docs.placement().expect("lab is in the file").name(), "lab");
//! # Ok::<(), afield_config::Problems>(())
//! ```
//!
//! - What the file may say is data: a [`Table`] for each section ([`TABLES`]), from which errors, checks and the
//!   documentation come. A new section is a module in `sections` with a table, a type and a `read`.
//! - Everything that is wrong is said at once, each with its place, its key and what to do ([`Problem`]).
//! - Placement fails closed: an unknown environment is its server's problem alone ([`McpServer::placement`]), and never
//!   means this process.
//! - No value that may be a secret is in a `Debug`, an error or a warning.

mod config;
mod draft;
mod duration;
mod edit;
mod export;
mod foreign;
mod format;
mod load;
mod located;
mod location;
mod offered;
mod problem;
mod reading;
mod secret;
mod sections;
mod size;
mod syntax;
mod url;
mod variables;

pub use config::{Config, NoSuch, UnusableServer};
pub use draft::Draft;
pub use duration::{format_duration, parse_duration};
pub use edit::{Change, EditError, Edited, edit};
pub use export::{Export, Host, Scope, Via, Written, export_into};
pub use foreign::{Imported, ImportedServer, import};
pub use format::Format;
pub use load::LoadError;
pub use located::Located;
pub use location::{Location, NamedBy, VARIABLE};
pub use problem::{Place, Problem, Problems};
pub use reading::{Key, Kind, Table};
pub use secret::Secret;
pub use sections::{
    Action, Attach, Audit, AuditSink, ClientCertificates, ClientIdentity, Credential, Dialect, Executor,
    Gateway, HeaderError, HeaderSource, HeldSecret, Jwt, LOCAL, LimitSettings, McpServer, OAuth, Placement,
    Policy, Preset, Reach, Rule, Scheme, Serve, ServerHeader, Serving, Start, TABLES, Template, TlsVersion,
    Unset, Upstream, UpstreamProxy, check_name,
};
pub use size::parse_size;
pub use url::Url;
pub use variables::Variables;
