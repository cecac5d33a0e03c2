use super::{
    config::RemoteConfig,
    endpoint,
    error::ConnectError,
    route::Route,
    session::Session,
    shared::Shared,
    state::Board,
    upload::{self, Source},
};
use afield_exchange::{Blame, Error, Kind, OnInformational, Request, RequestBody, RequestId, Retry, detail};
use afield_protocol::{
    client::{BaseClient, CallId, Client, Connected},
    resumable::{BODY_MESSAGE_BYTES, CallText, ClientConfig, DIALECT, ResumableClient, WINDOW_RANGE},
    wire::Features,
};
use afield_transport::session_tag;
use futures_util::future::poll_immediate;
use std::sync::{Arc, Mutex};
use tokio::{task::JoinHandle, time::Instant};
use tracing::{Instrument, Span};

/// One session: in the base dialect one connection, in afield/1 as many as it takes. Calls and bodies hold it; when the
/// last lets go, it closes: what is queued (cancels, above all) is still written, and its task ends within 2 s.
pub(crate) struct Link {
    pub shared: Arc<Shared>,
    pub connected: Connected,
    /// Names the session in logs, at both ends.
    tag: Arc<str>,
    /// The largest message that the executor takes.
    message_bytes: usize,
    /// The largest response body that is read whole.
    pub body_limit: usize,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A call that was begun.
pub(crate) struct Begun {
    pub id: CallId,
    /// What still brings its body.
    pub pump: Option<upload::Pump>,
    /// Where its informational responses go.
    pub on_informational: Option<OnInformational>,
}

impl Link {
    /// Dials and begins a session, in one attempt. Cancel safe: dropping the future closes what was opened.
    pub async fn open(
        config: &Arc<RemoteConfig>,
        deadline: Instant,
        board: &Board,
    ) -> Result<Self, ConnectError> {
        let mut route = Route::new();
        let opened = endpoint::open(config, deadline, &mut route, None).await?;
        let connected = *opened.connected;
        let client = machine(&connected, config)?;
        let shared = Arc::new(Shared::new(client));
        let session = Session::new(config.clone(), &connected, route, shared.clone(), board.teller());
        let tag: Arc<str> = session_tag(&connected.session_id).into();
        let endpoint = &config.endpoint;
        let span = tracing::debug_span!(parent: None, "session", executor = ?endpoint, %tag);
        span.in_scope(|| {
            tracing::debug!(dialect = connected.dialect.as_deref().unwrap_or("base"), "session begun")
        });
        let mut session = Box::pin(session.run(opened.connection, opened.round_trip).instrument(span));
        // What came in one breath with the answer, the connection's end above all, is seen before the first call.
        let _ = poll_immediate(&mut session).await;
        let task = tokio::spawn(session);
        Ok(Self {
            shared,
            message_bytes: limit(&connected, "messageBytes", config.limits.message_bytes),
            body_limit: limit(&connected, "bufferedBodyBytes", config.limits.buffered_body_bytes),
            connected,
            tag,
            task: Mutex::new(Some(task)),
        })
    }

    /// Whether sessions of this kind outlive their connections, and bodies go as they are.
    pub fn is_resumable(&self) -> bool {
        self.connected.dialect.as_deref() == Some(DIALECT)
    }

    /// Begins a call. An error says that nothing of it was sent.
    pub fn begin(&self, request: &mut Request, streamed: bool) -> Result<Begun, Error> {
        self.check_secrets(request)?;
        if self.is_resumable() { self.begin_resumable(request) } else { self.begin_base(request, streamed) }
    }

    /// Tells the caller the call's name, if it wants to know.
    fn tell_name(&self, call: CallId, request: &Request) {
        if let Some(on_request_id) = &request.on_request_id {
            let name = call.request_name(self.is_resumable());
            on_request_id.call(RequestId::new(self.tag.clone(), name));
        }
    }

    /// Writes the call's name into its span.
    pub fn record(&self, call: CallId, span: &Span) {
        if !span.is_disabled() {
            span.record("session", &*self.tag).record("id", call.request_name(self.is_resumable()));
        }
    }

    /// An executor that does not know of secrets would send the header without its secret.
    fn check_secrets(&self, request: &Request) -> Result<(), Error> {
        let Some(header) = request.headers.iter().find(|header| header.secret.is_some()) else {
            return Ok(());
        };
        if self.connected.capabilities().http_header_secrets {
            return Ok(());
        }
        let message =
            format!("header {} names a secret of the executor, and this executor has none", header.name);
        Err(Error::new(Kind::InvalidRequest, Blame::Operator, Retry::No, message).with_detail(detail::SECRET))
    }

    fn begin_base(&self, request: &Request, streamed: bool) -> Result<Begun, Error> {
        let id = match &mut self.shared.lock().client {
            Client::Base(base) => base.reserve(),
            Client::Resumable(_) => return Err(Error::internal("the session is of another dialect")),
        };
        self.tell_name(id, request);
        // Written outside the lock: it may be large.
        let text = BaseClient::encode(id, request, streamed);
        if text.len() > self.message_bytes {
            return Err(too_large(request, text.len(), self.message_bytes));
        }
        self.shared.call(id, text, streamed)?;
        Ok(Begun { id, pump: None, on_informational: None })
    }

    fn begin_resumable(&self, request: &mut Request) -> Result<Begun, Error> {
        let text = CallText::new(request);
        if text.len() > self.message_bytes {
            return Err(too_large(request, text.len(), self.message_bytes));
        }
        let has_upload = CallText::has_upload(request);
        let id = self.shared.call_resumable(text, has_upload)?;
        self.tell_name(id, request);
        let on_informational = request.on_informational.take();
        if !has_upload {
            return Ok(Begun { id, pump: None, on_informational });
        }
        let trailers = request.trailers.take();
        let pump = |length, stream| {
            Some(upload::pump(self.shared.clone(), id, Source { length, stream, trailers: trailers.clone() }))
        };
        let pump = match std::mem::take(&mut request.body) {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => {
                self.shared.upload(id, bytes);
                self.shared.finish_upload(id, upload::end(trailers.as_ref()));
                None
            }
            RequestBody::Stream { length, stream } => pump(length, stream),
            RequestBody::Recorded(body) => pump(body.length(), body.reader()),
        };
        Ok(Begun { id, pump, on_informational })
    }

    /// Whether the session is over, or about to be: it takes no more calls.
    pub fn is_over(&self) -> bool {
        self.shared.lock().over.is_some()
    }

    /// Closes and waits until the connection has ended, at most 2 s.
    pub async fn close(&self) {
        self.shared.with(|state| state.close("it was closed here"));
        let task = self.task.lock().expect("nothing panics while holding the handle").take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.with(|state| state.close("nobody needs it any more"));
    }
}

/// The machine of the dialect that the executor has chosen.
fn machine(connected: &Connected, config: &RemoteConfig) -> Result<Client, ConnectError> {
    match connected.dialect.as_deref() {
        None => Ok(Client::Base(BaseClient::new(connected))),
        Some(DIALECT) if config.dialect.offers_resumable() => {
            let window = |bytes: u64| bytes.clamp(*WINDOW_RANGE.start(), *WINDOW_RANGE.end());
            let message = limit(connected, "bodyMessageBytes", config.limits.body_message_bytes);
            Ok(Client::Resumable(ResumableClient::new(ClientConfig {
                window_bytes: window(config.limits.window_bytes as u64),
                server_window_bytes: window(connected.window_bytes.unwrap_or_default()),
                body_message_bytes: message.clamp(1, BODY_MESSAGE_BYTES),
                features: connected.features.and(Features::ALL),
                ends_uploads: connected.instance.is_some(),
            })))
        }
        Some(other) => Err(ConnectError::Refused(format!(
            "it chose the dialect {:?}, which was not offered",
            other.chars().take(32).collect::<String>()
        ))),
    }
}

/// What the executor says that it takes, or else what we do.
fn limit(connected: &Connected, name: &str, ours: usize) -> usize {
    connected.limit(name).map_or(ours, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Sent nevertheless, it would end the connection for everybody.
fn too_large(request: &Request, bytes: usize, limit: usize) -> Error {
    let body = request.body.length().unwrap_or_default();
    let word = if body > (bytes / 2) as u64 { detail::REQUEST_BODY } else { detail::HEADERS };
    let message =
        format!("the request is {bytes} bytes as a message, and the executor takes at most {limit}");
    Error::new(Kind::TooLarge, Blame::Caller, Retry::No, message).with_detail(word)
}
