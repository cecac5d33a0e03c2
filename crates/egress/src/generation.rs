use crate::config::{ConfigError, EgressConfig};
use crate::dial::WatchDials;
use crate::door::Door;
use crate::policy::Policy;
use crate::request::target::Target;
use rustls::ClientConfig;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// One policy with the connections that were made under it. A new policy gets a generation of its own; with the last
/// request that uses the old one, its idle connections close.
pub(crate) struct Generation {
    pub(crate) door: Door,
    client: reqwest::Client,
    /// For requests over TLS whose `Host` is not their URL's: HTTP/2 has no place for it.
    http1: OnceLock<reqwest::Client>,
    /// For origins whose connections must not be used twice.
    unpooled: OnceLock<reqwest::Client>,
    distrusted: RwLock<HashSet<String>>,
    any_distrusted: AtomicBool,
    settings: Arc<Settings>,
}

/// Origins that are remembered as not to be trusted with a second request over one connection.
const DISTRUSTED: usize = 1024;

/// What does not change with the policy.
pub(crate) struct Settings {
    pub(crate) config: EgressConfig,
    pub(crate) tls: Arc<ClientConfig>,
}

/// Bytes of one response body that an HTTP/2 origin may send ahead of the consumer.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// The same for all bodies of one HTTP/2 connection: so much that a stream nobody reads holds up no other.
const CONNECTION_WINDOW: u32 = 128 * STREAM_WINDOW;

/// The header fields of an HTTP/2 response, as large as the HTTP/1 limit.
const HTTP2_HEADERS: u32 = 400 * 1024;

impl Generation {
    pub(crate) fn new(policy: Policy, settings: Arc<Settings>) -> Result<Self, ConfigError> {
        let config = &settings.config;
        let door =
            Door::new(policy, config.own_listeners.clone(), Arc::clone(&config.resolver), config.limits.dns);
        let client = client(&settings, door.clone(), &[b"h2", b"http/1.1"], config.pool_idle_per_origin)?;
        Ok(Self {
            door,
            client,
            http1: OnceLock::new(),
            unpooled: OnceLock::new(),
            distrusted: RwLock::default(),
            any_distrusted: AtomicBool::new(false),
            settings,
        })
    }

    /// The client for a request to `target`; `http1` for one that HTTP/2 cannot carry.
    pub(crate) fn client(&self, target: &Target, http1: bool) -> &reqwest::Client {
        if self.any_distrusted.load(Ordering::Relaxed) && self.distrusts(target) {
            self.unpooled.get_or_init(|| self.http1_client(0))
        } else if http1 {
            self.http1.get_or_init(|| self.http1_client(self.settings.config.pool_idle_per_origin))
        } else {
            &self.client
        }
    }

    /// From here on no connection to this origin is used twice. False if too many origins are distrusted already.
    pub(crate) fn distrust(&self, target: &Target) -> bool {
        let mut distrusted = self.distrusted.write().unwrap_or_else(PoisonError::into_inner);
        let origin = target.url.origin().ascii_serialization();
        if distrusted.len() >= DISTRUSTED && !distrusted.contains(&origin) {
            return false;
        }
        distrusted.insert(origin);
        self.any_distrusted.store(true, Ordering::Relaxed);
        true
    }

    fn distrusts(&self, target: &Target) -> bool {
        let origin = target.url.origin().ascii_serialization();
        self.distrusted.read().unwrap_or_else(PoisonError::into_inner).contains(&origin)
    }

    fn http1_client(&self, idle: usize) -> reqwest::Client {
        client(&self.settings, self.door.clone(), &[b"http/1.1"], idle)
            .expect("a client was built from the same settings before")
    }
}

fn client(
    settings: &Settings,
    door: Door,
    alpn: &[&[u8]],
    idle: usize,
) -> Result<reqwest::Client, ConfigError> {
    let config = &settings.config;
    let mut tls = ClientConfig::clone(&settings.tls);
    tls.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(door))
        .connector_layer(WatchDials { gate: config.dial_gate.clone() })
        .connect_timeout(config.limits.connect)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .tcp_nodelay(true)
        .pool_idle_timeout(config.pool_idle)
        .pool_max_idle_per_host(idle)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(HTTP2_HEADERS)
        .build()
        .map_err(|error| ConfigError::Client(error.to_string()))
}
