//! Where connections come in: TCP, TLS over it, or a Unix socket.

mod proxied;
mod tls;
mod unix;
mod validity;

pub use tls::ServerTls;
pub(crate) use tls::{read_chain, read_key};
pub use validity::Validity;

use crate::{Arrival, NetStream, Networks, Peer, Refused, RefusedReason, accept};
use proxied::NoHeader;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    task::{Context, Poll, Waker},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UnixStream},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use unix::UnixSocket;

/// For whom a connection is that begins with these bytes, if they begin with a header of the PROXY protocol, and how long that
/// is. For the fuzz target.
pub fn proxy_header(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let mut rest = bytes;
    let source = {
        let mut reading = pin!(proxied::read(&mut rest));
        match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(source)) => source,
            _ => return None,
        }
    };
    Some((source, bytes.len() - rest.len()))
}

/// A socket that listens.
#[derive(Debug)]
pub struct Socket(Kind);

#[derive(Debug)]
enum Kind {
    Tcp { listener: TcpListener, address: SocketAddr, proxies: Networks },
    Unix(UnixSocket),
}

/// A connection that was accepted and of which nothing has been read.
#[derive(Debug)]
pub struct Incoming {
    stream: Raw,
    peer: Peer,
    /// Whether it is from something that says by the PROXY protocol for whom it connects.
    is_proxied: bool,
}

#[derive(Debug)]
enum Raw {
    Tcp(TcpStream),
    Unix { stream: UnixStream, welcome: bool },
}

impl Socket {
    /// Listens on this address. Port 0 picks one.
    ///
    /// # Errors
    ///
    /// The system's, if the address is taken or may not be used.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self(Kind::Tcp { listener, address, proxies: Networks::default() }))
    }

    /// A socket that listens already: whoever started this process has opened it, and it stays when this is dropped.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn inherited(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok(Self(Kind::Tcp { listener, address, proxies: Networks::default() }))
    }

    /// Expects connections from these networks to begin with a header of the PROXY protocol, version 1 or 2, which says for
    /// whom they are. From elsewhere such a header is refused. Nothing on a Unix socket.
    #[must_use]
    pub fn with_proxy_protocol(mut self, networks: Networks) -> Self {
        if let Kind::Tcp { proxies, .. } = &mut self.0 {
            *proxies = networks;
        }
        self
    }

    /// Listens on a Unix socket that it makes at `path`, for processes of this process's user and of those in
    /// `allowed_users`. Its mode is 0600; 0666 if there are other users, who are told apart by what the kernel says of them.
    ///
    /// A socket that is there already and on which nobody listens is replaced. The file is removed when this is dropped.
    ///
    /// # Errors
    ///
    /// If somebody listens there, if something else is there, or the system's.
    pub async fn unix(path: &Path, allowed_users: Vec<u32>) -> io::Result<Self> {
        UnixSocket::bind(path, allowed_users).await.map(|socket| Self(Kind::Unix(socket)))
    }

    /// The address; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp { address, .. } => Some(*address),
            Kind::Unix(_) => None,
        }
    }

    /// The path; `None` for TCP.
    pub fn path(&self) -> Option<PathBuf> {
        match &self.0 {
            Kind::Tcp { .. } => None,
            Kind::Unix(socket) => Some(socket.path().to_owned()),
        }
    }

    /// The next connection. Cancel safe.
    ///
    /// # Errors
    ///
    /// The system's, which may be of one connection only or for want of descriptors.
    pub async fn accept(&self) -> io::Result<Incoming> {
        match &self.0 {
            Kind::Tcp { listener, proxies, .. } => {
                let (stream, peer) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot set TCP_NODELAY");
                }
                let is_proxied = proxies.contains(peer.ip());
                Ok(Incoming { stream: Raw::Tcp(stream), peer: Peer::Tcp(peer), is_proxied })
            }
            Kind::Unix(socket) => {
                let (stream, peer, welcome) = socket.accept().await?;
                Ok(Incoming { stream: Raw::Unix { stream, welcome }, peer, is_proxied: false })
            }
        }
    }
}

impl Incoming {
    /// The other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The stream as it is, without TLS: for whoever says one last thing to it.
    pub fn into_plain(self) -> NetStream {
        match self.stream {
            Raw::Tcp(stream) => NetStream::Plain(stream),
            Raw::Unix { stream, .. } => NetStream::Unix(stream),
        }
    }

    /// Finds out who is there: by the PROXY protocol where that is expected, by the TLS handshake where there is TLS, by the
    /// kernel's word on a Unix socket.
    ///
    /// A peer that speaks HTTP where TLS is spoken is told so, and so is one that sends a PROXY header where none is expected,
    /// or none where one is. Cancel safe in that dropping it closes the stream.
    ///
    /// # Errors
    ///
    /// [`Refused`] if that fails or is not done by this time.
    pub async fn secure(self, tls: Option<&ServerTls>, by: Instant) -> Result<(NetStream, Arrival), Refused> {
        let peer = self.peer;
        let refused = |reason| Refused { peer, reason };
        let started = Instant::now();
        match self.stream {
            Raw::Unix { welcome: false, .. } => Err(refused(RefusedReason::User)),
            Raw::Unix { stream, .. } => Ok((NetStream::Unix(stream), peer.into())),
            Raw::Tcp(stream) => match timeout_at(by, introduce(stream, self.is_proxied, tls, peer)).await {
                Ok(done) => done,
                Err(_) => Err(refused(RefusedReason::Timeout(by - started))),
            },
        }
    }
}

/// What a PROXY header says, if one is expected, and then TLS.
async fn introduce(
    mut stream: TcpStream,
    is_proxied: bool,
    tls: Option<&ServerTls>,
    mut peer: Peer,
) -> Result<(NetStream, Arrival), Refused> {
    if is_proxied {
        match proxied::read(&mut stream).await {
            Ok(Some(client)) => peer = Peer::Tcp(client),
            Ok(None) => {}
            Err(why) => {
                let (code, text) = match why {
                    NoHeader::Missing => (
                        "proxy_header_missing",
                        "From this address a PROXY protocol header is expected, and none came: let the proxy send it \
                         (HAProxy: send-proxy-v2), or take its address out of proxy_protocol.",
                    ),
                    NoHeader::Malformed => (
                        "proxy_header_malformed",
                        "The PROXY protocol header is malformed, or of an unknown version.",
                    ),
                };
                return Err(Refused { peer, reason: refuse(stream, code, text).await });
            }
        }
    } else if proxied::begins(&stream).await {
        let text = "A PROXY protocol header came from an address of which none is expected: add the address to \
                    proxy_protocol, or do not let the proxy send it.";
        return Err(Refused { peer, reason: refuse(stream, "proxy_header_unexpected", text).await });
    }
    match tls {
        None => Ok((NetStream::Plain(stream), peer.into())),
        Some(tls) => shake_hands(stream, tls, peer).await.map_err(|reason| Refused { peer, reason }),
    }
}

/// Answers in plain HTTP whatever was to be spoken: who looks for the mistake finds it there.
async fn refuse(mut stream: TcpStream, code: &'static str, text: &'static str) -> RefusedReason {
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\nafield-refusal: {code}\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{text}"
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        accept::end(stream).await;
    }
    RefusedReason::Answered { status: 400, code, text: text.into(), came: None }
}

/// How a TLS handshake begins: with a record of the type `handshake`.
const HANDSHAKE: u8 = 22;

async fn shake_hands(
    mut stream: TcpStream,
    tls: &ServerTls,
    peer: Peer,
) -> Result<(NetStream, Arrival), RefusedReason> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {}
        Ok(1) => {
            const ANSWER: &[u8] =
                b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\nafield-refusal: not_tls\r\n\
                content-type: text/plain; charset=utf-8\r\ncontent-length: 58\r\n\r\n\
                This port speaks TLS: connect with wss:// and not with ws:";
            if stream.write_all(ANSWER).await.is_ok() {
                accept::end(stream).await;
            }
            return Err(RefusedReason::NotTls);
        }
        _ => return Err(RefusedReason::NoRequest),
    }
    let stream = TlsAcceptor::from(tls.config()).accept(stream).await.map_err(RefusedReason::Tls)?;
    let certificate = match stream.get_ref().1.peer_certificates() {
        None => None,
        Some(chain) => {
            let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
            let parsed = crate::ClientCertificate::parse(chain);
            Some(
                parsed
                    .map_err(|why| RefusedReason::Tls(io::Error::new(io::ErrorKind::InvalidData, why)))?
                    .into(),
            )
        }
    };
    Ok((NetStream::Tls(Box::new(stream.into())), Arrival { peer, certificate }))
}

/// Whether others than this machine can reach a listener on this address.
pub fn is_off_this_machine(ip: IpAddr) -> bool {
    !ip.to_canonical().is_loopback()
}
