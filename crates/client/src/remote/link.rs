use super::{
    config::{ConnectError, RemoteConfig},
    driver::Driver,
    shared::Shared,
};
use afield_egress::{CaPolicy, tls_client_config};
use afield_exchange::{Blame, Error, Kind, Request, Retry, detail};
use afield_protocol::{
    client::{BaseClient, CallId, Connected},
    wire::InitializeParams,
};
use afield_transport::{DialConfig, dial};
use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// One connection with a session on it. Calls and bodies hold it; when the last lets go, it closes: what is queued
/// (cancels, above all) is still written, and its task ends within 2 s.
pub(crate) struct Link {
    pub shared: Arc<Shared>,
    pub connected: Connected,
    /// The largest message that the executor takes.
    message_bytes: usize,
    driver: Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Dials and begins a session, in one attempt. Cancel safe: dropping the future closes what was opened.
    pub async fn open(config: &RemoteConfig, deadline: Instant) -> Result<Self, ConnectError> {
        let mut dialling = DialConfig::new(&config.url);
        dialling.token = config.token.clone();
        dialling.connect_timeout = round_up(deadline.saturating_duration_since(Instant::now()));
        dialling.message_bytes = config.limits.message_bytes;
        dialling.allow_plaintext_token = config.allow_plaintext_token;
        dialling.pins = config.pins.clone();
        dialling.identity = config.identity.clone();
        dialling.proxy = config.proxy.clone();
        if is_tls(&config.url) && (config.pins.is_empty() || !matches!(config.ca, CaPolicy::Environment)) {
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
        let session = timeout_at(deadline, poll_fn(|cx| opening.shared.poll_session(cx)));
        let connected = session.await.map_err(|_| ConnectError::Timeout(config.connect_timeout))??;
        let driver = opening.driver.take();
        let message_bytes = message_limit(&connected, config.limits.message_bytes);
        Ok(Self {
            shared: opening.shared.clone(),
            connected: *connected,
            message_bytes,
            driver: Mutex::new(driver),
        })
    }

    /// Starts a call. An error says that nothing of it was sent.
    pub fn start(&self, request: &Request, streamed: bool) -> Result<CallId, Error> {
        let id = self.shared.lock().client.reserve();
        // Written outside the lock: it may be large.
        let text = BaseClient::encode(id, request, streamed);
        if text.len() > self.message_bytes {
            return Err(too_large(request, text.len(), self.message_bytes));
        }
        self.shared.call(id, text, streamed)?;
        Ok(id)
    }

    /// Whether the connection is over, or about to be: it takes no more calls.
    pub fn is_over(&self) -> bool {
        self.shared.lock().over.is_some()
    }

    /// Closes and waits until the connection has ended, at most 2 s.
    pub async fn close(&self) {
        self.shared.with(|state| state.close("it was closed here"));
        let driver = self.driver.lock().expect("nothing panics while holding the handle").take();
        if let Some(driver) = driver {
            let _ = driver.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.with(|state| state.close("nobody needs it any more"));
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

/// Whole milliseconds, for messages that a person reads.
fn round_up(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// What the executor says that it takes, or else what we do.
fn message_limit(connected: &Connected, ours: usize) -> usize {
    let reported = connected.limits.as_ref().and_then(|limits| limits.get("messageBytes")?.as_u64());
    reported.map_or(ours, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Sent nevertheless, it would end the connection for everybody.
fn too_large(request: &Request, bytes: usize, limit: usize) -> Error {
    let body = request.body.length().unwrap_or_default();
    let word = if body > (bytes / 2) as u64 { detail::REQUEST_BODY } else { detail::HEADERS };
    let message =
        format!("the request is {bytes} bytes as a message, and the executor takes at most {limit}");
    Error::new(Kind::TooLarge, Blame::Caller, Retry::No, message).with_detail(word)
}
