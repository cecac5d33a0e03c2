//! Servers, pairs and the small things every test needs.

use afield_exchange::Limits;
use afield_transport::{
    Accepted, Acceptor, Authenticate, Closed, Connection, Message, Readiness, Received, Refused, Role,
    WebSocket,
};
use bytes::{Bytes, BytesMut};
use std::{
    net::SocketAddr,
    sync::Once,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

pub const NO_HOSTS: [&str; 0] = [];

/// Far more than anything here takes: it turns a hang into a failure.
pub const HANG: Duration = Duration::from_secs(60);

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(HANG, future).await.expect("the test hangs")
}

pub fn text(text: &str) -> Message {
    Message::Text(Bytes::copy_from_slice(text.as_bytes()))
}

pub fn binary(length: usize) -> Message {
    Message::Binary((0..length).map(|at| ((at * 31) >> 3) as u8).collect::<Vec<_>>().into())
}

pub fn acceptor(authenticate: impl Authenticate) -> Acceptor {
    Acceptor::new(authenticate, NO_HOSTS, Readiness::new(), &Limits::default())
}

/// Two ends of one TCP connection over loopback: the one that dialled and the one that accepted.
pub async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap().0);
    dialled.set_nodelay(true).unwrap();
    accepted.set_nodelay(true).unwrap();
    (dialled, accepted)
}

/// A WebSocket of this role with this message limit, and the bare socket of its peer.
pub async fn with_raw_peer(role: Role, message_bytes: usize) -> (WebSocket<TcpStream>, TcpStream) {
    let (raw, ours) = tcp_pair().await;
    (WebSocket::new(ours, BytesMut::new(), role, message_bytes), raw)
}

/// A client and a server.
pub async fn pair(message_bytes: usize) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let (dialled, accepted) = tcp_pair().await;
    (
        WebSocket::new(dialled, BytesMut::new(), Role::Client, message_bytes),
        WebSocket::new(accepted, BytesMut::new(), Role::Server, message_bytes),
    )
}

/// Accepts one connection; the address is to be dialled.
pub async fn accept_one(
    acceptor: Acceptor,
) -> (SocketAddr, tokio::task::JoinHandle<Result<Accepted<TcpStream>, Refused>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        acceptor.accept(stream, peer).await
    });
    (address, accepting)
}

/// The next message; anything else fails the test.
pub async fn message(connection: &mut impl Connection) -> Message {
    match soon(connection.receive()).await {
        Ok(Received::Message(message)) => message,
        other => panic!("a message was expected, not {other:?}"),
    }
}

/// Receives until the end.
pub async fn end_of(connection: &mut impl Connection) -> Closed {
    loop {
        if let Err(closed) = soon(connection.receive()).await {
            return closed;
        }
    }
}

/// Echoes until the end, then says goodbye.
pub async fn echo(mut connection: impl Connection) {
    while let Ok(received) = connection.receive().await {
        if let Received::Message(message) = received
            && connection.send_all(message).await.is_err()
        {
            break;
        }
    }
    let _ = timeout(Duration::from_secs(5), connection.closed()).await;
}

/// Polls once, without a task.
pub fn poll_now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

/// Chooses the TLS provider of this process.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
