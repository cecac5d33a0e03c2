//! The remote implementation: exchanges performed by an executor, over a session.

mod backoff;
mod body;
mod call;
mod config;
mod connect;
mod deadline;
mod driver;
mod endpoint;
mod error;
mod keep;
mod link;
mod offered;
mod others;
mod passing;
mod program;
mod route;
mod session;
mod shared;
mod state;
mod upload;
mod whole;

pub use config::{Dialect, Endpoint, RemoteConfig};
pub use endpoint::{dial_executor, executor_certificate};
pub use error::ConnectError;
pub use offered::offered_servers;
pub use state::ConnectionState;

use crate::{Exchange, HttpClient};
use afield_exchange::{Buffered, Error, Head, Header, Phase, Request, Response, logged_host, logged_method};
use afield_protocol::{client::Connected, wire::Answer};
use body::Body;
use bytes::Bytes;
use call::Call;
use connect::Connector;
use deadline::Deadline;
use futures_util::TryFutureExt;
use keep::Keep;
use link::Link;
use std::{fmt, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{Instrument, Span, field::Empty};

/// Exchanges performed by an executor.
///
/// One connection carries all of them, concurrently. Clones share it; it closes when the last clone, exchange and body
/// is gone. What is spoken on it is settled when it begins: `afield/1` with executors that know it, else base.
///
/// # When the connection is lost
///
/// In `afield/1` exchanges go on: the executor keeps performing them, the client reconnects (at once, then after 100 ms
/// doubling up to 5 s, with jitter), and both ends bring each other in step. Nobody sees anything of it but
/// [`watch`](Self::watch)ers: no byte is lost or repeated, and no request is sent twice. That goes on for as long as the
/// executor keeps the session, 60 s by default, whatever stands in front of it answers meanwhile; when the executor says that
/// it is gone, the exchanges fail. Where another executor answers than the one that has the session, behind a load balancer or
/// since it was started again, the way back is sought for as long, and what begins meanwhile has a session of its own.
///
/// In base they fail at once. Either way: with kind `session_lost`, and `retry` is `safe` for those of which nothing was
/// sent, `unknown` for the others. Nothing is ever sent a second time. The next exchange connects anew; all that need a
/// connection at that time share one attempt and its outcome. A connection whose session another connection has taken
/// (close code 4001) is not replaced: exchanges fail until [`close`](Self::close) is called, since coming back would take
/// the session from its new owner, and so on for ever.
///
/// # Cancelling
///
/// Dropping an exchange or its body cancels it, through to the origin's socket, where the executor understands that. The
/// connection to another executor is replaced as soon as it is idle.
///
/// # Deadlines
///
/// [`Request::timeout`] counts from the call, so that waiting for a place and for a connection is part of it. The
/// executor keeps it; if the executor does not say so within 5 s, the exchange fails here.
///
/// # Limits
///
/// At most [`Limits::session_requests`](afield_exchange::Limits::session_requests) exchanges are under way; more wait. An
/// exchange counts until its body is read to the end or dropped.
///
/// In `afield/1` a request body is of any length, and is read from its stream as fast as the origin takes it; a response
/// body that is not read holds back its own origin and nobody else, at one window
/// ([`Limits::window_bytes`](afield_exchange::Limits::window_bytes)).
///
/// In base a request body is sent whole, of at most
/// [`Limits::buffered_body_bytes`](afield_exchange::Limits::buffered_body_bytes). A response body that is not read holds
/// the executor back while its exchange is the only one; beside others it is kept up to 16 MiB, then it fails, alone, with
/// kind `too_large` and detail `unread`.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    connector: Arc<Connector>,
    requests: Arc<Semaphore>,
    body_limit: usize,
}

impl Remote {
    /// A client that connects at its first exchange.
    pub fn new(config: RemoteConfig) -> Self {
        let most = config.limits.session_requests.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            requests: Arc::new(Semaphore::new(most)),
            body_limit: config.limits.buffered_body_bytes,
            connector: Arc::new(Connector::new(config)),
        }))
    }

    /// A client that is connected: the executor has answered `initialize`.
    ///
    /// Cancel safe: dropping the future closes what was opened.
    ///
    /// # Errors
    ///
    /// Whatever keeps the session from beginning within [`RemoteConfig::connect_timeout`].
    pub async fn connect(config: RemoteConfig) -> Result<Self, ConnectError> {
        let remote = Self::new(config);
        remote.ready().await?;
        Ok(remote)
    }

    /// Connects, unless there is a connection: [`connect`](Self::connect) for a client that is [watched](Self::watch) meanwhile.
    ///
    /// Cancel safe: dropping the future closes what was opened.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn ready(&self) -> Result<(), ConnectError> {
        if self.0.connector.present().is_none() {
            self.0.connector.connect().await?;
        }
        Ok(())
    }

    /// What the executor said of itself when the present connection began; `None` while there is none.
    pub fn connected(&self) -> Option<Connected> {
        self.0.connector.present().map(|link| link.connected.clone())
    }

    /// How the connection stands, from now on. The receiver's [`changed`](watch::Receiver::changed) waits for the next
    /// change; changes in quick succession may be seen as one.
    pub fn watch(&self) -> watch::Receiver<ConnectionState> {
        self.0.connector.watch()
    }

    /// Closes the connection, and ends what is under way on it with `session_lost`. Cancels that are queued are written
    /// first, requests that are queued are not. Takes at most 2 s. The next exchange connects anew.
    ///
    /// Cancel safe: once polled, the connection closes whether or not it is waited for.
    pub async fn close(&self) {
        let links = self.0.connector.take();
        futures_util::future::join_all(links.iter().map(|link| link.close())).await;
    }

    /// Sends the request. Everything up to there is under the caller's deadline, and none of it has touched the origin.
    async fn start(&self, request: Request, streamed: bool, span: Span) -> Result<Call, Error> {
        let deadline = Deadline::of(&request);
        let sent = deadline.before_sending(self.send(request, streamed, deadline, span)).await?;
        Ok(sent)
    }

    async fn send(
        &self,
        mut request: Request,
        streamed: bool,
        deadline: Deadline,
        span: Span,
    ) -> Result<Call, Error> {
        let permit = self.permit().await;
        let mut link = self.link_for(&mut request).await?;
        deadline.write_to(&mut request);
        // In base a call ends with its connection anyway.
        let keep = request.keep.filter(|_| link.is_resumable()).map(Keep::new);
        let begun = match link.begin(&mut request, streamed) {
            // It ended in this very moment: nothing was sent.
            Err(error) if link.is_over() => {
                drop(error);
                link = self.link_for(&mut request).await?;
                link.begin(&mut request, streamed)?
            }
            begun => begun?,
        };
        link.record(begun.id, &span);
        // What goes wrong with a body that is read whole is the exchange's own failure, and logged as such.
        let body_log = if streamed { span } else { Span::none() };
        Ok(Call::new(link, begun, deadline, keep, permit, body_log))
    }

    /// A connection for this request. In base its body must be whole before.
    async fn link_for(&self, request: &mut Request) -> Result<Arc<Link>, Error> {
        let link = self.0.connector.link().await?;
        if link.is_resumable() {
            return Ok(link);
        }
        whole::make_whole(request, self.0.body_limit).await?;
        // Executors of that family add codings of their own, decode them, and fail on slices.
        if !request.headers.iter().any(|header| header.is("accept-encoding")) {
            request.headers.push(Header::new("accept-encoding", "identity"));
        }
        // Reading it may have taken long.
        self.0.connector.link().await
    }

    /// What is logged about this request stands in this span. Session and id are known once it is sent.
    fn span(&self, request: &Request) -> Span {
        tracing::debug_span!(
            "request",
            executor = ?self.0.connector.config.endpoint,
            session = Empty,
            id = Empty,
            method = %logged_method(&request.method),
            host = %logged_host(&request.url),
        )
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        self.0.requests.clone().acquire_owned().await.expect("the semaphore of requests is never closed")
    }
}

impl HttpClient for Remote {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        let span = self.span(&request);
        let of_call = span.clone();
        let exchange = async move {
            let mut call = self.start(request, true, of_call).await?;
            let Answer { response, is_complete } = call.answer().await?.into_answer()?;
            let Buffered { head, body, trailers, .. } = response;
            if is_complete {
                return Ok(Response { head, body: Body::whole(body, trailers, call) });
            }
            Ok(Response { head, body: Body::of(call) })
        };
        Box::pin(exchange.inspect_err(log).instrument(span))
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        let span = self.span(&request);
        let of_call = span.clone();
        let exchange = async move {
            let mut call = self.start(request, false, of_call).await?;
            let Answer { response, is_complete } = call.answer().await?.into_answer()?;
            if is_complete {
                if let Some(call) = call.done() {
                    // Nothing but the end of its upload is still to come.
                    Body::of(call).collect(0).await?;
                }
            } else if call.is_resumable() {
                let (body, trailers) = collect(&response.head, call).await?;
                return Ok(Buffered::new(response.head, body).with_trailers(trailers));
            }
            Ok(response)
        };
        Box::pin(exchange.inspect_err(log).instrument(span))
    }
}

/// Logs that an exchange has failed: the only line about it at this end.
pub(crate) fn log(error: &Error) {
    let (kind, phase, hop) = (error.kind().as_str(), error.phase().map(Phase::as_str), error.hop());
    tracing::debug!(kind, phase, hop, detail = error.log(), %error, "a request failed");
}

/// Reads a body that follows its head, under the executor's limit on bodies that are read whole.
async fn collect(head: &Head, call: Call) -> Result<(Bytes, Vec<Header>), Error> {
    let limit = call.body_limit();
    let announced = head.header("content-length").and_then(|length| std::str::from_utf8(&length.value).ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(Error::response_body_too_large(limit as u64));
    }
    Body::of(call).collect_with_trailers(limit).await
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("config", &self.0.connector.config)
            .field("connected", &self.0.connector.present().is_some())
            .finish()
    }
}
