use crate::{
    live::Live,
    route::{Route, RouteError},
    token::TokenDigest,
};
use afield_client::HttpClient;
use afield_egress::OwnListeners;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

/// How a gateway runs. The default has no route, no proxy and no token, and listens on `127.0.0.1:7412`.
pub struct Config {
    /// Where it listens. Port 0 picks one.
    pub listen: SocketAddr,
    /// Whether it may listen on an address that other machines can reach; then there has to be a [`token`](Self::token).
    pub exposed: bool,
    /// What callers must present, if anything: in the field `Afield-Gateway-Token`, or in `Proxy-Authorization` as `Bearer`
    /// or as the password of `Basic`. `Authorization` is the origin's.
    pub token: Option<TokenDigest>,
    /// Names by which the gateway may be addressed, besides `localhost` and loopback addresses. Once it is
    /// [`exposed`](Self::exposed), by any address.
    pub allowed_hosts: Vec<String>,
    /// Origins (`https://app.example`) whose pages may use the gateway, besides those of loopback.
    pub allowed_origins: Vec<String>,
    /// The routes.
    pub routes: Vec<Route>,
    /// What performs the requests of the forward proxy. `None`: there is no proxy.
    pub proxy: Option<Arc<dyn HttpClient>>,
    /// The addresses that this process listens on. The gateway adds its own while it lives, and asks nothing of any of them.
    /// To be shared with every egress of this process.
    pub own_listeners: OwnListeners,
    /// Sockets that listen already, given to this process by whoever started it. One whose address is asked for serves instead of
    /// a new one; connections that come when the gateway accepts none wait for whoever takes it up next.
    pub inherited: Vec<TcpListener>,
    /// Whether other processes of the same user that say so as well may listen on the same addresses: the next gateway can listen
    /// before this one stops.
    pub shares_ports: bool,
    /// How long an idle connection stays once the gateway is told to stop, for a request that is on its way. Of use where another
    /// gateway has its port by then.
    pub linger: Duration,
    /// Connections at a time; more are closed at once, with status 503.
    pub connections: usize,
    /// How long a connection may take for the head of its next request, waiting for its first byte included.
    pub head_timeout: Duration,
    /// The size of a request's head in bytes.
    pub head_bytes: usize,
    /// How long active requests may go on once the gateway is told to stop.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7412)),
            exposed: false,
            token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            routes: Vec::new(),
            proxy: None,
            own_listeners: OwnListeners::default(),
            inherited: Vec::new(),
            shares_ports: false,
            linger: Duration::ZERO,
            connections: 1024,
            head_timeout: Duration::from_secs(30),
            head_bytes: 256 * 1024,
            grace: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Checks what [`Gateway::bind`](crate::Gateway::bind) would refuse, but for what only binding tells. Binds nothing.
    ///
    /// # Errors
    ///
    /// As those of `bind`.
    pub fn check(self) -> Result<(), StartError> {
        Live::new(self).map(drop)
    }
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that others can reach, and nothing that says that they may.
    #[error(
        "{0} can be reached from other machines: listen on a loopback address such as 127.0.0.1, or allow it and set a \
         token"
    )]
    Exposed(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// Two routes that cannot both be there.
    #[error(transparent)]
    Route(#[from] RouteError),
}
