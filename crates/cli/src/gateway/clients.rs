use super::plan::{Access, At};
use crate::failure::Failure;
use afield_client::{Exchange, HttpClient, Remote, RemoteConfig};
use afield_config::{Placement, Variables};
use afield_egress::{CaPolicy, EgressConfig, OwnListeners};
use afield_exchange::{Blame, Buffered, Error, Kind, Request, Response, Retry};
use afield_placement::Placements;
use afield_transport::BearerToken;
use std::{collections::HashMap, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The clients of a gateway: one for each place that requests leave from.
pub(super) struct Clients {
    access: Access,
    /// This process, and the executors of the configuration.
    placements: Placements,
    /// Of those, the ones that are used, by name.
    named: HashMap<String, afield_placement::ExecutorClient>,
    /// Executors that flags name, by URL.
    remotes: HashMap<String, Remote>,
}

impl Clients {
    pub fn new(access: Access, own_listeners: OwnListeners) -> Self {
        let egress = EgressConfig { ca: ca(&access), own_listeners, ..EgressConfig::default() };
        let placements = Placements::with_egress(Variables::of_process(), egress);
        Self { access, placements, named: HashMap::new(), remotes: HashMap::new() }
    }

    /// What performs requests there. An executor is connected to when it is first needed, and again when it was lost.
    pub fn at(&mut self, place: &At) -> Result<Arc<dyn HttpClient>, Failure> {
        match place {
            At::Here => {
                let here = self.placements.client(&Placement::Local);
                here.map_err(|error| Failure::usage(error.to_string()))
            }
            At::Url(url) => {
                let config = self.config_of_flags(url);
                let remote = self.remotes.entry(url.clone()).or_insert_with(|| Remote::new(config));
                Ok(Arc::new(remote.clone()))
            }
            At::Named(executor) => {
                let client = self.placements.executor(executor);
                self.named.insert(executor.name.clone(), client.clone());
                Ok(Arc::new(client))
            }
            At::Nowhere(why) => Ok(nowhere(why.clone())),
        }
    }

    /// What is asked for from here on is all that is used. An executor whose token is another now is connected to anew; what is under
    /// way goes on as it began.
    pub fn begin_again(&mut self, access: Access) {
        let token = |access: &Access| access.token.as_ref().map(|token| token.expose().to_owned());
        if token(&self.access) != token(&access) {
            self.remotes.clear();
        }
        self.access = access;
        self.named.clear();
    }

    /// Lets go of executors that are not used any more. Their connections end with what is under way.
    pub fn forget_unused(&mut self) {
        self.placements.keep(|name| self.named.contains_key(name));
    }

    fn config_of_flags(&self, url: &str) -> RemoteConfig {
        let mut config = RemoteConfig::new(url);
        let reach = self.access.reach.clone();
        (config.pins, config.identity, config.proxy) = (reach.pins, reach.identity, reach.proxy);
        config.dialect = reach.dialect;
        config.token = self.access.token.as_ref().map(|token| BearerToken::new(token.expose()));
        config.ca = ca(&self.access);
        config
    }

    /// Tries each executor once, so that one that cannot be reached is told now and not at the first request.
    pub fn probe(&self, stop: &CancellationToken, tasks: &TaskTracker) {
        let told = |executor: String, error: String| {
            tracing::warn!(executor, error, "the executor cannot be reached now; requests try again");
        };
        for url in self.remotes.keys() {
            let config = RemoteConfig { wait: false, ..self.config_of_flags(url) };
            tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
                let executor = format!("{:?}", config.endpoint);
                match Remote::connect(config).await {
                    Ok(remote) => remote.close().await,
                    Err(error) => told(executor, error.to_string()),
                }
            }));
        }
        for (name, client) in self.named.clone() {
            tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
                match client.connect().await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => told(name, error.to_string()),
                    Err(error) => told(name, error.to_string()),
                }
            }));
        }
    }

    /// Says goodbye to the executors.
    pub async fn close(self) {
        for remote in self.remotes.into_values() {
            remote.close().await;
        }
        self.placements.close().await;
    }
}

fn ca(access: &Access) -> CaPolicy {
    access.ca.clone().map_or_else(CaPolicy::default, CaPolicy::File)
}

/// A client whose every request fails with this reason.
pub(super) fn nowhere(why: String) -> Arc<dyn HttpClient> {
    tracing::warn!("{why}");
    Arc::new(Nowhere(Error::new(Kind::Connect, Blame::Operator, Retry::Safe, why)))
}

/// A place that does not exist: requests fail, and never leave from elsewhere.
struct Nowhere(Error);

/// A client of which nothing is ever asked.
pub(super) struct Nobody;

impl HttpClient for Nobody {
    fn stream(&self, _: Request) -> Exchange<'_, Response> {
        Box::pin(async { Err(Error::cancelled()) })
    }

    fn call(&self, _: Request) -> Exchange<'_, Buffered> {
        Box::pin(async { Err(Error::cancelled()) })
    }
}

impl HttpClient for Nowhere {
    fn stream(&self, _: Request) -> Exchange<'_, Response> {
        Box::pin(async { Err(self.0.clone()) })
    }

    fn call(&self, _: Request) -> Exchange<'_, Buffered> {
        Box::pin(async { Err(self.0.clone()) })
    }
}
