//! A listening side with everything it has: a socket, perhaps TLS, and the acceptor. Its sockets send at once.

use crate::support::{NO_HOSTS, accept_one, acceptor, echo, soon};
use afield_exchange::Limits;
use afield_transport::{
    Accepted, Acceptor, Authenticate, DialConfig, NetStream, NoAuthentication, Readiness, Refused, ServerTls,
    Socket, TokenDigest, dial,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::Instant,
};

/// What became of each connection.
pub type Outcomes = mpsc::UnboundedReceiver<Result<afield_transport::Grant, Refused>>;

/// Accepts for ever, echoes, and says what became of each connection.
pub fn serve(socket: Socket, tls: Option<Arc<ServerTls>>, acceptor: Acceptor) -> Outcomes {
    let (say, outcomes) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let incoming = socket.accept().await.unwrap();
            let (tls, acceptor, say) = (tls.clone(), acceptor.clone(), say.clone());
            tokio::spawn(async move {
                let by = Instant::now() + acceptor.handshake();
                let accepted = match incoming.secure(tls.as_deref(), by).await {
                    Ok((stream, arrival)) => acceptor.accept_by(stream, arrival, by).await,
                    Err(refused) => Err(refused),
                };
                match accepted {
                    Ok(Accepted { connection, grant, .. }) => {
                        let _ = say.send(Ok(grant));
                        echo(connection).await;
                    }
                    Err(refused) => drop(say.send(Err(refused))),
                }
            });
        }
    });
    outcomes
}

/// A listener on loopback over TLS.
pub async fn tls_listener(tls: &Arc<ServerTls>, authenticate: impl Authenticate) -> (SocketAddr, Outcomes) {
    let socket = Socket::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = socket.address().unwrap();
    (address, serve(socket, Some(tls.clone()), acceptor(authenticate)))
}

/// Sends these bytes and reads the answer to its end.
pub async fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

/// Proves that what is accepted and what is dialled send small messages at once, as the sockets themselves say.
#[tokio::test]
async fn sockets_send_at_once() {
    let socket = Socket::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let config = DialConfig::new(format!("ws://{}", socket.address().unwrap()));
    let accepting = async {
        let (stream, arrival) = socket
            .accept()
            .await
            .unwrap()
            .secure(None, Instant::now() + Duration::from_secs(20))
            .await
            .unwrap();
        acceptor(NoAuthentication).accept(stream, arrival).await.unwrap().connection
    };
    let (accepted, dialled) = soon(async { tokio::join!(accepting, dial(&config)) }).await;
    for stream in [accepted.stream(), dialled.unwrap().stream()] {
        assert!(stream.tcp().unwrap().nodelay().unwrap());
        assert!(matches!(stream, NetStream::Plain(_)));
    }
}

/// Proves that a peer that fails to authenticate too often is told to wait, that one that has failed less often is not, that
/// who presents what is right is let in all the while, and that what was presented shows nowhere.
#[tokio::test]
async fn case_081_failures_are_limited_for_each_peer() {
    let acceptor = Acceptor::new(TokenDigest::of("right"), NO_HOSTS, Readiness::new(), &Limits::default());
    let mut statuses = Vec::new();
    for attempt in 0..24 {
        let token = if attempt == 0 || attempt == 22 { "right" } else { "canary" };
        let (address, accepting) = accept_one(acceptor.clone()).await;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        let status = String::from_utf8(answer[9..].to_vec()).unwrap();
        if status == "429" {
            let mut rest = String::new();
            soon(stream.read_to_string(&mut rest)).await.unwrap();
            assert!(rest.contains("retry-after: ") && !rest.contains("canary"), "{rest}");
        }
        drop(stream);
        if let Err(refused) = soon(accepting).await.unwrap() {
            let code = if status == "429" { "too_many_failures" } else { "credential_wrong" };
            assert_eq!(refused.reason.code(), code);
            assert!(!format!("{refused:?} {refused}").contains("canary"));
        }
        statuses.push(status);
    }
    assert_eq!(statuses[0], "101");
    assert!(statuses[1..21].iter().all(|status| status == "401"), "{statuses:?}");
    assert_eq!(statuses[21..], ["429", "101", "429"]);
}

/// Proves that a TLS hello on a port without TLS is answered and ended, and does not bring the listener down.
#[tokio::test]
async fn case_084_a_tls_hello_on_a_plain_port_is_ended() {
    let socket = Socket::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = socket.address().unwrap();
    let mut outcomes = serve(socket, None, acceptor(NoAuthentication));
    let answer = say(address, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03").await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{answer:?}");
    let refused = soon(outcomes.recv()).await.unwrap().unwrap_err();
    assert_eq!(refused.reason.code(), "not_http");
    assert!(soon(dial(&DialConfig::new(format!("ws://{address}")))).await.is_ok());
}

/// An acceptor with a short time for the whole upgrade.
pub fn hasty(authenticate: impl Authenticate) -> Acceptor {
    let limits = Limits { handshake: Duration::from_millis(200), ..Limits::default() };
    Acceptor::new(authenticate, NO_HOSTS, Readiness::new(), &limits)
}
