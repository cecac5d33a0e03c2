use crate::connect::DialGate;
use crate::names::{Resolve, SystemResolver};
use crate::own_listeners::OwnListeners;
use crate::policy::Policy;
use crate::request::variables::{HeaderVariables, NoVariables};
use crate::secrets::Secrets;
use crate::tls::CaPolicy;
use crate::upstream::Upstreams;
use afield_exchange::Limits;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How an [`Egress`](crate::Egress) performs requests. The default: policy `standard`, no secrets, no upstream rules, the
/// default limits, CAs by environment, the system's resolver, no header variables, no own listeners.
#[derive(Clone)]
pub struct EgressConfig {
    /// Where requests may go.
    pub policy: Policy,
    /// Secrets that requests may name, and those that are attached to them.
    pub secrets: Secrets,
    /// As whom, and by which way, origins are met.
    pub upstreams: Upstreams,
    /// The limits; of them, those on requests, on buffered bodies, and the deadlines `connect`, `dns` and `head`.
    pub limits: Limits,
    /// Whom TLS trusts.
    pub ca: CaPolicy,
    /// How names are resolved.
    pub resolver: Arc<dyn Resolve>,
    /// What header values may be completed with.
    pub variables: Arc<dyn HeaderVariables>,
    /// Where this process itself listens.
    pub own_listeners: OwnListeners,
    /// How long an unused connection is kept for the next request. Default 30 s: shorter than what most origins keep.
    pub pool_idle: Duration,
    /// Unused connections kept to one origin. Default 1,024.
    pub pool_idle_per_origin: usize,
    #[doc(hidden)]
    pub dial_gate: Option<DialGate>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            secrets: Secrets::default(),
            upstreams: Upstreams::default(),
            limits: Limits::default(),
            ca: CaPolicy::default(),
            resolver: Arc::new(SystemResolver::default()),
            variables: Arc::new(NoVariables),
            own_listeners: OwnListeners::default(),
            pool_idle: Duration::from_secs(30),
            pool_idle_per_origin: 1024,
            dial_gate: None,
        }
    }
}

impl fmt::Debug for EgressConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressConfig")
            .field("policy", &self.policy)
            .field("secrets", &self.secrets)
            .field("upstreams", &self.upstreams)
            .field("ca", &self.ca)
            .field("own_listeners", &self.own_listeners)
            .finish_non_exhaustive()
    }
}

/// Why an [`Egress`](crate::Egress) or a TLS configuration cannot be made.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A CA file cannot be used.
    #[error("{origin} {}: {why}", path.display())]
    CaFile {
        /// What named it.
        origin: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
