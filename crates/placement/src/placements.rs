use crate::executor::ExecutorClient;
use afield_client::{HttpClient, Local};
use afield_config::{Config, Executor, McpServer, NoSuch, Placement, Problem, Variables};
use afield_egress::{ConfigError, EgressConfig};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The places that requests leave from, each with one client.
///
/// Cheap to clone; clones share the clients. Makes no connection until one is needed.
#[derive(Clone)]
pub struct Placements(Arc<Inner>);

struct Inner {
    variables: Variables,
    egress: EgressConfig,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    local: Option<Local>,
    executors: HashMap<String, (Arc<Executor>, ExecutorClient)>,
}

/// Why there is no client. Nothing was sent, and nothing is sent from anywhere else instead.
#[derive(Debug, thiserror::Error)]
pub enum Unplaced {
    /// The environment of a server is not in the configuration.
    #[error(transparent)]
    Unknown(#[from] Problem),
    /// No executor has this name.
    #[error(transparent)]
    NoSuch(#[from] NoSuch),
    /// This process cannot send requests, for instance because its certificate authorities cannot be read.
    #[error("requests cannot leave from this process: {0}")]
    Local(#[from] ConfigError),
}

impl Placements {
    /// Places whose secrets come from these variables and from files, and whose local client has the usual settings.
    pub fn new(variables: Variables) -> Self {
        Self::with_egress(variables, EgressConfig::default())
    }

    /// The same with settings for the local client: its policy, its own listeners, its authorities.
    pub fn with_egress(variables: Variables, egress: EgressConfig) -> Self {
        Self(Arc::new(Inner { variables, egress, made: Mutex::default() }))
    }

    /// The variables of this process that it looks at.
    pub fn variables(&self) -> &Variables {
        &self.0.variables
    }

    /// The client of a server.
    ///
    /// # Errors
    ///
    /// Its environment is not known, or is this process and cannot be used. That an executor cannot be reached is the error
    /// of the exchange that needs it.
    pub fn of_server(&self, server: &McpServer) -> Result<Arc<dyn HttpClient>, Unplaced> {
        self.client(server.placement().map_err(Problem::clone)?)
    }

    /// The client of the place with this name in a configuration: `local`, or an executor's.
    ///
    /// # Errors
    ///
    /// As [`of_server`](Self::of_server).
    pub fn named(&self, config: &Config, name: &str) -> Result<Arc<dyn HttpClient>, Unplaced> {
        self.client(&config.placement(name)?)
    }

    /// The client of a place.
    ///
    /// # Errors
    ///
    /// As [`of_server`](Self::of_server).
    pub fn client(&self, placement: &Placement) -> Result<Arc<dyn HttpClient>, Unplaced> {
        Ok(match placement {
            Placement::Local => Arc::new(self.local()?),
            Placement::Executor(executor) => Arc::new(self.executor(executor)),
        })
    }

    /// The client of an executor. All who ask for one of its name share it, as long as what is said of it stays the same:
    /// after a change there is a new one, and the old one goes with the last who uses it.
    pub fn executor(&self, executor: &Arc<Executor>) -> ExecutorClient {
        let mut made = self.made();
        if let Some((_, client)) = made.executors.get(&executor.name).filter(|(known, _)| known == executor) {
            return client.clone();
        }
        let client = ExecutorClient::new(executor.clone(), self.0.variables.clone());
        made.executors.insert(executor.name.clone(), (executor.clone(), client.clone()));
        client
    }

    /// Lets go of the executors whose names are not to be kept. A connection ends with the last who uses it.
    pub fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        self.made().executors.retain(|name, _| is_kept(name));
    }

    /// The client of this process.
    ///
    /// # Errors
    ///
    /// Its settings make no sense, or certificate authorities cannot be read. The next call tries again.
    pub fn local(&self) -> Result<Local, ConfigError> {
        let mut made = self.made();
        if let Some(local) = &made.local {
            return Ok(local.clone());
        }
        let local = Local::new(self.0.egress.clone())?;
        made.local = Some(local.clone());
        Ok(local)
    }

    /// Says goodbye to all executors at once, within 2 s.
    pub async fn close(&self) {
        let executors: Vec<_> = self.made().executors.values().map(|(_, client)| client.clone()).collect();
        let mut closing = tokio::task::JoinSet::new();
        for executor in executors {
            closing.spawn(async move { executor.close().await });
        }
        while closing.join_next().await.is_some() {}
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.0.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Placements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placements").field("executors", &self.made().executors.keys()).finish_non_exhaustive()
    }
}
