//! A gateway over either kind of client, and a caller that writes and reads bytes.

mod caller;

pub use caller::{Answer, Caller, Ending};

use afield_client::{HttpClient, Local, Remote, RemoteConfig};
use afield_egress::{EgressConfig, OwnListeners};
use afield_executor::{Executor, Listen};
use afield_gateway::{Config, Gateway, Handle, Route};
use std::{net::SocketAddr, sync::Arc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// What performs the requests behind a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Here,
    Executor,
}

/// What is promised holds wherever a request leaves from.
pub const PLACES: [Place; 2] = [Place::Here, Place::Executor];

/// A running gateway, ended on drop. It has a forward proxy.
pub struct Running {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub handle: Handle,
    running: JoinHandle<()>,
    _executor: JoinSet<()>,
}

/// What a test's gateway is made from.
pub struct Setup {
    place: Place,
    egress: EgressConfig,
    routes: Vec<(String, String)>,
}

impl Setup {
    pub fn at(place: Place) -> Self {
        Self { place, egress: EgressConfig::default(), routes: Vec::new() }
    }

    pub fn egress(mut self, egress: EgressConfig) -> Self {
        self.egress = egress;
        self
    }

    pub fn route(mut self, name: &str, url: impl Into<String>) -> Self {
        self.routes.push((name.to_owned(), url.into()));
        self
    }

    pub async fn start(self) -> Running {
        self.start_with(|_, config| config).await
    }

    pub async fn start_with(
        mut self,
        configure: impl FnOnce(&Arc<dyn HttpClient>, Config) -> Config,
    ) -> Running {
        let own_listeners = OwnListeners::default();
        let mut executor = JoinSet::new();
        let client: Arc<dyn HttpClient> = match self.place {
            Place::Here => {
                self.egress.own_listeners = own_listeners.clone();
                Arc::new(Local::new(self.egress).unwrap())
            }
            Place::Executor => {
                let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
                let config = afield_executor::Config {
                    listen,
                    egress: self.egress,
                    ..afield_executor::Config::default()
                };
                let bound = Executor::bind(config).await.unwrap();
                let url = format!("ws://{}", bound.local_addr().unwrap());
                executor.spawn(bound.run(CancellationToken::new()));
                Arc::new(Remote::connect(RemoteConfig::new(url)).await.unwrap())
            }
        };
        let route = |(name, url)| Route::new(name, url, client.clone()).unwrap();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            routes: self.routes.into_iter().map(route).collect(),
            proxy: Some(client.clone()),
            own_listeners,
            ..Config::default()
        };
        let gateway = Gateway::bind(configure(&client, config)).await.unwrap();
        let stop = CancellationToken::new();
        Running {
            address: gateway.local_addr(),
            handle: gateway.handle(),
            running: tokio::spawn(gateway.run(stop.clone())),
            stop,
            _executor: executor,
        }
    }
}

impl Running {
    pub async fn caller(&self) -> Caller {
        Caller::connect(self.address).await
    }

    /// Sends this over a connection of its own, and says the answer.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut caller = self.caller().await;
        caller.send(request).await;
        caller.answer().await
    }

    /// A `GET` of this target.
    pub async fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address)).await
    }

    /// Waits for its end.
    pub async fn ended(mut self) {
        afield_testkit::within("the gateway ends", &mut self.running).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running.abort();
    }
}
