//! Servers that an executor offers: what it tells of its own, and what is read of what it tells.

use crate::{
    Config, Executor, McpServer, Problem, UnusableServer,
    foreign::Told,
    sections::{DEFAULT_STARTUP_TIMEOUT, DEFAULT_TOOL_TIMEOUT, HeaderSource, read_each},
    syntax::{Entry, Node, Source, Syntax, Value, parse},
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

/// The most that is read of what an executor tells, in bytes and in servers.
const LARGEST: usize = 1 << 20;
const MOST: usize = 1_000;

impl McpServer {
    /// What orchestrators are told of it: a section of TOML in the words of the `codex exec-server` family, without secrets.
    /// Secrets of the executor are not even named; it attaches them itself.
    pub fn offered_toml(&self) -> String {
        let mut section = Table::new();
        section["url"] = value(self.url.as_str());
        if let Some(variable) = self.bearer_variable() {
            section["bearer_token_env_var"] = value(variable);
        }
        let literal = self.headers.iter().filter_map(|header| match &header.source {
            HeaderSource::Literal(value) => Some((header.name.as_str(), value.expose())),
            _ => None,
        });
        let literal: InlineTable = literal.collect();
        if !literal.is_empty() {
            section["http_headers"] = value(literal);
        }
        for (key, time, usual) in [
            ("startup_timeout_sec", self.startup_timeout, DEFAULT_STARTUP_TIMEOUT),
            ("tool_timeout_sec", self.tool_timeout, DEFAULT_TOOL_TIMEOUT),
        ] {
            if time != usual {
                section[key] = seconds(time);
            }
        }
        let mut servers = Table::new();
        servers.set_implicit(true);
        servers[&self.name] = Item::Table(section);
        let mut document = DocumentMut::new();
        document["mcp_servers"] = Item::Table(servers);
        document.to_string()
    }

    /// The variable that its bearer token stands in, where the file names one.
    pub fn bearer_variable(&self) -> Option<&str> {
        self.headers.iter().find_map(|header| match &header.source {
            HeaderSource::Here(template) if header.name == "Authorization" => match template.as_suffixed() {
                Some(("Bearer ", variable)) => Some(variable),
                _ => None,
            },
            _ => None,
        })
    }
}

fn seconds(time: Duration) -> Item {
    match (time.subsec_nanos(), i64::try_from(time.as_secs())) {
        (0, Ok(whole)) => value(whole),
        _ => value(time.as_secs_f64()),
    }
}

impl Config {
    /// Adds the servers that an executor offers, told in layers of TOML of which a later one counts before an earlier. Each
    /// leaves from that executor, whatever it says; variables that it names are the executor's and never this process's.
    ///
    /// Servers and routes of the configuration itself keep their names, and so does what another executor has offered before: what
    /// is passed over is a warning, and what cannot be used is among [`unusable`](Self::unusable).
    pub fn adopt<'a>(&mut self, executor: &Arc<Executor>, layers: impl IntoIterator<Item = &'a str>) {
        let mut taken: Vec<String> = Vec::new();
        let layers: Vec<&str> = layers.into_iter().collect();
        // What a person reads stands in no file of this machine.
        let name = format!("what the executor {} offers", executor.name);
        for text in layers.into_iter().rev() {
            let source = Source::new(Path::new(&name), text, None);
            let refused =
                |what: &str| Problem::new(source.place(0), "mcp_servers", what, "its operator can mend it");
            if text.len() > LARGEST {
                self.warnings.push(refused("more than 1 MiB is offered: none of it is used"));
                continue;
            }
            let node = match parse(&source, Syntax::Toml) {
                Ok(node) => node,
                Err(problem) => {
                    self.warnings.push(problem);
                    continue;
                }
            };
            let entries = node.get("mcp_servers").and_then(Node::as_table).unwrap_or_default();
            let offered = entries.iter().filter(|entry| is_offered(&entry.node));
            let told: Vec<Told> = offered
                .filter(|entry| !taken.contains(&entry.key))
                .take(MOST)
                .map(|entry| tell(entry, &executor.name))
                .collect();
            taken.extend(told.iter().map(|told| told.entry.key.clone()));
            let executors = BTreeMap::from([(executor.name.clone(), executor.clone())]);
            let root = read_each(&source, &told, executors);
            for mut server in root.mcp_servers.into_values() {
                server.offered_by = Some(executor.name.clone());
                self.adopt_one(server, &refused);
            }
            for unusable in root.unusable {
                self.pass_over_unusable(unusable);
            }
        }
    }

    fn adopt_one(&mut self, server: McpServer, refused: &impl Fn(&str) -> Problem) {
        let name = &server.name;
        let by = match self.mcp_servers.get(name) {
            None if self.gateway.routes.contains_key(name) => "a route of the gateway".to_owned(),
            None => {
                self.mcp_servers.insert(name.clone(), server);
                return;
            }
            Some(McpServer { offered_by: Some(other), .. }) => format!("what {other} offers"),
            Some(_) => "a server of the configuration".to_owned(),
        };
        let warning = refused(&format!("{name:?} is the name of {by}, which is used"));
        self.warnings
            .push(Problem { fix: "give the server of the configuration another name".into(), ..warning });
    }

    fn pass_over_unusable(&mut self, unusable: UnusableServer) {
        let known = |server: &UnusableServer| server.name == unusable.name;
        if !self.mcp_servers.contains_key(&unusable.name) && !self.unusable.iter().any(known) {
            self.unusable.push(unusable);
        }
    }
}

/// Whether it is reached over HTTP and meant to be used: a program that is started is started there.
fn is_offered(node: &Node) -> bool {
    let is_off = node.get("enabled").is_some_and(|node| matches!(node.value, Value::Boolean(false)));
    node.get("url").is_some() && !is_off
}

/// Tells a server that an executor offers in our words. What is not known is left out: it may mean anything.
fn tell(entry: &Entry, executor: &str) -> Told {
    let mut told = Told::new(entry);
    for said in entry.node.as_table().unwrap_or_default() {
        match said.key.as_str() {
            "url" => told.say("url", said, said.node.clone()),
            "http_headers" => told.say("headers", said, said.node.clone()),
            "env_http_headers" => {
                for entry in said.node.as_table().unwrap_or_default() {
                    told.say_in("headers_from_executor_env", &entry.key, entry, entry.node.clone());
                }
            }
            "bearer_token_env_var" => {
                let variable = said.node.as_text().unwrap_or_default();
                let value = Node::new(said.node.span.clone(), Value::Text(format!("Bearer ${{{variable}}}")));
                told.say_in("headers_from_executor_env", "Authorization", said, value);
            }
            "startup_timeout_sec" => told.say("startup_timeout", said, said.node.clone()),
            "tool_timeout_sec" => told.say("tool_timeout", said, said.node.clone()),
            _ => {}
        }
    }
    told.set_environment(executor);
    told
}
