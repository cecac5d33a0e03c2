use super::{Executor, OAuth, Placement, ServerHeader, header, oauth, placement};
use crate::{
    Problem, Url, Variables,
    reading::{Key, Kind, Section, Table},
    sections::HeaderError,
};
use afield_exchange::Header;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// An MCP server that is spoken to over Streamable HTTP, and where its requests leave from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// Its name in the configuration.
    pub name: String,
    /// Its URL, as seen from its environment.
    pub url: Url,
    /// The environment as it was written: `local`, or a name.
    pub environment: String,
    /// Fields that go with every request.
    pub headers: Vec<ServerHeader>,
    /// Over connecting and `initialize`. Default 30 s.
    pub startup_timeout: Duration,
    /// Over a call of a tool. Default 60 s, and begun anew by each progress notification.
    pub tool_timeout: Duration,
    /// How long an answer under way may be silent. Default: as long as it likes.
    pub idle_timeout: Option<Duration>,
    /// Whether it is used at all. Default: yes.
    pub enabled: bool,
    /// Whether nothing works without it. Default: no.
    pub required: bool,
    /// How to get a token, where that is not all discovered.
    pub oauth: Option<OAuth>,
    pub(super) placement: Result<Placement, Problem>,
}

impl McpServer {
    /// Where its requests leave from. An environment that does not exist is this server's problem alone, and never
    /// means this process.
    ///
    /// # Errors
    ///
    /// The environment is not known.
    pub fn placement(&self) -> Result<&Placement, &Problem> {
        self.placement.as_ref()
    }

    /// The fields that go with every request, with this process's variables filled in.
    ///
    /// # Errors
    ///
    /// The first variable that is not set, or value that cannot be sent.
    pub fn resolve_headers(&self, variables: &Variables) -> Result<Vec<Header>, HeaderError> {
        self.headers.iter().map(|header| header.resolve(variables)).collect()
    }

    /// Whether the configuration itself says what `Authorization` is, so that OAuth has no part in it.
    pub fn sets_authorization(&self) -> bool {
        self.headers.iter().any(|header| header.name.eq_ignore_ascii_case("authorization"))
    }
}

pub(super) static TABLE: Table = Table {
    path: "mcp_servers.NAME",
    meaning: "An MCP server (Streamable HTTP), and where its requests leave from.",
    keys: &[
        Key {
            name: "url",
            aliases: &[],
            kind: Kind::Url,
            default: "needed",
            meaning: "Its URL, as seen from its environment: `http://…` or `https://…`.",
        },
        Key {
            name: "environment",
            aliases: &[],
            kind: Kind::Text,
            default: "`\"local\"`",
            meaning: "Where its requests leave from: `\"local\"`, this process, or the name of an executor. A name that does not exist makes this server fail, and no other; it never means `local`.",
        },
        Key {
            name: "headers",
            aliases: &["http_headers"],
            kind: Kind::Map,
            default: "none",
            meaning: "Header fields to send, as they stand here. A secret is better kept out of the file: see the next two.",
        },
        Key {
            name: "headers_from_env",
            aliases: &["env_http_headers"],
            kind: Kind::Map,
            default: "none",
            meaning: "Header fields whose values are variables of this process: a name (`\"TOKEN\"`), or a text (`\"Bearer ${TOKEN}\"`, `\"${REGION:-eu}\"`). One that is not set makes this server fail.",
        },
        Key {
            name: "headers_from_executor_env",
            aliases: &[],
            kind: Kind::Map,
            default: "none",
            meaning: "Header fields whose values are variables of the executor, which this side never learns: a name, or a text that ends with one (`\"Bearer ${TOKEN}\"`). The operator there has to allow it. Never replaced by a variable from here.",
        },
        Key {
            name: "headers_from_executor_secret",
            aliases: &[],
            kind: Kind::Map,
            default: "none",
            meaning: "Header fields whose values are secrets that the executor's operator declared, by their names; this side never learns them.",
        },
        Key {
            name: "bearer_token_env_var",
            aliases: &[],
            kind: Kind::Text,
            default: "none",
            meaning: "The variable of this process that holds a bearer token: short for `headers_from_env = { Authorization = \"Bearer ${…}\" }`.",
        },
        Key {
            name: "startup_timeout",
            aliases: &["startup_timeout_sec"],
            kind: Kind::Duration,
            default: "`\"30s\"`",
            meaning: "How long connecting and initializing may take.",
        },
        Key {
            name: "tool_timeout",
            aliases: &["tool_timeout_sec"],
            kind: Kind::Duration,
            default: "`\"60s\"`",
            meaning: "How long a call of a tool may take; progress that the server reports begins it anew.",
        },
        Key {
            name: "idle_timeout",
            aliases: &[],
            kind: Kind::Duration,
            default: "none",
            meaning: "How long an answer under way may be silent.",
        },
        Key {
            name: "enabled",
            aliases: &[],
            kind: Kind::Boolean,
            default: "`true`",
            meaning: "Whether it is used at all.",
        },
        Key {
            name: "required",
            aliases: &[],
            kind: Kind::Boolean,
            default: "`false`",
            meaning: "Whether a command that uses all servers fails when this one does.",
        },
        Key { name: "oauth", aliases: &[], kind: Kind::Table, default: "discovered", meaning: "See below." },
    ],
};

/// `None` where there is nothing to speak to; why was said.
pub(super) fn read(
    name: &str,
    section: &Section<'_>,
    executors: &BTreeMap<String, Arc<Executor>>,
) -> Option<McpServer> {
    let url = match section.entry("url") {
        Some(_) => section.url("url", &["https", "http"]),
        None => {
            section.refuse_section("this server has no url", "write url = \"https://host/mcp\"");
            None
        }
    };
    let (environment, placement) = placement::read(section, "environment", executors);
    let headers = header::read(section);
    for key in ["headers_from_executor_env", "headers_from_executor_secret"] {
        if let (Some(entry), Ok(Placement::Local)) = (section.entry(key), &placement) {
            section.refuse(
                entry,
                "there is no executor that could have these: the environment is local",
                "set environment to an executor, or use headers_from_env",
            );
        }
    }
    let oauth = section.entry("oauth").map(|entry| {
        let path = section.path_of("oauth");
        oauth::read(&Section::open(section.reader, &oauth::TABLE, path, &entry.key_span, &entry.node))
    });
    Some(McpServer {
        name: name.to_owned(),
        environment,
        headers,
        startup_timeout: section.duration("startup_timeout", false).unwrap_or(Duration::from_secs(30)),
        tool_timeout: section.duration("tool_timeout", false).unwrap_or(Duration::from_secs(60)),
        idle_timeout: section.duration("idle_timeout", false),
        enabled: section.boolean("enabled").unwrap_or(true),
        required: section.boolean("required").unwrap_or(false),
        oauth,
        placement,
        url: url?,
    })
}
