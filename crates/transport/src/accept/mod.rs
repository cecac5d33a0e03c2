//! The server's side of the upgrade.

mod forwarded;
mod host;
mod readiness;
mod refused;
mod rules;

pub use readiness::Readiness;
pub use refused::{Refused, RefusedReason};
pub(crate) use rules::{REFUSAL, lists};

use crate::{
    Networks, Role, WebSocket,
    access::{Arrival, Authenticate, Failures, Grant, Peer, Principal},
};
use afield_exchange::{Limits, Permit};
use bytes::{Bytes, BytesMut};
use host::AllowedHosts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rules::{Verdict, judge};
use std::{
    convert::Infallible,
    fmt,
    future::{poll_fn, ready},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

/// The most a request head may take: a token of some kilobytes fits.
const HEAD_BYTES: usize = 16 * 1024;

/// How long, at most, a refused peer is listened to so that it can read why.
const LINGER: Duration = Duration::from_secs(1);

/// Turns accepted streams into WebSockets. Cheap to clone.
///
/// Before the upgrade it refuses any path but `/` (404), any `Origin` header (403: browsers send it, orchestrators do
/// not), a `Host` that is neither an IP address, nor `localhost`, nor allowed by name (403; missing or repeated: 400),
/// a query string, what is not an upgrade to WebSocket version 13 (400, 426), and what [`Authenticate`] does not accept
/// (401). What is presented is always looked at: a peer whose credential is right is let in, however many from its address
/// have failed. One that fails too often gets 429 and `Retry-After` in the place of 401: 20 failures, and one more every 3 s,
/// for each IPv4 address, each IPv6 network of 64 bits, each local user. `GET /readyz` is exempt from all of that and gets
/// 200, or 503 while draining.
#[derive(Clone)]
pub struct Acceptor(Arc<Inner>);

struct Inner {
    authenticate: Box<dyn Authenticate>,
    hosts: AllowedHosts,
    readiness: Readiness,
    failures: Failures,
    handshake: Duration,
    message_bytes: usize,
    options: AcceptOptions,
}

/// What an [`Acceptor`] may be told besides.
#[derive(Clone, Default)]
pub struct AcceptOptions {
    /// Proxies that are believed when they say, in `X-Forwarded-For` or `Forwarded`, for whom they ask.
    pub trusted_proxies: Networks,
    /// Gives whoever has said who it is a place among the connections of its principal; without one it gets 503. Unless
    /// given, there are places for all.
    pub places: Option<Places>,
}

/// Gives a principal's connection its place, which is given back when it is dropped.
pub type Places = Arc<dyn Fn(&Principal) -> Option<Permit> + Send + Sync>;

/// A connection whose peer has been let in.
#[derive(Debug)]
pub struct Accepted<S> {
    /// The connection.
    pub connection: WebSocket<S>,
    /// Who the peer is, and until when.
    pub grant: Grant,
    /// Where it is.
    pub peer: Peer,
    /// Its place among the connections of its principal, where there are places.
    pub place: Option<Permit>,
}

impl Acceptor {
    /// An acceptor with `limits.handshake` for the whole upgrade and `limits.message_bytes` for one message.
    /// `hosts` are the names by which this executor may be addressed, beyond IP addresses and `localhost`.
    pub fn new(
        authenticate: impl Authenticate,
        hosts: impl IntoIterator<Item = impl AsRef<str>>,
        readiness: Readiness,
        limits: &Limits,
    ) -> Self {
        Self::with_options(authenticate, hosts, readiness, limits, AcceptOptions::default())
    }

    /// As [`new`](Self::new), and with these options.
    pub fn with_options(
        authenticate: impl Authenticate,
        hosts: impl IntoIterator<Item = impl AsRef<str>>,
        readiness: Readiness,
        limits: &Limits,
        options: AcceptOptions,
    ) -> Self {
        Self(Arc::new(Inner {
            authenticate: Box::new(authenticate),
            hosts: AllowedHosts::new(hosts),
            readiness,
            failures: Failures::default(),
            handshake: limits.handshake,
            message_bytes: limits.message_bytes,
            options,
        }))
    }

    /// How long the whole upgrade may take, TLS included.
    pub fn handshake(&self) -> Duration {
        self.0.handshake
    }

    /// Reads one HTTP request from `stream` and answers it: with the upgrade, or with a refusal and the end.
    ///
    /// Takes at most `limits.handshake`, and a second more for a peer that is refused. Cancel safe in that dropping it
    /// closes the stream.
    ///
    /// # Errors
    ///
    /// [`Refused`] when no WebSocket came of it; an answered readiness probe is one too.
    pub async fn accept<S>(&self, stream: S, arrival: impl Into<Arrival>) -> Result<Accepted<S>, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // A deadline beyond what the clock can express is as good as a day.
        let now = Instant::now();
        let by = now.checked_add(self.0.handshake).unwrap_or(now + Duration::from_secs(86_400));
        self.accept_by(stream, arrival, by).await
    }

    /// [`accept`](Self::accept) by this time: for streams that have used up some of theirs.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn accept_by<S>(
        &self,
        stream: S,
        arrival: impl Into<Arrival>,
        by: Instant,
    ) -> Result<Accepted<S>, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let arrival = arrival.into();
        let peer = arrival.peer;
        let refused = |reason| Refused { peer, reason };
        let verdict: Mutex<Option<(Peer, Outcome)>> = Mutex::new(None);
        let mut upgrade =
            http1::Builder::new().header_read_timeout(None).max_buf_size(HEAD_BYTES).serve_connection(
                TokioIo::new(stream),
                service_fn(|request: Request<Incoming>| {
                    let arrival = self.by_its_word(&request, &arrival);
                    let (response, outcome) = self.answer(&request, &arrival);
                    let mut verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner);
                    *verdict = Some((arrival.peer, outcome));
                    ready(Ok::<_, Infallible>(response))
                }),
            );
        let served = timeout_at(by, poll_fn(|cx| upgrade.poll_without_shutdown(cx)))
            .await
            .map_err(|_| refused(RefusedReason::Timeout(self.0.handshake)))?;
        let (stream, read_ahead) = {
            let parts = upgrade.into_parts();
            (parts.io.into_inner(), BytesMut::from(parts.read_buf))
        };
        let verdict = verdict.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (served, verdict) {
            (Ok(()), Some((peer, Ok((grant, place))))) => {
                let connection = WebSocket::new(stream, read_ahead, Role::Server, self.0.message_bytes);
                Ok(Accepted { connection, grant, peer, place })
            }
            (Ok(()), Some((peer, Err(reason)))) => {
                end(stream).await;
                Err(Refused { peer, reason })
            }
            (Ok(()), None) => Err(refused(RefusedReason::NoRequest)),
            (Err(error), _) => {
                end(stream).await;
                Err(refused(RefusedReason::NotHttp(error)))
            }
        }
    }

    /// Answers 503 without reading a request: for a connection over the limit on connections.
    pub async fn turn_away<S>(&self, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
            afield-refusal: too_many_connections\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 51\r\n\r\n\
            This executor has all the connections it can serve.";
        if let Ok(Ok(())) = timeout(LINGER, stream.write_all(ANSWER)).await {
            end(stream).await;
        }
    }

    /// Where the peer is, by the word of a proxy in front that is believed.
    fn by_its_word(&self, request: &Request<Incoming>, arrival: &Arrival) -> Arrival {
        let mut arrival = arrival.clone();
        if let Peer::Tcp(address) = arrival.peer
            && let Some(client) =
                forwarded::client(request.headers(), address.ip(), &self.0.options.trusted_proxies)
        {
            arrival.peer = Peer::Tcp(SocketAddr::new(client, 0));
        }
        arrival
    }

    fn answer(&self, request: &Request<Incoming>, arrival: &Arrival) -> (Response<Full<Bytes>>, Outcome) {
        let inner = &*self.0;
        let verdict = judge(request, arrival, inner);
        let response = verdict.response();
        let outcome = match verdict {
            Verdict::Upgrade { grant, place, .. } => Ok((grant, place)),
            Verdict::Probe { .. } => Err(RefusedReason::Probe),
            Verdict::Refuse(refusal) => Err(RefusedReason::Answered {
                status: refusal.status.as_u16(),
                code: refusal.code,
                text: refusal.text,
                came: refusal.came,
            }),
        };
        (response, outcome)
    }
}

/// Who was let in, with its place; or why nobody was.
type Outcome = Result<(Grant, Option<Permit>), RefusedReason>;

/// Ends a stream whose peer has been answered. Closing it with input unread would reset it and could take the answer away.
pub(crate) async fn end<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let farewell = async {
        stream.shutdown().await?;
        let mut discarded = [0; 4096];
        while stream.read(&mut discarded).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(LINGER, farewell).await;
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("hosts", &self.0.hosts)
            .field("readiness", &self.0.readiness)
            .finish_non_exhaustive()
    }
}
