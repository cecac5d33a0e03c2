use crate::config::{ConfigError, EgressConfig};
use crate::dial::WatchDials;
use crate::door::Door;
use crate::generation::Settings;
use crate::request::target::Target;
use rustls::ClientConfig;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// The HTTP clients of one identity under one policy, and with them its connections: nothing else uses them. Each client
/// is built when it is first needed.
pub(crate) struct Clients {
    tls: ClientConfig,
    proxy: Option<reqwest::Proxy>,
    door: Door,
    settings: Arc<Settings>,
    general: OnceLock<reqwest::Client>,
    /// For requests over TLS whose `Host` is not their URL's: HTTP/2 has no place for it.
    http1: OnceLock<reqwest::Client>,
    /// For origins whose connections must not be used twice.
    unpooled: OnceLock<reqwest::Client>,
    distrusted: RwLock<HashSet<String>>,
    any_distrusted: AtomicBool,
}

/// Origins that are remembered as not to be trusted with a second request over one connection.
const DISTRUSTED: usize = 1024;

/// Bytes of one response body that an HTTP/2 origin may send ahead of the consumer.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// The same for all bodies of one HTTP/2 connection: so much that a stream nobody reads holds up no other.
const CONNECTION_WINDOW: u32 = 128 * STREAM_WINDOW;

/// The header fields of an HTTP/2 response, as large as the HTTP/1 limit.
const HTTP2_HEADERS: u32 = 400 * 1024;

impl Clients {
    pub(crate) fn new(
        tls: ClientConfig,
        proxy: Option<reqwest::Proxy>,
        door: Door,
        settings: Arc<Settings>,
    ) -> Self {
        Self {
            tls,
            proxy,
            door,
            settings,
            general: OnceLock::new(),
            http1: OnceLock::new(),
            unpooled: OnceLock::new(),
            distrusted: RwLock::default(),
            any_distrusted: AtomicBool::new(false),
        }
    }

    /// Finds out now whether a client can be built; afterwards it always can.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let client = self.build(&[b"h2", b"http/1.1"], self.settings.config.pool_idle_per_origin)?;
        let _ = self.general.set(client);
        Ok(())
    }

    /// The client for a request to `target`; `http1` for one that HTTP/2 cannot carry.
    pub(crate) fn client(&self, target: &Target, http1: bool) -> &reqwest::Client {
        let idle = self.settings.config.pool_idle_per_origin;
        if self.any_distrusted.load(Ordering::Relaxed) && self.distrusts(target) {
            self.unpooled.get_or_init(|| self.built(&[b"http/1.1"], 0))
        } else if http1 {
            self.http1.get_or_init(|| self.built(&[b"http/1.1"], idle))
        } else {
            self.general.get_or_init(|| self.built(&[b"h2", b"http/1.1"], idle))
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

    fn built(&self, alpn: &[&[u8]], idle: usize) -> reqwest::Client {
        self.build(alpn, idle).expect("a client with such settings was built when the egress was made")
    }

    fn build(&self, alpn: &[&[u8]], idle: usize) -> Result<reqwest::Client, ConfigError> {
        let EgressConfig { limits, pool_idle, dial_gate, .. } = &self.settings.config;
        let mut tls = self.tls.clone();
        tls.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(self.door.clone()))
            .connector_layer(WatchDials { gate: dial_gate.clone() })
            .connect_timeout(limits.connect)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(*pool_idle)
            .pool_max_idle_per_host(idle)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(HTTP2_HEADERS);
        let builder = match &self.proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        };
        builder.build().map_err(|error| ConfigError::Client(error.to_string()))
    }
}
