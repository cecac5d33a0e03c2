use crate::{
    ReservedHeader, TransportError, answer::Answer, authorized, delete, get, login::Authorizer,
    opening::Openings, post, redirect, request::Common, sse::Oversized,
};
use afield_client::HttpClient;
use afield_exchange::{Header, Request};
use http::{HeaderName, HeaderValue};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;
use std::{collections::HashMap, fmt, pin::Pin, sync::Arc, time::Duration};

type Failure = StreamableHttpError<TransportError>;
type Fields = HashMap<HeaderName, HeaderValue>;
type Events = Pin<Box<dyn futures_core::Stream<Item = Result<Sse, SseError>> + Send>>;

/// Streamable HTTP for rmcp over any [`HttpClient`], for servers of either revision (2025-11-25 and 2026-07-28).
///
/// Cheap to clone; clones share the client.
///
/// # What an answer means
///
/// | answer | to a `POST` | to a `GET` | to a `DELETE` |
/// |---|---|---|---|
/// | 2xx with `text/event-stream` | `Sse` | the stream | done |
/// | 2xx with `application/json` | `Json` | the stream | done |
/// | 2xx with another type, or none | `UnexpectedContentType`; `Accepted` if no reply is due | `UnexpectedContentType` | done |
/// | 202, 204 | `Accepted` | by its type, as above | done |
/// | 401 with a challenge | `AuthRequired` | `AuthRequired` | `Client` |
/// | 403 with a challenge | `InsufficientScope` | `InsufficientScope` | `Client` |
/// | 404 | `SessionExpired`, where there was a session | `Client` | `Client` |
/// | 405 | as any 4xx | `ServerDoesNotSupportSse` | done |
/// | 429, 5xx | `HttpStatus` | `HttpStatus` | `Client` |
/// | 4xx, 5xx (not 401, 403, 429) with a JSON-RPC error | `Json` | as without | as without |
/// | any other 4xx | `UnexpectedServerResponse` | `Client` | `Client` |
/// | 4xx (not 401, 403) to `server/discover` without a session | `Json`, an error that says so | | |
///
/// `Client` holds a [`TransportError`]. Redirects by 307 and 308 within the origin are followed, at most 10 times; any
/// other redirect is the answer, as a 4xx would be to a `POST`.
///
/// # Order
///
/// After `notifications/initialized`, messages of the session wait until its stream is open, or refused, for at most 500 ms:
/// what a server says on a stream that is not open yet, many servers lose.
///
/// # Limits
///
/// rmcp's, on bytes as they come, before anything is parsed: an event over its limit ends the stream with
/// [`EventTooLarge`](crate::EventTooLarge), after the events before it; a JSON body over its limit is
/// `ResponseBodyTooLarge`; of the body of an error no more than the limit is read.
///
/// # Cancelling
///
/// Dropping a future or a stream cancels the exchange, through to the server's socket.
#[derive(Clone)]
pub struct HttpTransport {
    client: Arc<dyn HttpClient>,
    common: Arc<Common>,
    oversized: Oversized,
    openings: Openings,
    authorizer: Option<Authorizer>,
}

impl HttpTransport {
    /// A transport whose requests this client performs, without deadlines.
    pub fn new(client: Arc<dyn HttpClient>) -> Self {
        Self {
            client,
            common: Arc::default(),
            oversized: Oversized::default(),
            openings: Openings::default(),
            authorizer: None,
        }
    }

    /// Sends these fields with every MCP request, in place of any of the same name. They may name variables of the
    /// executor's ([`Header::env_var`]). Replaces those given before. OAuth requests go without them.
    ///
    /// # Errors
    ///
    /// `Accept`, `Mcp-Session-Id` and `Last-Event-ID` are the transport's own.
    pub fn with_headers(mut self, headers: Vec<Header>) -> Result<Self, ReservedHeader> {
        Arc::make_mut(&mut self.common).set_headers(headers)?;
        Ok(self)
    }

    /// Fails a request whose answer does not begin within this time of its being sent. Tools that answer late with plain
    /// JSON need it long.
    #[must_use]
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.common).head_timeout = Some(timeout);
        self
    }

    /// Fails an answer that pauses for longer than this. A stream that a server keeps alive with comments never does.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.common).idle_timeout = Some(timeout);
        self
    }

    /// Sends the server's token with every request to its origin that has no `Authorization` of its own, and renews it.
    ///
    /// A request that is refused for its token is sent once more with a new one: it was not executed. Where only a person
    /// can help, the refusal is the answer, as `AuthRequired` or `InsufficientScope`.
    #[must_use]
    pub fn with_authorizer(mut self, authorizer: Authorizer) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    pub(crate) fn authorizer(&self) -> Option<&Authorizer> {
        self.authorizer.as_ref()
    }

    pub(crate) fn client(&self) -> &dyn HttpClient {
        &*self.client
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    pub(crate) fn oversized(&self) -> &Oversized {
        &self.oversized
    }

    pub(crate) fn openings(&self) -> &Openings {
        &self.openings
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Failure> {
        // What somebody says himself stands (a configured field, or a token of the caller's).
        let own = request.headers.iter().any(|header| header.is("authorization"));
        let sent = match self.authorizer.as_ref().filter(|_| !own) {
            Some(authorizer) if authorizer.server().covers(&request.url) => {
                authorized::send(self.client(), authorizer, request).await
            }
            _ => redirect::send(self.client(), request).await.map_err(TransportError::from),
        };
        sent.map_err(StreamableHttpError::Client)
    }
}

impl From<Arc<dyn HttpClient>> for HttpTransport {
    fn from(client: Arc<dyn HttpClient>) -> Self {
        Self::new(client)
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("common", &self.common).finish_non_exhaustive()
    }
}

impl StreamableHttpClient for HttpTransport {
    type Error = TransportError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Fields,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let limits = StreamableHttpResponseLimits::default();
        post::post(self, uri, message, session_id, auth_header, custom_headers, limits).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Fields,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let mut limits = StreamableHttpResponseLimits::default();
        limits.max_sse_event_size = max_sse_event_size;
        post::post(self, uri, message, session_id, auth_header, custom_headers, limits).await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Fields,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        post::post(self, uri, message, session_id, auth_header, custom_headers, limits).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Fields,
    ) -> Result<(), Failure> {
        delete::delete(self, &uri, &session_id, auth_header, custom_headers).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Fields,
    ) -> Result<Events, Failure> {
        let limit = StreamableHttpResponseLimits::default().max_sse_event_size;
        get::get(self, uri, session_id, last_event_id, auth_header, custom_headers, limit).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Fields,
        max_sse_event_size: usize,
    ) -> Result<Events, Failure> {
        get::get(self, uri, session_id, last_event_id, auth_header, custom_headers, max_sse_event_size).await
    }
}
