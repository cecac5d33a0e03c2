use crate::config::EgressConfig;
use crate::connect::Credentials;
use crate::generation::Settings;
use crate::policy::Scheme;
use crate::pool::Pool;
use crate::upstream::{Proxy, ProxyScheme};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// As whom, and by which way, origins are met; with the connections that were made so, apart for each principal.
pub(crate) struct Identity {
    tls: ClientConfig,
    pub(crate) proxy: Option<ProxyRoute>,
    settings: Arc<Settings>,
    anonymous: OnceLock<Arc<Pool>>,
    named: Mutex<HashMap<Box<str>, Arc<Pool>>>,
}

/// The operator's proxy, and how it is met.
pub(crate) struct ProxyRoute {
    pub(crate) proxy: Proxy,
    /// What TLS to the proxy itself is spoken with.
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) credentials: Option<Credentials>,
}

/// Pools of principals that are kept before those without connections are let go.
const POOLS: usize = 64;

impl Identity {
    pub(crate) fn new(tls: ClientConfig, proxy: Option<ProxyRoute>, settings: Arc<Settings>) -> Self {
        Self { tls, proxy, settings, anonymous: OnceLock::new(), named: Mutex::default() }
    }

    /// The connections of this principal.
    pub(crate) fn pool(&self, principal: Option<&str>) -> Arc<Pool> {
        let make = || Arc::new(Pool::new(&self.tls, &self.settings.config));
        let Some(name) = principal else { return Arc::clone(self.anonymous.get_or_init(make)) };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = named.get(name) {
            return Arc::clone(pool);
        }
        if named.len() >= POOLS && named.len().is_power_of_two() {
            named.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
        }
        let pool = make();
        named.insert(name.into(), Arc::clone(&pool));
        pool
    }

    /// Whether a request of this scheme goes to a proxy that takes whole URLs (RFC 9112, section 3.2.2).
    pub(crate) fn takes_whole_urls(&self, scheme: Scheme) -> bool {
        let takes = |route: &ProxyRoute| route.proxy.scheme != ProxyScheme::Socks5;
        scheme == Scheme::Http && self.proxy.as_ref().is_some_and(takes)
    }

    /// Whether a test forbids connection attempts.
    pub(crate) fn is_gated(&self) -> bool {
        self.config().dial_gate.as_ref().is_some_and(|gate| !gate())
    }

    pub(crate) fn config(&self) -> &EgressConfig {
        &self.settings.config
    }
}
