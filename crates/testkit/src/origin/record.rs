use crate::wait::{Watched, within};
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How a connection to the origin ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer closed its side (FIN) between requests or while one was being served.
    PeerClosed,
    /// The peer reset the connection, or vanished while bytes were written to it.
    PeerReset,
    /// The origin closed: the request or the route asked for it, or the request was not HTTP.
    OriginClosed,
    /// TLS could not be agreed on; the text is rustls's reason.
    TlsFailed(String),
}

/// What TLS agreed on for a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// The server name the client sent, if any.
    pub server_name: Option<String>,
    /// The application protocol, `h2` for one.
    pub alpn: Option<String>,
    /// The protocol version, as rustls names it: `TLSv1_3`.
    pub version: Option<String>,
    /// How many certificates the client presented.
    pub client_certificates: usize,
}

/// How the serving of one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer was handed to the socket.
    Answered,
    /// The connection or the stream ended first: the peer closed, reset or cancelled.
    Abandoned,
}

/// One connection the origin accepted. A cheap handle to a live record.
#[derive(Clone)]
pub struct Connection {
    peer: SocketAddr,
    state: Arc<Watched<ConnectionState>>,
}

#[derive(Clone, Default)]
struct ConnectionState {
    ending: Option<Ending>,
    tls: Option<TlsInfo>,
    bytes_read: u64,
    requests: u64,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self { peer, state: Arc::new(Watched::new(ConnectionState::default())) }
    }

    pub(super) fn read(&self, bytes: usize) {
        self.state.update(|state| state.bytes_read += bytes as u64);
    }

    pub(super) fn requested(&self) {
        self.state.update(|state| state.requests += 1);
    }

    pub(super) fn secured(&self, info: TlsInfo) {
        self.state.update(|state| state.tls = Some(info));
    }

    pub(super) fn ended(&self, ending: Ending) {
        self.state.update(|state| {
            state.ending.get_or_insert(ending);
        });
    }

    /// The address at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// How many bytes were read from it: on the wire for HTTP/1.1, after decryption under TLS; 0 for HTTP/2.
    pub fn bytes_read(&self) -> u64 {
        self.state.read(|state| state.bytes_read)
    }

    /// How many requests came over it.
    pub fn requests(&self) -> u64 {
        self.state.read(|state| state.requests)
    }

    /// What TLS agreed on, once it has; `None` on a plain connection.
    pub fn tls(&self) -> Option<TlsInfo> {
        self.state.read(|state| state.tls.clone())
    }

    /// How it ended, `None` while it lives.
    pub fn ending(&self) -> Option<Ending> {
        self.state.read(|state| state.ending.clone())
    }

    /// Waits until it has ended, and says how.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = Ending> + '_ {
        within("the connection to the origin is closed", self.state.until(|state| state.ending.clone()))
    }

    /// Waits until at least `bytes` were read from it.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_bytes_read(&self, bytes: u64) -> impl Future<Output = ()> + '_ {
        let enough = move |state: &ConnectionState| (state.bytes_read >= bytes).then_some(());
        within(format_args!("the origin has read {bytes} bytes").to_string(), self.state.until(enough))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.read(|state| {
            f.debug_struct("Connection")
                .field("peer", &self.peer)
                .field("ending", &state.ending)
                .field("tls", &state.tls)
                .field("bytes_read", &state.bytes_read)
                .field("requests", &state.requests)
                .finish()
        })
    }
}

/// One request the origin received. A cheap handle to a live record.
#[derive(Clone, Debug)]
pub struct Request {
    inner: Arc<RequestInner>,
}

#[derive(Debug)]
struct RequestInner {
    connection: Connection,
    method: String,
    target: String,
    version: &'static str,
    headers: Vec<(String, Bytes)>,
    head: Bytes,
    state: Watched<RequestState>,
}

#[derive(Debug, Default)]
struct RequestState {
    body: Option<(u64, String)>,
    outcome: Option<Outcome>,
}

/// The parts of a request's head, as a protocol's server hands them over.
pub(super) struct HeadParts {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: &'static str,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) raw: Bytes,
}

impl Request {
    pub(super) fn new(connection: Connection, head: HeadParts) -> Self {
        let HeadParts { method, target, version, headers, raw } = head;
        let state = Watched::new(RequestState::default());
        Self {
            inner: Arc::new(RequestInner { connection, method, target, version, headers, head: raw, state }),
        }
    }

    pub(super) fn received(&self, length: u64, sha256: String) {
        self.inner.state.update(|state| state.body = Some((length, sha256)));
    }

    pub(super) fn ended(&self, outcome: Outcome) {
        self.inner.state.update(|state| {
            state.outcome.get_or_insert(outcome);
        });
    }

    /// The connection it came over.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// The method, as sent.
    pub fn method(&self) -> &str {
        &self.inner.method
    }

    /// The request target, as sent: path and query, or the absolute form.
    pub fn target(&self) -> &str {
        &self.inner.target
    }

    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub fn version(&self) -> &'static str {
        self.inner.version
    }

    /// Names and values as they stood on the wire (HTTP/1: same order and case, blanks around the value trimmed;
    /// HTTP/2: `host` stands for `:authority`).
    pub fn headers(&self) -> &[(String, Bytes)] {
        &self.inner.headers
    }

    /// The values of every header `name`, without regard to case.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers().iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &v[..]).collect()
    }

    /// The first value of header `name` as text, bytes that are not UTF-8 replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        self.values(name).first().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The head exactly as it came, the empty line included; empty for HTTP/2.
    pub fn raw_head(&self) -> &Bytes {
        &self.inner.head
    }

    /// The length and SHA-256 of its body, once wholly read.
    pub fn body(&self) -> Option<(u64, String)> {
        self.inner.state.read(|state| state.body.clone())
    }

    /// How it ended, `None` while it is being served.
    pub fn outcome(&self) -> Option<Outcome> {
        self.inner.state.read(|state| state.outcome)
    }

    /// Waits until its serving has ended, and says how: [`Outcome::Abandoned`] proves that a cancel came through.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_ended(&self) -> impl Future<Output = Outcome> + '_ {
        within("the request at the origin has ended", self.inner.state.until(|state| state.outcome))
    }

    /// Waits until its body has been wholly read: length and SHA-256.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_body(&self) -> impl Future<Output = (u64, String)> + '_ {
        within("the origin has read the request's body", self.inner.state.until(|state| state.body.clone()))
    }
}

/// Marks a request abandoned unless it was answered before this is dropped.
pub(super) struct Serving(pub(super) Request);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.ended(Outcome::Abandoned);
    }
}
