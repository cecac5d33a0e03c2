use super::connection::Peer;
use super::head;
use crate::socket::Socket;
use crate::wait::within;
use bytes::Bytes;
use rustls_pki_types::ServerName;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A WebSocket upgrade request in the making. Unless told it is a proper one, for `/`, with the address as `Host`.
#[derive(Clone)]
pub struct Upgrade {
    address: SocketAddr,
    from: Option<IpAddr>,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    raw: Option<Bytes>,
    receive_buffer: Option<u32>,
    tls: Option<(Arc<rustls::ClientConfig>, String)>,
}

impl Upgrade {
    /// A proper request to the server at `address`.
    pub fn to(address: SocketAddr) -> Self {
        let upgrade = Self {
            address,
            from: None,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            raw: None,
            receive_buffer: None,
            tls: None,
        };
        upgrade
            .header("Host", address.to_string())
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Uses another method than `GET`.
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// Asks for this path, query included.
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Adds a header, a second one of the same name included.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces every header of this name by one with this value.
    pub fn replace(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).header(name, value)
    }

    /// Leaves out every header of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// Adds `Authorization: Bearer token`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Sends exactly these bytes in place of a request.
    pub fn raw(mut self, bytes: impl Into<Bytes>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    /// Asks the system to hold about this many bytes that the peer has not read, so that the other side soon feels it
    /// when the peer does not read.
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Connects from this address of this machine.
    pub fn from(mut self, address: impl Into<IpAddr>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// Speaks TLS, expecting a certificate for `name`.
    pub fn tls(mut self, config: rustls::ClientConfig, name: &str) -> Self {
        self.tls = Some((Arc::new(config), name.to_owned()));
        self
    }

    /// Sends the request and, where it is granted, returns the open WebSocket.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the answer is not 101, or there is none.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn open(self) -> impl Future<Output = Result<Peer, Refused>> {
        within("the upgrade is answered", async move {
            let (socket, head, rest) = self.ask().await?;
            Ok(Peer::new(socket, Role::Client, head, rest).await)
        })
    }

    /// As [`open`](Self::open), but returns the bare TCP connection, past the 101 answer, for a test that reads and
    /// writes frames itself: one that never answers a ping, say. The second value is what came behind the answer.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); under TLS always.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn open_socket(self) -> impl Future<Output = Result<(TcpStream, Bytes), Refused>> {
        within("the upgrade is answered", async move {
            match self.ask().await? {
                (Socket::Plain(stream), _, rest) => Ok((stream, rest)),
                (Socket::Tls(_), ..) => {
                    Err(io::Error::other("a connection under TLS has no bare socket").into())
                }
            }
        })
    }

    async fn ask(self) -> Result<(Socket, String, Bytes), Refused> {
        let mut socket = self.connect().await?;
        socket.write_all(&self.request()).await?;
        socket.flush().await?;
        let (head, rest) = head::read(&mut socket).await?;
        match status(&head) {
            Some(101) => Ok((socket, head, rest)),
            status => {
                let length = head::header(&head, "content-length").and_then(|text| text.parse().ok());
                let mut body = rest.to_vec();
                let left = length.unwrap_or(u64::MAX).saturating_sub(body.len() as u64);
                // The status is what matters: a body cut short is shown as far as it came.
                let _ = socket.take(left).read_to_end(&mut body).await;
                Err(Refused { status, head, body, error: None })
            }
        }
    }

    async fn connect(&self) -> io::Result<Socket> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(address) = self.from {
            socket.bind((address, 0).into())?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some((config, name)) = &self.tls else { return Ok(Socket::Plain(stream)) };
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await?;
        Ok(Socket::Tls(Box::new(stream.into())))
    }

    fn request(&self) -> Bytes {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.into()
    }
}

fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

/// Why there is no WebSocket.
#[derive(Debug)]
pub struct Refused {
    status: Option<u16>,
    head: String,
    body: Vec<u8>,
    error: Option<io::Error>,
}

impl Refused {
    /// The status of the answer, `None` when the connection failed or was closed without one.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The first value of this header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        head::header(&self.head, name)
    }

    /// The body of the answer.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What went wrong where there was no answer.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self { status: None, head: String::new(), body: Vec::new(), error: Some(error) }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "the upgrade was not answered: {error}"),
            None => write!(f, "the upgrade was refused: {}{}", self.head, self.body.escape_ascii()),
        }
    }
}

impl std::error::Error for Refused {}
