use super::play::play;
use super::record::Connection;
use super::script::Script;
use crate::origin::Ending;
use crate::socket::Socket;
use crate::task::Owned;
use crate::wait::{Watched, within};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

type Connections = Arc<Watched<Vec<Connection>>>;

/// A running scripted origin. Dropping it closes its listener and every connection.
#[derive(Debug)]
pub struct RawOrigin {
    address: SocketAddr,
    secure: bool,
    connections: Connections,
    _accepting: Owned,
}

/// Which scripts a [`RawOrigin`] plays, and where.
#[derive(Clone, Default)]
pub struct Builder {
    ip: Option<IpAddr>,
    scripts: VecDeque<Script>,
    otherwise: Script,
    send_buffer: Option<u32>,
    receive_buffer: Option<u32>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Builder {
    /// The script of the next connection that has none yet: the first call gives that of the first connection.
    pub fn script(mut self, script: Script) -> Self {
        self.scripts.push_back(script);
        self
    }

    /// The script of all connections beyond those; unless told they are closed at once.
    pub fn otherwise(mut self, script: Script) -> Self {
        self.otherwise = script;
        self
    }

    /// Listens on this address of loopback, `127.0.0.1` unless told.
    pub fn ip(mut self, ip: impl Into<IpAddr>) -> Self {
        self.ip = Some(ip.into());
        self
    }

    /// Asks the system to hold about this many unread bytes, sent and received, so that back-pressure shows with
    /// little data.
    pub fn buffers(mut self, send: u32, receive: u32) -> Self {
        self.send_buffer = Some(send);
        self.receive_buffer = Some(receive);
        self
    }

    /// Speaks TLS; scripts then read and write what is inside.
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Starts the origin on the current runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(self) -> io::Result<RawOrigin> {
        let ip = self.ip.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let socket = if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(SocketAddr::new(ip, 0))?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let connections = Connections::new(Watched::new(Vec::new()));
        let secure = self.tls.is_some();
        let accepting = Owned::spawn(accept(listener, self, connections.clone()));
        Ok(RawOrigin { address, secure, connections, _accepting: accepting })
    }
}

impl RawOrigin {
    /// An origin yet to be told what to do.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A plain origin on `127.0.0.1` that plays `script` on every connection.
    ///
    /// # Panics
    ///
    /// When loopback cannot be bound.
    pub async fn always(script: Script) -> Self {
        Self::builder().otherwise(script).start().await.expect("loopback can be bound")
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

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> usize {
        self.connections.read(Vec::len)
    }

    /// Every connection so far, in the order of acceptance.
    pub fn connections(&self) -> Vec<Connection> {
        self.connections.read(Clone::clone)
    }

    /// Waits for the `index`-th connection, counted from 0.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn connection(&self, index: usize) -> impl Future<Output = Connection> + '_ {
        let what = format!("connection {index} comes to the raw origin");
        within(what, self.connections.until(move |all| all.get(index).cloned()))
    }
}

async fn accept(listener: TcpListener, mut builder: Builder, connections: Connections) {
    let mut playing = JoinSet::new();
    let otherwise = Arc::new(builder.otherwise);
    loop {
        tokio::select! {
            Ok((stream, peer)) = listener.accept() => {
                let connection = Connection::new(peer);
                connections.update(|all| all.push(connection.clone()));
                let script = builder.scripts.pop_front().map_or_else(|| otherwise.clone(), Arc::new);
                playing.spawn(serve(stream, builder.tls.clone(), script, connection));
            }
            Some(_) = playing.join_next() => {}
        }
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    script: Arc<Script>,
    connection: Connection,
) {
    // Failing to turn off Nagle's algorithm costs time only.
    let _ = stream.set_nodelay(true);
    let socket = match tls {
        None => Socket::Plain(stream),
        Some(config) => match TlsAcceptor::from(config).accept(stream).await {
            Ok(stream) => Socket::Tls(Box::new(stream.into())),
            Err(error) => return connection.ended(Ending::TlsFailed(error.to_string())),
        },
    };
    let ending = play(socket, &script, &connection).await;
    connection.ended(ending);
}
