use super::connection::Peer;
use super::head;
use crate::socket::Socket;
use crate::wait::within;
use bytes::Bytes;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A WebSocket server that accepts one connection each time the test says so.
pub struct PeerServer {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl PeerServer {
    /// Listens on `127.0.0.1`.
    ///
    /// # Panics
    ///
    /// When loopback cannot be bound.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback can be bound");
        let address = listener.local_addr().expect("the listener is bound");
        Self { listener, address, tls: None }
    }

    /// Speaks TLS.
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "wss" } else { "ws" }, self.address)
    }

    /// Accepts the next connection and its upgrade.
    ///
    /// # Panics
    ///
    /// When it is no upgrade, and after [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = Peer> + '_ {
        within("a client connects", async {
            let (mut socket, head, rest) = self.asked().await.expect("a client asks for an upgrade");
            let key = head::header(&head, "sec-websocket-key").expect("an upgrade has a key");
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                derive_accept_key(key.as_bytes())
            );
            socket.write_all(answer.as_bytes()).await.expect("the client is there");
            socket.flush().await.expect("the client is there");
            Peer::new(socket, Role::Server, head, rest).await
        })
    }

    /// Accepts the next connection, answers its upgrade with these bytes, and closes. Returns the request's head.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn answer_with(&self, bytes: impl Into<Bytes>) -> impl Future<Output = String> + '_ {
        let bytes = bytes.into();
        within("a client connects", async move {
            let (mut socket, head, _) = self.asked().await.expect("a client asks for an upgrade");
            socket.write_all(&bytes).await.expect("the client is there");
            // A client that is gone already cannot be told goodbye.
            let _ = socket.shutdown().await;
            head
        })
    }

    /// Accepts the next connection and does nothing with it.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn accept_socket(&self) -> impl Future<Output = TcpStream> + '_ {
        within("a client connects", async { self.listener.accept().await.expect("the listener works").0 })
    }

    async fn asked(&self) -> io::Result<(Socket, String, Bytes)> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut socket = match &self.tls {
            None => Socket::Plain(stream),
            Some(config) => {
                let stream = TlsAcceptor::from(config.clone()).accept(stream).await?;
                Socket::Tls(Box::new(stream.into()))
            }
        };
        let (head, rest) = head::read(&mut socket).await?;
        Ok((socket, head, rest))
    }
}
