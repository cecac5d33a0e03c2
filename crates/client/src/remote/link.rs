use super::{
    config::{ConnectError, RemoteConfig},
    driver::Driver,
    shared::Shared,
};
use afield_egress::tls_client_config;
use afield_protocol::{
    client::{BaseClient, Connected},
    wire::InitializeParams,
};
use afield_transport::{DialConfig, dial};
use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
};
use tokio::task::JoinHandle;

/// One connection with a session on it. Calls and bodies hold it; when the last lets go, it closes: what is queued
/// (cancels, above all) is still written, and its task ends within 2 s.
pub(crate) struct Link {
    pub shared: Arc<Shared>,
    pub connected: Connected,
    driver: Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Dials and begins a session. One attempt; the caller bounds it in time.
    pub async fn open(config: &RemoteConfig) -> Result<Self, ConnectError> {
        let mut dialling = DialConfig::new(&config.url);
        dialling.token = config.token.clone();
        dialling.connect_timeout = config.connect_timeout;
        dialling.message_bytes = config.limits.message_bytes;
        dialling.allow_plaintext_token = config.allow_plaintext_token;
        if is_tls(&config.url) {
            dialling.tls = Some(tls_client_config(&config.ca)?);
        }
        let connection = dial(&dialling).await?;
        let params = InitializeParams {
            client_name: config.client_name.clone(),
            resume_session_id: None,
            attempt: None,
            dialects: None,
            window_bytes: None,
        };
        let shared = Arc::new(Shared::new(BaseClient::new(&params)));
        let driver = tokio::spawn(Driver::new(connection, shared.clone()).run());
        let mut opening = Opening { shared, driver: Some(driver) };
        let connected = poll_fn(|cx| opening.shared.poll_session(cx)).await?;
        let driver = opening.driver.take();
        Ok(Self { shared: opening.shared.clone(), connected: *connected, driver: Mutex::new(driver) })
    }

    /// Whether to use another connection for the next call: this one is over, or it is idle and still receives
    /// streams that were given up.
    pub fn is_spent(&self) -> bool {
        let state = self.shared.lock();
        state.over.is_some() || (state.client.is_worn() && state.client.active() == 0)
    }

    /// Closes and waits until the connection has ended, at most 2 s.
    pub async fn close(&self) {
        self.shared.with(|state| state.closing = true);
        let driver = self.driver.lock().expect("nothing panics while holding the handle").take();
        if let Some(driver) = driver {
            let _ = driver.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.with(|state| state.closing = true);
    }
}

/// A connection whose session has not begun: dropping it ends it at once.
struct Opening {
    shared: Arc<Shared>,
    driver: Option<JoinHandle<()>>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
    }
}

fn is_tls(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https")
}
