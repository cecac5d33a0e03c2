//! Who comes, by whose word, and how many.

use super::support::soon;
use afield_exchange::{Budget, Limits};
use afield_transport::{
    AcceptOptions, Accepted, Acceptor, Networks, Peer, Principal, Readiness, Refused, Socket, TokenDigest,
    Tokens,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x7f\0\0\x01\x12\x34\0\x50";

/// A listener that says who was let in from where, and why others were not.
struct Door {
    address: SocketAddr,
    outcomes: UnboundedReceiver<Result<(Peer, Principal), Refused>>,
}

async fn door(acceptor: Acceptor, proxies: &[&str]) -> Door {
    let proxies = Networks::parse(proxies).unwrap();
    let socket = Socket::tcp(([127, 0, 0, 1], 0).into()).await.unwrap().with_proxy_protocol(proxies);
    let address = socket.address().unwrap();
    let (say, outcomes) = unbounded_channel();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let incoming = socket.accept().await.unwrap();
            let by = Instant::now() + Duration::from_secs(20);
            let accepted = match incoming.secure(None, by).await {
                Ok((stream, arrival)) => acceptor.accept_by(stream, arrival, by).await,
                Err(refused) => Err(refused),
            };
            let _ = say.send(accepted.map(|accepted| {
                let Accepted { grant, peer, .. } = &accepted;
                let who = (*peer, grant.principal.clone());
                kept.push(accepted);
                who
            }));
        }
    });
    Door { address, outcomes }
}

impl Door {
    /// Sends these bytes from this address, then an upgrade with this token and these fields; yields the answer's status and
    /// what the listener made of it.
    async fn knock(
        &mut self,
        from: &str,
        first: &[u8],
        token: &str,
        fields: &str,
    ) -> (String, Result<(Peer, Principal), Refused>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let mut stream: TcpStream = soon(socket.connect(self.address)).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\n{fields}\r\n"
        );
        stream.write_all(&[first, request.as_bytes()].concat()).await.unwrap();
        let mut status = vec![0; 12];
        soon(stream.read_exact(&mut status)).await.unwrap();
        drop(stream);
        let outcome = soon(self.outcomes.recv()).await.unwrap();
        (String::from_utf8(status[9..].to_vec()).unwrap(), outcome)
    }
}

fn acceptor(options: AcceptOptions) -> Acceptor {
    let token = TokenDigest::of("right").with_principal(Principal::token("ci"));
    Acceptor::with_options(token, [""; 0], Readiness::new(), &Limits::default(), options)
}

/// Proves that the right token is let in 40 of 40 times from an address from which others fail all the time (case 142).
#[tokio::test]
async fn case_142_the_right_token_is_let_in_whoever_fails_beside_it() {
    let mut door = door(acceptor(AcceptOptions::default()), &[]).await;
    let mut refused = Vec::new();
    for _ in 0..22 {
        refused.push(door.knock("127.0.0.1", b"", "wrong", "").await.0);
    }
    assert_eq!(refused[19..], ["401", "429", "429"]);
    for _ in 0..40 {
        assert_eq!(door.knock("127.0.0.1", b"", "", "").await.0, "429");
        assert_eq!(door.knock("127.0.0.1", b"", "right", "").await.0, "101");
    }
}

/// Proves that clients whose shared token was revoked shut out nobody who has another, at one address (case 143).
#[tokio::test]
async fn case_143_a_revoked_token_shuts_out_nobody_else() {
    let one = |name: &str| TokenDigest::of(name).with_principal(Principal::token(name));
    let tokens = Arc::new(Tokens::new(vec![one("shared"), one("own")], None).unwrap());
    let acceptor = Acceptor::new(tokens.clone(), [""; 0], Readiness::new(), &Limits::default());
    let mut door = door(acceptor, &[]).await;
    assert_eq!(door.knock("127.0.0.1", b"", "shared", "").await.0, "101");
    tokens.replace(vec![one("own")]).unwrap();
    for _ in 0..30 {
        assert_ne!(door.knock("127.0.0.1", b"", "shared", "").await.0, "101");
        assert_eq!(door.knock("127.0.0.1", b"", "own", "").await.0, "101");
    }
}

/// Proves that a PROXY header of either version says who the client is where it is expected, and is refused with what to set
/// where it is not; and that where one is expected and none comes, that is said (case 144).
#[tokio::test]
async fn case_144_a_proxy_header_is_believed_where_it_is_expected() {
    let mut door = door(acceptor(AcceptOptions::default()), &["127.0.0.2"]).await;
    for (header, address) in
        [(b"PROXY TCP4 192.0.2.1 127.0.0.1 4660 80\r\n".as_slice(), "192.0.2.1:4660"), (V2, "192.0.2.1:4660")]
    {
        let (status, outcome) = door.knock("127.0.0.2", header, "right", "").await;
        assert_eq!((status.as_str(), outcome.unwrap().0.to_string().as_str()), ("101", address));
        let (status, outcome) = door.knock("127.0.0.1", header, "right", "").await;
        let refused = outcome.unwrap_err();
        assert_eq!((status.as_str(), refused.reason.code()), ("400", "proxy_header_unexpected"));
        assert!(refused.to_string().contains("proxy_protocol"), "{refused}");
    }
    let (status, outcome) = door.knock("127.0.0.2", b"", "right", "").await;
    assert_eq!((status.as_str(), outcome.unwrap_err().reason.code()), ("400", "proxy_header_missing"));
    let (status, outcome) = door.knock("127.0.0.1", b"", "right", "").await;
    assert_eq!(status, "101");
    assert!(matches!(outcome.unwrap().0, Peer::Tcp(address) if address.ip().is_loopback()));
}

/// Proves that failures count for the client that a trusted proxy names, that others may name whom they like, and that what
/// the audit is told is the client (case 144).
#[tokio::test]
async fn case_144_a_trusted_proxy_says_who_fails() {
    let trusted_proxies = Networks::parse(["127.0.0.2"]).unwrap();
    let mut door = door(acceptor(AcceptOptions { trusted_proxies, places: None }), &[]).await;
    let fields = |client: &str| format!("X-Forwarded-For: 203.0.113.1, {client}\r\n");
    for at in 0..21 {
        let (status, outcome) = door.knock("127.0.0.2", b"", "wrong", &fields("192.0.2.1")).await;
        assert_eq!(status, if at < 20 { "401" } else { "429" });
        assert_eq!(outcome.unwrap_err().peer.to_string(), "192.0.2.1");
    }
    assert_eq!(door.knock("127.0.0.2", b"", "wrong", &fields("192.0.2.2")).await.0, "401");
    assert_eq!(door.knock("127.0.0.2", b"", "wrong", "Forwarded: for=192.0.2.1\r\n").await.0, "429");
    let (_, outcome) = door.knock("127.0.0.2", b"", "right", "Forwarded: for=192.0.2.9\r\n").await;
    assert_eq!(outcome.unwrap().0.to_string(), "192.0.2.9");
    for _ in 0..21 {
        let (_, outcome) = door.knock("127.0.0.3", b"", "wrong", &fields("192.0.2.2")).await;
        assert!(outcome.unwrap_err().peer.to_string().starts_with("127.0.0.3:"));
    }
    assert_eq!(door.knock("127.0.0.2", b"", "wrong", &fields("192.0.2.2")).await.0, "401");
}

/// Proves that who has all the connections that are its share is told so before the upgrade, and that another is let in
/// (case 140).
#[tokio::test]
async fn case_140_a_principal_has_its_share_of_connections() {
    let one = |name: &str| TokenDigest::of(name).with_principal(Principal::token(name));
    let tokens = Tokens::new(vec![one("greedy"), one("other")], None).unwrap();
    let budget = Budget::new(8, 2);
    let shares = [budget.share(), budget.share()];
    let places = move |principal: &Principal| shares[usize::from(principal.name() == "other")].take(1).ok();
    let options = AcceptOptions { places: Some(Arc::new(places)), ..AcceptOptions::default() };
    let acceptor = Acceptor::with_options(tokens, [""; 0], Readiness::new(), &Limits::default(), options);
    let mut door = door(acceptor, &[]).await;
    for at in 0..8 {
        let (status, outcome) = door.knock("127.0.0.1", b"", "greedy", "").await;
        assert_eq!(status, if at < 6 { "101" } else { "503" });
        if let Err(refused) = outcome {
            assert_eq!(refused.reason.code(), "too_many_connections");
        }
    }
    for _ in 0..2 {
        assert_eq!(door.knock("127.0.0.1", b"", "other", "").await.0, "101");
    }
}
