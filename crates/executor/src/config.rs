use afield_egress::EgressConfig;
use afield_transport::{Authenticate, NoAuthentication};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Where an executor is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// WebSocket on this address. Port 0 picks one.
    Ws(SocketAddr),
    /// One connection, over standard input and output.
    Stdio,
}

/// How an executor runs. Limits are those of [`EgressConfig::limits`].
pub struct Config {
    /// Where it is reached.
    pub listen: Listen,
    /// How long a drain lets active requests finish.
    pub grace: Duration,
    /// Who may connect.
    pub authentication: Arc<dyn Authenticate>,
    /// Host names by which orchestrators may reach the listener, besides IP addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// How requests are performed, and every limit.
    pub egress: EgressConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 7411))),
            grace: Duration::from_secs(10),
            authentication: Arc::new(NoAuthentication),
            allowed_hosts: Vec::new(),
            egress: EgressConfig::default(),
        }
    }
}

/// Why an executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that others can reach, without anything that would tell who they are.
    #[error(
        "{0} can be reached from other machines, and this executor has neither authentication nor TLS there: \
         listen on a loopback address such as 127.0.0.1, and let a tunnel (ssh -L, for example) carry it"
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
    /// How requests are to be performed makes no sense.
    #[error(transparent)]
    Egress(#[from] afield_egress::ConfigError),
}
