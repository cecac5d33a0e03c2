use crate::{
    audit::{Audit, TracingAudit},
    offers::Offers,
    reload::Reloader,
};
use afield_egress::EgressConfig;
use afield_transport::{Authenticate, Networks, NoAuthentication, ServerTls, is_off_this_machine};
use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Where an executor is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// WebSocket on this address. Port 0 picks one.
    Ws(SocketAddr),
    /// WebSocket on a Unix socket, which is made at this path.
    Unix(PathBuf),
    /// One connection, over standard input and output.
    Stdio,
}

/// Where an operator's own tools ask whether an executor lives and is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListen {
    /// HTTP on this address, which is loopback. Port 0 picks one.
    Tcp(SocketAddr),
    /// HTTP on a Unix socket, which is made at this path, for processes of the executor's own user.
    Unix(PathBuf),
}

impl fmt::Display for AdminListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How an executor runs. Limits are those of [`EgressConfig::limits`].
pub struct Config {
    /// Where it is reached.
    pub listen: Listen,
    /// Sockets that listen already, given to this process by whoever started it. One whose address is [`listen`](Self::listen) serves
    /// instead of a new one; connections that come after this process wait for the next.
    pub inherited: Vec<TcpListener>,
    /// How long a drain lets active requests finish.
    pub grace: Duration,
    /// Who may connect.
    pub authentication: Arc<dyn Authenticate>,
    /// How the TCP listener speaks TLS. Without it, it does not.
    pub tls: Option<Arc<ServerTls>>,
    /// Whether something in front of the TCP listener speaks TLS for it, so that it may be reached from other machines
    /// without TLS of its own.
    pub tls_terminated_in_front: bool,
    /// Users whose processes may connect to the Unix socket, besides the executor's own.
    pub allowed_users: Vec<u32>,
    /// Who is told of connections.
    pub audit: Arc<dyn Audit>,
    /// What reads files again while the executor runs. Whoever made what is in the files registers it.
    pub reloader: Reloader,
    /// From where connections begin with a header of the PROXY protocol, which says for whom they are.
    pub proxy_protocol: Networks,
    /// Proxies that are believed when they say, in `X-Forwarded-For` or `Forwarded`, for whom they ask.
    pub trusted_proxies: Networks,
    /// Where `/livez` and `/readyz` are asked for without saying who asks, if anywhere.
    pub admin: Option<AdminListen>,
    /// Host names by which orchestrators may reach the listener, besides IP addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// The MCP servers that are offered to orchestrators. What is put there while the executor runs is offered from then on.
    pub offers: Offers,
    /// Called, where it may block, when most of what was kept has been let go: to give memory back to the system, for an
    /// allocator that does not by itself.
    pub reclaim: Option<fn()>,
    /// How requests are performed, and every limit.
    pub egress: EgressConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 7411))),
            inherited: Vec::new(),
            grace: Duration::from_secs(10),
            authentication: Arc::new(NoAuthentication),
            tls: None,
            tls_terminated_in_front: false,
            allowed_users: Vec::new(),
            audit: Arc::new(TracingAudit),
            reloader: Reloader::new(),
            proxy_protocol: Networks::default(),
            trusted_proxies: Networks::default(),
            admin: None,
            allowed_hosts: Vec::new(),
            offers: Offers::default(),
            reclaim: None,
            egress: EgressConfig::default(),
        }
    }
}

impl Config {
    /// For how many principals a part is kept back: no more than there can be.
    pub(crate) fn principals(&self) -> usize {
        let shares = self.egress.limits.shares.max(1);
        match &self.listen {
            Listen::Stdio => 1,
            Listen::Ws(_) if self.authentication.lets_anybody_in() => 1,
            Listen::Unix(_) if self.authentication.lets_anybody_in() => {
                shares.min(1 + self.allowed_users.len())
            }
            _ => shares,
        }
    }

    /// Checks that an address which others can reach asks who they are, and speaks TLS. Binds nothing.
    ///
    /// # Errors
    ///
    /// [`StartError::Exposed`].
    pub fn check_exposure(&self) -> Result<(), StartError> {
        if let Some(AdminListen::Tcp(address)) = self.admin
            && is_off_this_machine(address.ip())
        {
            let why =
                "whoever asks there says not who he is: it listens on loopback or a Unix socket".to_owned();
            return Err(StartError::Admin { at: address.to_string(), why });
        }
        let Listen::Ws(address) = self.listen else { return Ok(()) };
        if !is_off_this_machine(address.ip()) {
            return Ok(());
        }
        let authentication = self.authentication.lets_anybody_in();
        let tls = self.tls.is_none() && !self.tls_terminated_in_front;
        match (authentication, tls) {
            (false, false) => Ok(()),
            (true, true) => Err(StartError::Exposed { address, lacks: "neither authentication nor TLS" }),
            (true, false) => Err(StartError::Exposed { address, lacks: "no authentication" }),
            (false, true) => Err(StartError::Exposed { address, lacks: "no TLS" }),
        }
    }
}

/// Why an executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that others can reach, without what tells who they are, or without what keeps it secret.
    #[error("{address} can be reached from other machines, and this executor has {lacks} there")]
    Exposed {
        /// The address.
        address: SocketAddr,
        /// What it lacks, in words.
        lacks: &'static str,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The Unix socket cannot be made.
    #[error("cannot listen on {}: {error}", path.display())]
    BindUnix {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The listener for the operator's own tools cannot be.
    #[error("the admin listener cannot be at {at}: {why}")]
    Admin {
        /// Where.
        at: String,
        /// Why not.
        why: String,
    },
    /// How requests are to be performed makes no sense.
    #[error(transparent)]
    Egress(#[from] afield_egress::ConfigError),
}
