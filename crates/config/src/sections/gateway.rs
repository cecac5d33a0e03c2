use super::{Executor, LOCAL, Placement, check_name, executor::Credential, placement};
use crate::{
    Problem, Url,
    reading::{Key, Kind, Section, Table},
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// The gateway, through which programs that know nothing of afield use servers that only an executor can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Where it listens. Default `127.0.0.1:7412`.
    pub listen: SocketAddr,
    /// Names by which it may be addressed, besides loopback ones.
    pub allowed_hosts: Vec<String>,
    /// Where the token comes from that it asks of its clients. Default: it asks for none.
    pub token: Option<Credential>,
    /// Routes besides those of the servers: a name, and the URL it stands for.
    pub routes: BTreeMap<String, Url>,
    /// Hosts of their own for routes and servers, by their names.
    pub route_hosts: BTreeMap<String, String>,
    /// Listeners of their own for routes and servers, by their names.
    pub route_listen: BTreeMap<String, SocketAddr>,
    /// Where routes and forwarded requests leave from, as it was written.
    pub executor: String,
    pub(super) placement: Result<Placement, Problem>,
}

impl Gateway {
    /// Where it listens, unless told otherwise.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7412);

    /// Where requests to [`routes`](Self::routes), and those it forwards as a proxy, leave from.
    ///
    /// # Errors
    ///
    /// The executor is not known.
    pub fn placement(&self) -> Result<&Placement, &Problem> {
        self.placement.as_ref()
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: Self::LISTEN,
            allowed_hosts: Vec::new(),
            token: None,
            routes: BTreeMap::new(),
            route_hosts: BTreeMap::new(),
            route_listen: BTreeMap::new(),
            executor: LOCAL.to_owned(),
            placement: Ok(Placement::Local),
        }
    }
}

pub(super) static TABLE: Table = Table {
    path: "gateway",
    meaning: "The loopback listener of `afield gateway`, through which other programs use the servers of this file.",
    keys: &[
        Key {
            name: "listen",
            aliases: &[],
            kind: Kind::Text,
            default: "`\"127.0.0.1:7412\"`",
            meaning: "The address and port it listens on.",
        },
        Key {
            name: "allowed_hosts",
            aliases: &[],
            kind: Kind::Texts,
            default: "loopback names",
            meaning: "Further names by which clients may address it (the `Host` header).",
        },
        Key {
            name: "token_file",
            aliases: &[],
            kind: Kind::Path,
            default: "no token",
            meaning: "The file that holds the token its clients must present.",
        },
        Key {
            name: "token_env",
            aliases: &[],
            kind: Kind::Text,
            default: "no token",
            meaning: "The variable of this process that holds the token its clients must present.",
        },
        Key {
            name: "executor",
            aliases: &["environment"],
            kind: Kind::Text,
            default: "`\"local\"`",
            meaning: "Where requests to `routes`, and those it forwards as a proxy, leave from. Servers have their own `environment`.",
        },
        Key {
            name: "routes",
            aliases: &[],
            kind: Kind::Map,
            default: "none",
            meaning: "Routes besides those of the servers, each a name and the URL it stands for: `{ docs = \"http://docs.internal/mcp\" }`.",
        },
        Key {
            name: "route_host",
            aliases: &[],
            kind: Kind::Map,
            default: "none",
            meaning: "Hosts that are a route's or a server's own, in place of a path: `{ docs = \"docs.localhost\" }`. To browsers it is an origin of its own then.",
        },
        Key {
            name: "route_listen",
            aliases: &[],
            kind: Kind::Map,
            default: "none",
            meaning: "Listeners that are a route's or a server's own, in place of a path: `{ docs = \"127.0.0.1:7413\" }`.",
        },
    ],
};

pub(super) fn read(section: &Section<'_>, executors: &BTreeMap<String, Arc<Executor>>) -> Gateway {
    let (executor, placement) = placement::read(section, "executor", executors);
    Gateway {
        listen: listen(section).unwrap_or(Gateway::LISTEN),
        allowed_hosts: super::host_names::read(section, "allowed_hosts"),
        token: super::executor::credential(section, "token_file", "token_env"),
        routes: routes(section),
        route_hosts: route_hosts(section),
        route_listen: route_listen(section),
        executor,
        placement,
    }
}

fn listen(section: &Section<'_>) -> Option<SocketAddr> {
    let text = section.text("listen")?;
    let entry = section.entry("listen")?;
    let address = address(text);
    if address.is_none() {
        section.refuse(entry, "this is not an address and a port", "write \"127.0.0.1:7412\"");
    }
    address
}

fn address(text: &str) -> Option<SocketAddr> {
    let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().ok()
}

fn route_hosts(section: &Section<'_>) -> BTreeMap<String, String> {
    let is_host = |host: &str| {
        !host.is_empty()
            && host != "localhost"
            && host.parse::<std::net::IpAddr>().is_err()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let host = |text: &str| is_host(text).then(|| text.to_owned());
    own(
        section,
        "route_host",
        host,
        "this is not the name of a host",
        "write a name alone, as \"docs.localhost\"",
    )
}

fn route_listen(section: &Section<'_>) -> BTreeMap<String, SocketAddr> {
    own(section, "route_listen", address, "this is not an address and a port", "write \"127.0.0.1:7413\"")
}

fn own<T>(
    section: &Section<'_>,
    key: &str,
    read: impl Fn(&str) -> Option<T>,
    what: &str,
    fix: &'static str,
) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    for (entry, text) in section.map(key) {
        match read(text) {
            Some(value) => drop(all.insert(entry.key.clone(), value)),
            None => {
                let path = format!("{}.{}", section.path_of(key), entry.key);
                section.reader.refuse(&entry.node.span, &path, what.to_owned(), fix);
            }
        }
    }
    all
}

fn routes(section: &Section<'_>) -> BTreeMap<String, Url> {
    let mut routes = BTreeMap::new();
    for (entry, text) in section.map("routes") {
        let path = format!("{}.{}", section.path_of("routes"), entry.key);
        let refuse = |span, what: String, fix| section.reader.refuse(span, &path, what, fix);
        if let Err(what) = check_name(&entry.key) {
            refuse(&entry.key_span, what.to_owned(), "choose another name");
        }
        match Url::parse(text, &["http", "https"]) {
            Ok(url) => {
                if routes.insert(entry.key.clone(), url).is_some() {
                    refuse(&entry.key_span, "this route is given twice".to_owned(), "keep one of them");
                }
            }
            Err(what) => refuse(&entry.node.span, what, "write a whole URL, as http://host/path"),
        }
    }
    routes
}
