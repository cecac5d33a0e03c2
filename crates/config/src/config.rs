use crate::{
    Executor, Format, Gateway, McpServer, Placement, Problem, Problems, Serving, reading::nearest,
    sections::LOCAL,
};
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

/// What a configuration says, checked as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; `None` where there is none.
    pub file: Option<PathBuf>,
    /// How that file is written.
    pub format: Format,
    /// Executors by name.
    pub executors: BTreeMap<String, Arc<Executor>>,
    /// MCP servers by name. Ask each for its [`placement`](McpServer::placement): it may have none.
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Servers of another program's file that cannot be used.
    pub unusable: Vec<UnusableServer>,
    /// The gateway.
    pub gateway: Gateway,
    /// What `afield serve` is told.
    pub serving: Serving,
    /// What works, and is worth a word.
    pub warnings: Vec<Problem>,
}

/// A server that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableServer {
    /// Its name in the file.
    pub name: String,
    /// Why.
    pub problems: Problems,
}

impl Config {
    /// The server of this name.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be used.
    pub fn mcp_server(&self, name: &str) -> Result<&McpServer, NoSuch> {
        if let Some(server) = self.mcp_servers.get(name) {
            return Ok(server);
        }
        let mut missing = NoSuch::of("MCP server", name, self.mcp_servers.keys());
        missing.problems =
            self.unusable.iter().find(|server| server.name == name).map(|server| server.problems.clone());
        Err(missing)
    }

    /// Where requests leave from that are placed at `name`: `local`, or an executor's name.
    ///
    /// # Errors
    ///
    /// There is no such executor.
    pub fn placement(&self, name: &str) -> Result<Placement, NoSuch> {
        if name == LOCAL {
            return Ok(Placement::Local);
        }
        match self.executors.get(name) {
            Some(executor) => Ok(Placement::Executor(executor.clone())),
            None => Err(NoSuch::of("executor", name, self.executors.keys())),
        }
    }

    /// What keeps a part of the configuration from being used, while the rest of it can be.
    pub fn faults(&self) -> impl Iterator<Item = &Problem> {
        let unusable = self.unusable.iter().flat_map(|server| server.problems.iter());
        let servers = self.mcp_servers.values().filter_map(|server| server.placement().err());
        unusable.chain(servers).chain(self.gateway.placement().err())
    }
}

/// There is nothing of this name in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuch {
    /// What was looked for.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// A name that was perhaps meant.
    pub nearest: Option<String>,
    /// Why it cannot be used, where it is there.
    pub problems: Option<Problems>,
}

impl NoSuch {
    fn of<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a String>) -> Self {
        let nearest = nearest(name, known.map(String::as_str)).map(str::to_owned);
        Self { what, name: name.to_owned(), nearest, problems: None }
    }
}

impl fmt::Display for NoSuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(problems) = &self.problems {
            return write!(f, "the {} {:?} cannot be used: {problems}", self.what, self.name);
        }
        write!(f, "there is no {} named {:?}", self.what, self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest:?}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NoSuch {}
