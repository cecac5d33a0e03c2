use super::{Executor, OAuth, Placement, ServerHeader, header, oauth, placement};
use crate::{
    Located, Problem, Url, Variables,
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
    /// Where the file has `afield serve` offer it to orchestrators, if it does.
    pub offer: Option<Located<()>>,
    /// The executor that offers it, where it does not stand in the configuration itself.
    pub offered_by: Option<String>,
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

/// How long connecting and `initialize` may take unless something else is said.
pub(crate) const DEFAULT_STARTUP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call of a tool may take unless something else is said.
pub(crate) const DEFAULT_TOOL_TIMEOUT: Duration = Duration::from_secs(60);

/// Header fields whose values are secrets, whoever writes them.
const SECRET: &[&str] = &["authorization", "cookie", "proxy-authorization"];

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
        Key {
            name: "offer",
            aliases: &[],
            kind: Kind::Boolean,
            default: "`false`",
            meaning: "Whether `afield serve` tells orchestrators of it: its name, its URL whole, `headers` and timeouts as they stand here. It is a server that the executor reaches (`environment = \"local\"`), and its secrets stay there: `bearer_token_env_var` is the variable of a declared secret, `headers_from_executor_secret` are attached to its requests ([docs](serve.md#offering-mcp-servers)).",
        },
        Key { name: "oauth", aliases: &[], kind: Kind::Table, default: "discovered", meaning: "See below." },
    ],
};

/// Refuses what cannot be offered: what is reached from elsewhere, and what would tell a secret.
fn check_offer(section: &Section<'_>, url: Option<&Url>, placement: &Result<Placement, Problem>) {
    let told = "orchestrators would be told what stands here";
    if let (Some(entry), false) = (section.entry("environment"), matches!(placement, Ok(Placement::Local))) {
        let fix = "take environment out, or offer = true";
        section.refuse(entry, "an executor offers servers that it reaches itself", fix);
    }
    if let (Some(entry), true) = (section.entry("url"), url.is_some_and(Url::has_userinfo)) {
        section.refuse(entry, told, "declare a secret, and attach it with headers_from_executor_secret");
    }
    for key in ["headers_from_env", "headers_from_executor_env"] {
        if let Some(entry) = section.entry(key) {
            let fix = "declare a secret, and name it in headers_from_executor_secret";
            section.refuse(entry, "a server that is offered has no variables in its headers", fix);
        }
    }
    if let Some(entry) = section.entry("oauth") {
        section.refuse(entry, "who is offered a server logs in at it himself", "take oauth out");
    }
    for (entry, _) in section.map("headers") {
        if SECRET.iter().any(|name| name.eq_ignore_ascii_case(&entry.key)) {
            let path = format!("{}.{:?}", section.path_of("headers"), entry.key);
            let fix = "declare a secret, and name it in headers_from_executor_secret";
            section.reader.refuse(&entry.key_span, &path, told, fix);
        }
    }
}

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
    let offer = section.boolean("offer").unwrap_or(false);
    if offer {
        check_offer(section, url.as_ref(), &placement);
    }
    for key in ["headers_from_executor_env", "headers_from_executor_secret"] {
        // Also where it is not offered for now: `offer = false` alone must not spoil the file.
        if section.entry("offer").is_some() && key == "headers_from_executor_secret" {
            continue;
        }
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
        startup_timeout: section.duration("startup_timeout", false).unwrap_or(DEFAULT_STARTUP_TIMEOUT),
        tool_timeout: section.duration("tool_timeout", false).unwrap_or(DEFAULT_TOOL_TIMEOUT),
        idle_timeout: section.duration("idle_timeout", false),
        enabled: section.boolean("enabled").unwrap_or(true),
        required: section.boolean("required").unwrap_or(false),
        offer: section
            .entry("offer")
            .filter(|_| offer)
            .map(|entry| section.located(&entry.node.span, "offer", ())),
        offered_by: None,
        oauth,
        placement,
        url: url?,
    })
}
