//! One request through each of: rmcp's own client, the transport from here, the transport from an executor.

use afield_client::{HttpClient, Local, Remote, RemoteConfig};
use afield_egress::EgressConfig;
use afield_exchange::detail;
use afield_executor::{Config, Executor, Listen};
use afield_mcp::{EventTooLarge, HttpTransport, TransportError};
use futures_util::StreamExt;
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, DiscoverRequest, InitializedNotification,
        PingRequest, RequestId,
    },
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use std::{collections::HashMap, fmt, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An executor in this process, and a transport from here and from there.
pub struct Places {
    pub local: HttpTransport,
    pub remote: HttpTransport,
    pub local_client: Arc<dyn HttpClient>,
    pub remote_client: Arc<dyn HttpClient>,
    _executor: JoinSet<()>,
}

impl Places {
    pub async fn start() -> Self {
        let config = Config { listen: Listen::Ws(([127, 0, 0, 1], 0).into()), ..Config::default() };
        let executor = Executor::bind(config).await.unwrap();
        let url = format!("ws://{}", executor.local_addr().unwrap());
        let mut running = JoinSet::new();
        running.spawn(executor.run(CancellationToken::new()));
        let local: Arc<dyn HttpClient> = Arc::new(Local::new(EgressConfig::default()).unwrap());
        let remote: Arc<dyn HttpClient> = Arc::new(Remote::connect(RemoteConfig::new(url)).await.unwrap());
        Self {
            local: HttpTransport::new(local.clone()),
            remote: HttpTransport::new(remote.clone()),
            local_client: local,
            remote_client: remote,
            _executor: running,
        }
    }

    /// Both, with their names.
    pub fn each(&self) -> [(&'static str, &HttpTransport); 2] {
        [("local", &self.local), ("remote", &self.remote)]
    }
}

/// rmcp's own client, as rmcp makes it.
pub fn reference() -> reqwest::Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redirects = reqwest::redirect::Policy::custom(|attempt| {
        let within = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
        match attempt.status().as_u16() {
            307 | 308 if within && attempt.previous().len() > 10 => attempt.error("too many"),
            307 | 308 if within => attempt.follow(),
            _ => attempt.stop(),
        }
    });
    reqwest::Client::builder().pool_max_idle_per_host(0).redirect(redirects).no_proxy().build().unwrap()
}

pub fn ping() -> ClientJsonRpcMessage {
    ClientJsonRpcMessage::request(ClientRequest::PingRequest(PingRequest::default()), RequestId::Number(7))
}

pub fn discover() -> ClientJsonRpcMessage {
    ClientJsonRpcMessage::request(
        ClientRequest::DiscoverRequest(DiscoverRequest::default()),
        RequestId::Number(7),
    )
}

pub fn initialized() -> ClientJsonRpcMessage {
    let notification = InitializedNotification { method: Default::default(), extensions: Default::default() };
    ClientJsonRpcMessage::notification(ClientNotification::InitializedNotification(notification))
}

/// One call that rmcp makes of its HTTP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Ping,
    PingInSession,
    Notify,
    Discover,
    DiscoverInSession,
    Get,
    GetInSession,
    Delete,
}

/// Everything that came of a call, as a text that two clients can be compared by.
pub async fn outcome<C>(client: &C, call: Call, url: &str) -> String
where
    C: StreamableHttpClient,
    C::Error: Told,
{
    let url: Arc<str> = url.into();
    let session = || Some(Arc::from("session-1"));
    let post = async |message, session| {
        posted(client.post_message(url.clone(), message, session, None, HashMap::new()).await).await
    };
    match call {
        Call::Ping => post(ping(), None).await,
        Call::PingInSession => post(ping(), session()).await,
        Call::Notify => post(initialized(), session()).await,
        Call::Discover => post(discover(), None).await,
        Call::DiscoverInSession => post(discover(), session()).await,
        Call::Get | Call::GetInSession => {
            let session = (call == Call::GetInSession).then(session).flatten();
            match client.get_stream(url.clone(), session, None, None, HashMap::new()).await {
                Ok(events) => format!("Stream {}", read(events).await),
                Err(error) => failure(&error),
            }
        }
        Call::Delete => {
            match client.delete_session(url.clone(), "session-1".into(), None, HashMap::new()).await {
                Ok(()) => "Done".to_owned(),
                Err(error) => failure(&error),
            }
        }
    }
}

pub async fn posted<E: Told>(result: Result<StreamableHttpPostResponse, StreamableHttpError<E>>) -> String {
    match result {
        Ok(StreamableHttpPostResponse::Sse(events, session)) => {
            format!("Sse {session:?} {}", read(events).await)
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => failure(&error),
    }
}

/// The events of a stream and how it ended.
pub async fn read(
    mut events: impl futures_util::Stream<Item = Result<sse_stream::Sse, SseError>> + Unpin,
) -> String {
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let failed = event.is_err();
        told.push(match event {
            Ok(event) => format!("{event:?}"),
            Err(SseError::Body(error)) if is_too_large(&*error) => "too large".to_owned(),
            Err(SseError::Body(_)) => "body failed".to_owned(),
            Err(error) => format!("{error:?}"),
        });
        if failed {
            break;
        }
    }
    format!("{told:?}")
}

/// Ours can be told by its type, rmcp's only by its text.
fn is_too_large(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<EventTooLarge>().is_some() || error.to_string().contains("exceeded the maximum size")
}

pub fn failure<E: Told>(error: &StreamableHttpError<E>) -> String {
    match error {
        StreamableHttpError::Client(error) => format!("Client({})", error.told()),
        error => format!("{error:?}"),
    }
}

/// What a client's own error amounts to.
pub trait Told: std::error::Error + Send + Sync + 'static {
    fn told(&self) -> String;
}

impl Told for TransportError {
    fn told(&self) -> String {
        match self {
            Self::Status(status) => format!("status {}", status.as_u16()),
            Self::Exchange(error) if error.detail() == Some(detail::TOO_MANY_REDIRECTS) => {
                "redirects".to_owned()
            }
            Self::Exchange(_) => "exchange".to_owned(),
            Self::Authorization(_) => "authorization".to_owned(),
        }
    }
}

impl Told for reqwest::Error {
    fn told(&self) -> String {
        match self.status() {
            Some(status) if self.is_status() => format!("status {}", status.as_u16()),
            _ if self.is_redirect() => "redirects".to_owned(),
            _ => "exchange".to_owned(),
        }
    }
}

/// A response that says its length.
pub fn response(status: impl fmt::Display, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} reason\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}
