//! What `afield serve` is told: who may connect, where requests may go, what is held for them, what is noted.

mod attach;
mod audit;
mod limits;
mod policy;
mod secrets;
mod serve;
mod upstreams;

pub use attach::Attach;
pub use audit::{Audit, AuditSink};
pub use limits::LimitSettings;
pub use policy::{Action, Policy, Preset, Rule, Scheme};
pub use secrets::HeldSecret;
pub use serve::{ClientCertificates, Jwt, Serve};
pub use upstreams::{TlsVersion, Upstream, UpstreamProxy};

use super::McpServer;
use crate::reading::{Key, Kind, Section, Table};

/// Everything that the file says to `afield serve`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// Where it listens, and who may connect.
    pub serve: Serve,
    /// The limits that are not the default ones.
    pub limits: LimitSettings,
    /// Where requests may go.
    pub policy: Policy,
    /// The secrets it holds, by name.
    pub secrets: Vec<HeldSecret>,
    /// Which of them go without being asked for.
    pub attach: Vec<Attach>,
    /// The MCP servers that it offers.
    pub offered: Vec<McpServer>,
    /// As whom, and by which way, origins are met.
    pub upstreams: Vec<Upstream>,
    /// What is noted, and where.
    pub audit: Audit,
    /// What is logged to standard error, as `--log` takes it.
    pub log: Option<String>,
    /// How a line of it looks, as `--log-format` takes it.
    pub log_format: Option<&'static str>,
}

/// Its sections, in the order in which they are documented.
pub(super) static TABLES: [&Table; 12] = [
    &serve::TABLE,
    &serve::JWT,
    &serve::CLIENT_CERTIFICATES,
    &limits::TABLE,
    &policy::TABLE,
    &policy::RULE,
    &policy::OF_PRINCIPAL,
    &secrets::TABLE,
    &attach::TABLE,
    &upstreams::TABLE,
    &audit::TABLE,
    &LOG,
];

static LOG: Table = Table {
    path: "log",
    meaning: "What `afield serve` logs to standard error.",
    keys: &[
        Key::new(
            "level",
            Kind::Text,
            "`\"info\"`",
            "`\"off\"`, `\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`, or targets: `\"info,afield_egress=debug\"`. The flag `--log`.",
        ),
        Key::new(
            "format",
            Kind::Word(&["text", "json"]),
            "`\"text\"`",
            "`\"json\"` writes one JSON object a line. The flag `--log-format`.",
        ),
    ],
};

/// Reads what the root of a file says to `afield serve`.
pub(super) fn read(root: &Section<'_>) -> Serving {
    let log = root.section("log", &LOG);
    Serving {
        serve: root.section("serve", &serve::TABLE).map(|section| serve::read(&section)).unwrap_or_default(),
        limits: root
            .section("limits", &limits::TABLE)
            .map(|section| limits::read(&section))
            .unwrap_or_default(),
        policy: root
            .section("policy", &policy::TABLE)
            .map(|section| policy::read(&section))
            .unwrap_or_default(),
        secrets: secrets::read(root),
        attach: attach::read(root),
        // From the sections of the servers.
        offered: Vec::new(),
        upstreams: upstreams::read(root),
        audit: root.section("audit", &audit::TABLE).map(|section| audit::read(&section)).unwrap_or_default(),
        log: log.as_ref().and_then(|section| section.text("level").map(str::to_owned)),
        log_format: log.and_then(|section| section.word("format")),
    }
}
