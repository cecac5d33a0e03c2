use super::plan::{Access, At};
use crate::{failure::Failure, mcp::placed};
use afield_client::{Exchange, HttpClient, Local, Remote, RemoteConfig};
use afield_egress::{CaPolicy, EgressConfig, OwnListeners};
use afield_exchange::{Blame, Buffered, Error, Kind, Request, Response, Retry};
use afield_transport::BearerToken;
use std::{collections::HashMap, sync::Arc};
use tokio_util::sync::CancellationToken;

/// The clients of a gateway: one for each place that requests leave from.
pub(super) struct Clients {
    access: Access,
    own_listeners: OwnListeners,
    local: Option<Arc<dyn HttpClient>>,
    /// By URL, and by name.
    remotes: HashMap<String, (RemoteConfig, Remote)>,
}

impl Clients {
    pub fn new(access: Access, own_listeners: OwnListeners) -> Self {
        Self { access, own_listeners, local: None, remotes: HashMap::new() }
    }

    /// What performs requests there. An executor is connected to when it is first needed, and again when it was lost.
    pub fn at(&mut self, place: &At) -> Result<Arc<dyn HttpClient>, Failure> {
        match place {
            At::Here => self.local(),
            At::Url(url) => Ok(self.remote(url.clone(), self.config_of_flags(url))),
            At::Named(executor) => match placed::reach(executor) {
                Ok(config) => Ok(self.remote(format!("executors.{}", executor.name), config)),
                Err(failure) => Ok(nowhere(failure.message.into_owned())),
            },
            At::Nowhere(why) => Ok(nowhere(why.clone())),
        }
    }

    fn local(&mut self) -> Result<Arc<dyn HttpClient>, Failure> {
        if let Some(local) = &self.local {
            return Ok(local.clone());
        }
        let config = EgressConfig {
            ca: self.ca(),
            own_listeners: self.own_listeners.clone(),
            ..EgressConfig::default()
        };
        let local = Local::new(config).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(self.local.insert(Arc::new(local)).clone())
    }

    fn remote(&mut self, key: String, config: RemoteConfig) -> Arc<dyn HttpClient> {
        let entry = self.remotes.entry(key);
        let (_, remote) = entry.or_insert_with(|| (config.clone(), Remote::new(config)));
        Arc::new(remote.clone())
    }

    fn config_of_flags(&self, url: &str) -> RemoteConfig {
        let mut config = RemoteConfig::new(url);
        let reach = self.access.reach.clone();
        (config.pins, config.identity, config.proxy) = (reach.pins, reach.identity, reach.proxy);
        config.token = self.access.token.as_ref().map(|token| BearerToken::new(token.expose()));
        config.ca = self.ca();
        config
    }

    fn ca(&self) -> CaPolicy {
        self.access.ca.clone().map_or_else(CaPolicy::default, CaPolicy::File)
    }

    /// Tries each executor once, so that one that cannot be reached is told now and not at the first request.
    pub fn probe(&self, stop: CancellationToken) {
        for (config, _) in self.remotes.values() {
            let (config, stop) = (RemoteConfig { wait: false, ..config.clone() }, stop.clone());
            tokio::spawn(stop.run_until_cancelled_owned(async move {
                let executor = format!("{:?}", config.endpoint);
                match Remote::connect(config).await {
                    Ok(remote) => remote.close().await,
                    Err(error) => {
                        tracing::warn!(executor, %error, "the executor cannot be reached now; requests try again");
                    }
                }
            }));
        }
    }

    /// Says goodbye to the executors.
    pub async fn close(self) {
        for (_, remote) in self.remotes.into_values() {
            remote.close().await;
        }
    }
}

/// A client whose every request fails with this reason.
pub(super) fn nowhere(why: String) -> Arc<dyn HttpClient> {
    tracing::warn!("{why}");
    Arc::new(Nowhere(Error::new(Kind::Connect, Blame::Operator, Retry::Safe, why)))
}

/// A place that does not exist: requests fail, and never leave from elsewhere.
struct Nowhere(Error);

impl HttpClient for Nowhere {
    fn stream(&self, _: Request) -> Exchange<'_, Response> {
        Box::pin(async { Err(self.0.clone()) })
    }

    fn call(&self, _: Request) -> Exchange<'_, Buffered> {
        Box::pin(async { Err(self.0.clone()) })
    }
}
