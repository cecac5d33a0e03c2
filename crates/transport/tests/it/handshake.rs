use crate::{
    raw,
    support::{NO_HOSTS, accept_one, acceptor, message, soon, text},
};
use afield_exchange::Limits;
use afield_transport::{
    Acceptor, Message, NoAuthentication, Principal, Readiness, RefusedReason, TokenDigest,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
    time::{Instant, sleep},
};

const TOKEN: &str = "canary-7f3a";

/// An upgrade request that is accepted, in lines.
const GOOD: [&str; 5] = [
    "Host: 127.0.0.1",
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// What came back for a request: the status, the whole answer, and what `accept` made of it.
struct Answer {
    status: u16,
    text: String,
    outcome: String,
}

/// Sends `line` and the headers, and reads the answer to its end; an upgrade is read to the end of its head.
async fn ask(acceptor: Acceptor, line: &str, headers: &[&str]) -> Answer {
    let request = format!("{line}\r\n{}\r\n\r\n", headers.join("\r\n"));
    send(acceptor, request.as_bytes()).await
}

async fn send(acceptor: Acceptor, request: &[u8]) -> Answer {
    let (address, accepting) = accept_one(acceptor).await;
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let mut answer = Vec::new();
    let reading = async {
        while !(answer.starts_with(b"HTTP/1.1 101") && answer.ends_with(b"\r\n\r\n")) {
            if read.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    // A peer that is refused early may not take the whole request.
    let (_, ()) = soon(async { tokio::join!(write.write_all(request), reading) }).await;
    drop((read, write));
    let outcome = match soon(accepting).await.unwrap() {
        Ok(accepted) => format!("accepted {}", accepted.grant.principal),
        Err(refused) => refused.to_string(),
    };
    let text = String::from_utf8(answer).unwrap();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, text, outcome }
}

fn with<'a>(headers: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [headers, more].concat()
}

fn without<'a>(name: &str) -> Vec<&'a str> {
    GOOD.into_iter().filter(|header| !header.starts_with(name)).collect()
}

/// Proves that a correct upgrade is accepted, with the accept key of RFC 6455's own example.
#[tokio::test]
async fn a_correct_upgrade_is_accepted() {
    let answer = ask(acceptor(NoAuthentication), "GET / HTTP/1.1", &GOOD).await;
    assert_eq!(answer.status, 101, "{}", answer.text);
    assert!(
        answer.text.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("connection: Upgrade\r\n"), "strict clients take no other: {}", answer.text);
    assert!(!answer.text.contains("sec-websocket-extensions"), "{}", answer.text);
    assert_eq!(answer.outcome, "accepted anonymous");
}

/// Proves that a message sent along with the upgrade request, before its answer, is not lost.
#[tokio::test]
async fn what_comes_right_behind_the_upgrade_request_is_received() {
    let (address, accepting) = accept_one(acceptor(NoAuthentication)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = format!("GET / HTTP/1.1\r\n{}\r\n\r\n", GOOD.join("\r\n")).into_bytes();
    bytes.extend(raw::client_frame(raw::TEXT, b"early"));
    stream.write_all(&bytes).await.unwrap();
    let mut accepted = soon(accepting).await.unwrap().unwrap();
    assert_eq!(message(&mut accepted.connection).await, text("early"));
}

/// Proves that no web page can use an executor: any `Origin` is refused, the token notwithstanding.
#[tokio::test]
async fn case_079_any_origin_is_refused() {
    for origin in ["Origin: https://evil.test", "Origin: null", "Origin: http://127.0.0.1", "origin:"] {
        let authorization = format!("Authorization: Bearer {TOKEN}");
        let headers = with(&GOOD, &[origin, &authorization]);
        let answer = ask(acceptor(TokenDigest::of(TOKEN)), "GET / HTTP/1.1", &headers).await;
        assert_eq!(answer.status, 403, "{origin}: {}", answer.text);
        assert!(answer.outcome.contains("403"), "{}", answer.outcome);
    }
}

/// Proves that a foreign name leading here is refused, and so is a request that does not say whom it wants.
#[tokio::test]
async fn case_080_a_foreign_missing_or_repeated_host_is_refused() {
    let named = || Acceptor::new(NoAuthentication, ["executor.test"], Readiness::new(), &Limits::default());
    for (hosts, status) in [
        (vec!["Host: evil.test"], 403),
        (vec!["Host: evil.test:80"], 403),
        (vec!["Host: executor.test.evil.test"], 403),
        (vec![], 400),
        (vec!["Host: 127.0.0.1", "Host: 127.0.0.1"], 400),
        (vec!["Host: 127.0.0.1", "Host: evil.test"], 400),
        (vec!["Host: user@127.0.0.1"], 400),
        (vec!["Host:"], 400),
        (vec!["Host: executor.test:9000"], 101),
        (vec!["Host: LOCALHOST:9000"], 101),
        (vec!["Host: [::1]:9000"], 101),
    ] {
        let answer = ask(named(), "GET / HTTP/1.1", &with(&without("Host"), &hosts)).await;
        assert_eq!(answer.status, status, "{hosts:?}: {}", answer.text);
    }
    let answer = ask(named(), "GET http://evil.test/ HTTP/1.1", &GOOD).await;
    assert_eq!(answer.status, 400, "an absolute URL: {}", answer.text);
}

/// Proves that only the exact token, in `Authorization`, lets a peer in, and that it shows in no answer and no error.
#[tokio::test]
async fn case_081_only_the_exact_token_in_its_place_is_accepted() {
    let good = format!("Authorization: bearer  {TOKEN} ");
    let prefix = format!("Authorization: Bearer {}", &TOKEN[..TOKEN.len() - 1]);
    let longer = format!("Authorization: Bearer {TOKEN}0");
    let basic = format!("Authorization: Basic {TOKEN}");
    let bare = format!("Authorization: {TOKEN}");
    let huge = format!("Authorization: Bearer {}", TOKEN.repeat(100_000));
    let query = format!("GET /?token={TOKEN} HTTP/1.1");
    let plain = "GET / HTTP/1.1";
    for (line, more, status) in [
        (plain, vec![good.as_str()], 101),
        (plain, vec![], 401),
        (plain, vec![prefix.as_str()], 401),
        (plain, vec![longer.as_str()], 401),
        (plain, vec![basic.as_str()], 401),
        (plain, vec![bare.as_str()], 401),
        (plain, vec!["Authorization: Bearer "], 401),
        (plain, vec![good.as_str(), good.as_str()], 401),
        (plain, vec![huge.as_str()], 431),
        (query.as_str(), vec![], 401),
        (query.as_str(), vec![good.as_str()], 400),
    ] {
        let answer = ask(acceptor(TokenDigest::of(TOKEN)), line, &with(&GOOD, &more)).await;
        let shown: Vec<_> = more.iter().map(|header| &header[..header.len().min(40)]).collect();
        assert_eq!(answer.status, status, "{line} {shown:?}: {}", answer.text);
        assert_eq!(answer.text.contains("www-authenticate: Bearer"), status == 401, "{}", answer.text);
        assert!(!answer.text.contains("canary") && !answer.outcome.contains("canary"), "{}", answer.outcome);
    }
}

/// Proves that a session's owner is who the authentication says.
#[tokio::test]
async fn the_principal_is_the_authenticators() {
    let tokens = TokenDigest::of(TOKEN).with_principal(Principal::token("ci"));
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let answer = ask(acceptor(tokens), "GET / HTTP/1.1", &with(&GOOD, &[&authorization])).await;
    assert_eq!(answer.outcome, "accepted token:ci");
}

/// Proves that a peer that drips its request is cut off at the deadline, counted over the whole upgrade.
#[tokio::test(start_paused = true)]
async fn case_083_a_slow_upgrade_ends_at_the_deadline() {
    for dripping in [false, true] {
        let (mut peer, stream) = duplex(1024);
        let accepting = tokio::spawn(async move {
            let started = Instant::now();
            let refused =
                acceptor(NoAuthentication).accept(stream, SocketAddr::from(([127, 0, 0, 1], 1))).await;
            (refused.unwrap_err().reason, started.elapsed().as_secs())
        });
        peer.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await.unwrap();
        let drip = async {
            while dripping && peer.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let (refused, ()) = tokio::join!(accepting, drip);
        let (reason, seconds) = refused.unwrap();
        assert!(matches!(reason, RefusedReason::Timeout(_)), "{reason:?}");
        assert_eq!(seconds, 10, "dripping: {dripping}");
    }
}

/// Proves that whatever is not an upgrade to WebSocket 13 is told so, and that no request brings the acceptor down.
#[tokio::test]
async fn case_084_what_is_no_websocket_upgrade_is_refused() {
    let h2c = with(&without("Upgrade"), &["Upgrade: h2c"]);
    let version_12 = with(&without("Sec-WebSocket-Version"), &["Sec-WebSocket-Version: 12"]);
    let two_keys = with(&GOOD, &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]);
    let short_key = with(&without("Sec-WebSocket-Key"), &["Sec-WebSocket-Key: dGhl"]);
    for (what, line, headers, status) in [
        ("plain GET", "GET / HTTP/1.1", vec!["Host: localhost"], 426),
        ("POST", "POST / HTTP/1.1", with(&GOOD, &["Content-Length: 0"]), 400),
        ("HTTP/1.0", "GET / HTTP/1.0", GOOD.to_vec(), 400),
        ("other path", "GET /other HTTP/1.1", GOOD.to_vec(), 404),
        ("no Connection", "GET / HTTP/1.1", without("Connection"), 426),
        ("h2c", "GET / HTTP/1.1", h2c, 426),
        ("version 12", "GET / HTTP/1.1", version_12, 426),
        ("no version", "GET / HTTP/1.1", without("Sec-WebSocket-Version"), 426),
        ("no key", "GET / HTTP/1.1", without("Sec-WebSocket-Key"), 400),
        ("two keys", "GET / HTTP/1.1", two_keys, 400),
        ("short key", "GET / HTTP/1.1", short_key, 400),
        ("not HTTP", "HELO executor.test", vec![], 400),
        ("HTTP/2", "PRI * HTTP/2.0", vec![], 400),
    ] {
        let answer = ask(acceptor(NoAuthentication), line, &headers).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        let names_version = answer.text.contains("sec-websocket-version: 13\r\n");
        assert_eq!(names_version, what.contains("version"), "{what}: {}", answer.text);
    }
    let tls_hello = send(acceptor(NoAuthentication), b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03").await;
    assert_eq!(tls_hello.status, 400, "a TLS hello: {}", tls_hello.text);
}

/// Proves that a refusal is one sentence of plain text that says what to do.
#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let answer = ask(acceptor(TokenDigest::of(TOKEN)), "GET / HTTP/1.1", &GOOD).await;
    assert!(answer.text.contains("content-type: text/plain; charset=utf-8\r\n"), "{}", answer.text);
    let body = answer.text.rsplit("\r\n").next().unwrap();
    assert_eq!(body, "Send this executor's token in one header Authorization: Bearer.");
}

/// Proves that a connection over the limit is answered at once, without its request being read.
#[tokio::test]
async fn case_085_a_connection_over_the_limit_is_turned_away() {
    let (mut peer, stream) = duplex(4096);
    let turning_away = tokio::spawn(async move { acceptor(NoAuthentication).turn_away(stream).await });
    let mut answer = String::new();
    soon(peer.read_to_string(&mut answer)).await.unwrap();
    drop(peer);
    soon(turning_away).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(
        head.contains(&format!("content-length: {}\r\n", body.len()))
            || head.ends_with(&format!("content-length: {}", body.len())),
        "{answer}"
    );
}

/// Proves that readiness needs neither Host nor token nor the absence of an Origin, and follows the drain.
#[tokio::test]
async fn readyz_answers_everybody_and_follows_the_drain() {
    let readiness = Readiness::new();
    let acceptor = Acceptor::new(TokenDigest::of(TOKEN), NO_HOSTS, readiness.clone(), &Limits::default());
    let probe = |headers: &'static [&'static str]| ask(acceptor.clone(), "GET /readyz HTTP/1.1", headers);
    let answer = probe(&["Host: evil.test", "Origin: https://evil.test"]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.ends_with("\r\n\r\nok"), "{}", answer.text);
    assert_eq!(probe(&["Accept: */*"]).await.status, 200);
    readiness.drain();
    assert_eq!(probe(&["Host: localhost"]).await.status, 503);
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let answer = ask(acceptor.clone(), "GET / HTTP/1.1", &with(&GOOD, &[&authorization])).await;
    assert_eq!(answer.status, 101, "while draining, sessions may still be resumed: {}", answer.text);
}

/// Proves that a message is not shown by `Debug`.
#[test]
fn debug_shows_no_message() {
    let shown = format!("{:?} {:?}", text("canary"), Message::Binary("canary".into()));
    assert_eq!(shown, "<text, 6 bytes> <binary, 6 bytes>");
}
