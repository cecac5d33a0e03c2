use super::record::{Connection, Ending, Request, TlsInfo};
use super::routes::{Shared, State};
use super::{http1, http2};
use crate::task::Owned;
use crate::wait::{Watched, within};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A running origin; its [module](crate::origin) lists the routes. Dropping it closes its listener and every connection.
pub struct Origin {
    address: SocketAddr,
    secure: bool,
    state: State,
    _accepting: Owned,
}

/// How an [`Origin`] is to listen.
#[derive(Clone)]
pub struct Builder {
    address: SocketAddr,
    receive_buffer: Option<u32>,
    tls: Option<Arc<rustls::ServerConfig>>,
    http2_prior_knowledge: bool,
}

impl Builder {
    /// Listens on this address of loopback (`127.0.0.1` unless told), on a port the system picks.
    pub fn ip(self, ip: impl Into<IpAddr>) -> Self {
        self.address(SocketAddr::new(ip.into(), 0))
    }

    /// Listens on exactly this address; needed only to take a port again that an earlier origin had.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Asks the system to hold about this many received bytes for the origin before the client must wait: what makes
    /// back-pressure visible with little data.
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Speaks TLS; where `h2` is negotiated by ALPN, HTTP/2.
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Speaks HTTP/2 over plain TCP, without negotiation.
    pub fn http2_prior_knowledge(mut self) -> Self {
        self.http2_prior_knowledge = true;
        self
    }

    /// Starts the origin on the current runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(self) -> io::Result<Origin> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(self.address)?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let state = State(Arc::new(Watched::new(Shared::default())));
        let secure = self.tls.is_some();
        let accepting = Owned::spawn(accept(listener, self, state.clone()));
        Ok(Origin { address, secure, state, _accepting: accepting })
    }
}

impl Origin {
    /// A plain HTTP/1.1 origin on `127.0.0.1`.
    ///
    /// # Panics
    ///
    /// When loopback cannot be bound.
    pub async fn start() -> Self {
        Self::builder().start().await.expect("loopback can be bound")
    }

    /// A plain HTTP/1.1 origin on `ip`, which must be of this machine: any `127.x.y.z`, or `::1`.
    ///
    /// # Panics
    ///
    /// When `ip` cannot be bound.
    pub async fn on(ip: &str) -> Self {
        let ip: IpAddr = ip.parse().expect("the test gives an IP address");
        Self::builder().ip(ip).start().await.expect("the address is of this machine")
    }

    /// An origin yet to be configured.
    pub fn builder() -> Builder {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Builder { address, receive_buffer: None, tls: None, http2_prior_knowledge: false }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of `path` (which begins with `/`), by address.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme(), self.address)
    }

    /// The URL of `path` under the name `host`, which the test makes resolve to this origin.
    pub fn url_as(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme(), self.port())
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Lets every request go on, now and later, that waits for this gate.
    pub fn open_gate(&self, name: &str) {
        self.state.open_gate(name);
    }

    /// How often `/count` ran for this key.
    pub fn executions(&self, key: &str) -> u64 {
        self.state.executions(key)
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> u64 {
        self.state.0.read(|shared| shared.accepted)
    }

    /// How many connections are open now.
    pub fn active_connections(&self) -> usize {
        self.state.0.read(|shared| shared.active)
    }

    /// How many requests were ever received, counted when their head is complete.
    pub fn received(&self) -> u64 {
        self.state.0.read(|shared| shared.received)
    }

    /// The latest 16,384 connections, oldest first.
    pub fn connections(&self) -> Vec<Connection> {
        self.state.0.read(|shared| shared.connections.iter().cloned().collect())
    }

    /// The latest 16,384 requests, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.state.0.read(|shared| shared.requests.iter().cloned().collect())
    }

    /// Waits for the `index`-th connection, counted from 0.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn connection(&self, index: usize) -> impl Future<Output = Connection> + '_ {
        let what = format!("connection {index} comes to the origin");
        within(what, self.state.0.until(move |shared| shared.connections.get(index).cloned()))
    }

    /// Waits for the `index`-th request, counted from 0: its head is complete, its body need not be.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn request(&self, index: usize) -> impl Future<Output = Request> + '_ {
        let what = format!("request {index} comes to the origin");
        within(what, self.state.0.until(move |shared| shared.requests.get(index).cloned()))
    }

    /// Waits until exactly `count` connections are open.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_active(&self, count: usize) -> impl Future<Output = ()> + '_ {
        let what = format!("the origin has {count} open connections");
        within(what, self.state.0.until(move |shared| (shared.active == count).then_some(())))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, builder: Builder, state: State) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, peer)) = listener.accept() => {
                let connection = Connection::new(peer);
                state.accept(connection.clone());
                connections.spawn(serve(stream, builder.clone(), connection, state.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, builder: Builder, connection: Connection, state: State) {
    let active = Active(state.clone());
    let ending = converse(stream, builder, &connection, &state).await;
    drop(active);
    connection.ended(ending);
}

async fn converse(stream: TcpStream, builder: Builder, connection: &Connection, state: &State) -> Ending {
    // Failing to turn off Nagle's algorithm costs time only.
    let _ = stream.set_nodelay(true);
    let Some(config) = builder.tls else {
        return match builder.http2_prior_knowledge {
            true => http2::serve(Box::pin(stream), connection, state).await,
            false => http1::serve(Box::pin(stream), connection, state).await,
        };
    };
    let stream = match TlsAcceptor::from(config).accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return Ending::TlsFailed(error.to_string()),
    };
    let session = stream.get_ref().1;
    let info = TlsInfo {
        server_name: session.server_name().map(str::to_owned),
        alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        version: session.protocol_version().map(|version| format!("{version:?}")),
        client_certificates: session.peer_certificates().map_or(0, <[_]>::len),
    };
    let http2 = info.alpn.as_deref() == Some("h2");
    connection.secured(info);
    match http2 {
        true => http2::serve(Box::pin(stream), connection, state).await,
        false => http1::serve(Box::pin(stream), connection, state).await,
    }
}

/// Counts a connection as open for as long as this lives.
struct Active(State);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.0.update(|shared| shared.active -= 1);
    }
}
