//! What each section of the file may say, and what it means. A section is a [`Table`](crate::Table) of keys, a type that
//! holds its meaning, and a `read` from one to the other.

mod executor;
mod gateway;
mod header;
mod host_names;
mod mcp_server;
mod name;
mod oauth;
mod placement;
mod root;
mod serving;
mod template;

pub use executor::{ClientIdentity, Credential, Dialect, Executor, Reach, Start};
pub use gateway::Gateway;
pub use header::{HeaderError, ServerHeader, Source as HeaderSource};
pub use mcp_server::McpServer;
pub(crate) use mcp_server::{DEFAULT_STARTUP_TIMEOUT, DEFAULT_TOOL_TIMEOUT};
pub use name::{LOCAL, check_name};
pub use oauth::OAuth;
pub use placement::Placement;
pub use root::TABLES;
pub use serving::{
    Action, Attach, Audit, AuditSink, ClientCertificates, HeldSecret, Jwt, LimitSettings, Policy, Preset,
    Rule, Scheme, Serve, Serving, TlsVersion, Upstream, UpstreamProxy,
};
pub use template::{Template, Unset};

pub(crate) use name::sanitised;
pub(crate) use root::{Root, read, read_each};
