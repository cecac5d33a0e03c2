//! Connections: whose they are, what they are used for again, how they end, and what of HTTP they carry.

use crate::support::{World, streamed};
use afield_egress::{CaPolicy, Policy, Preset, Rule, SystemResolver};
use afield_exchange::{
    BodyError, Header, HttpVersion, Kind, OnInformational, Phase, Request, RequestBody, Retry, Trailers,
    VersionPreference, detail,
};
use afield_testkit::dead::Blackhole;
use afield_testkit::raw::frames::{PREFACE, STATUS_200, data, headers, rst_stream, settings, settings_ack};
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::tls::Ca;
use afield_testkit::{Origin, within};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An origin that answers each request it is sent, of which it reads no body.
async fn answering_heads() -> RawOrigin {
    RawOrigin::always(Script::new().expect_head().send(OK).again()).await
}

/// Proves that a connection which carried content with a method that expects none is never used again: an origin that leaves
/// it unread would take it for the next request (case 121).
#[tokio::test]
async fn content_with_unexpecting_method_spoils_connection() {
    for (method, reused) in [
        ("GET", false),
        ("HEAD", false),
        ("DELETE", false),
        ("OPTIONS", false),
        ("REPORT", false),
        ("POST", true),
        ("PUT", true),
        ("PATCH", true),
    ] {
        for body in
            [RequestBody::Bytes("GET /smuggled HTTP/1.1\r\n\r\n".into()), streamed(None, ["con", "tent"])]
        {
            let (origin, world) = (Origin::start().await, World::new());
            world.call(Request::new(method, origin.url("/upload")).body(body)).await.unwrap();
            world.get(origin.url("/echo")).await.unwrap();
            assert_eq!(origin.accepted(), if reused { 1 } else { 2 }, "{method}");
        }
    }
    let origin = answering_heads().await;
    let world = World::new();
    for at in 1..=3 {
        world.call(Request::new("GET", origin.url("/")).body(RequestBody::Bytes("x".into()))).await.unwrap();
        assert_eq!(origin.accepted(), at);
    }
}

/// A TLS origin that notes of each handshake whether a session was resumed, and answers one request on each connection.
async fn handshakes(ca: &Ca, alpn: &[&str]) -> (u16, Arc<Mutex<Vec<bool>>>) {
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(alpn.to_vec()).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let noted = Arc::new(Mutex::new(Vec::new()));
    let resumed = Arc::clone(&noted);
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls);
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let kind = stream.get_ref().1.handshake_kind();
            resumed.lock().unwrap().push(kind == Some(rustls::HandshakeKind::Resumed));
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (port, noted)
}

/// Proves that principals whom the same rules hold for share no connection, of HTTP/1.1 or of HTTP/2, and no TLS session
/// (case 122).
#[tokio::test]
async fn principals_share_no_connection_and_no_tls_session() {
    let ca = Ca::new();
    for alpn in [&["http/1.1"][..], &["h2"]] {
        let tls = ca.issue(&["127.0.0.1"]).server().alpn(alpn.to_vec()).build();
        let origin = Origin::builder().tls(tls).start().await.unwrap();
        let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
        for (principal, accepted) in [("a", 1), ("b", 2), ("a", 2), ("b", 2)] {
            let egress = world.egress.for_principal(principal);
            egress.call(Request::get(origin.url("/echo"))).await.unwrap();
            assert_eq!(origin.accepted(), accepted, "{principal} {alpn:?}");
        }
        world.get(origin.url("/echo")).await.unwrap();
        assert_eq!(origin.accepted(), 3, "nobody in particular is another");
    }

    let (port, resumed) = handshakes(&ca, &["http/1.1"]).await;
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    for principal in ["a", "a", "b", "b"] {
        let url = format!("https://127.0.0.1:{port}/");
        world.egress.for_principal(principal).call(Request::get(url)).await.unwrap();
    }
    assert_eq!(*resumed.lock().unwrap(), [false, true, false, true]);
}

/// Proves that a connection which was authenticated itself, or asked for that, serves nobody else, and that such a request
/// goes over none that others used (case 123).
#[tokio::test]
async fn connection_authentication_is_not_pooled() {
    for credentials in ["NTLM TlRMTVNTUAAB", "negotiate YII=", "Kerberos x"] {
        let origin = Origin::start().await;
        let world = World::new();
        world.get(origin.url("/echo")).await.unwrap();
        let request = || Request::get(origin.url("/echo")).header("Authorization", credentials);
        world.call(request()).await.unwrap();
        assert_eq!(origin.accepted(), 2, "{credentials}: not over a connection of others");
        world.get(origin.url("/echo")).await.unwrap();
        assert_eq!(origin.accepted(), 2, "{credentials}: the other one is still good");
        world.call(request()).await.unwrap();
        assert_eq!(origin.accepted(), 3, "{credentials}: used once");
    }
    let challenge = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=x\r\nwww-authenticate: NTLM\r\ncontent-length: 0\r\n\r\n";
    let origin = RawOrigin::always(Script::new().expect_head().send(challenge).again()).await;
    let world = World::new();
    for accepted in 1..=2 {
        assert_eq!(world.get(origin.url("/")).await.unwrap().head.status, 401);
        assert_eq!(origin.accepted(), accepted);
    }
}

/// A body without end.
fn endless() -> RequestBody {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let stream = futures_util::stream::repeat_with(move || Ok::<_, BodyError>(piece.clone()));
    RequestBody::Stream { length: None, stream: Box::pin(stream) }
}

/// Proves that an upload which the origin does not read is gone from its socket as soon as it is dropped, by a reset: nothing
/// that was still to be sent keeps the connection (case 124).
#[tokio::test]
async fn dropped_upload_resets_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let world = World::new();
    let (mut origin, ()) = {
        let mut call = std::pin::pin!(world.egress.call(Request::new("POST", url).body(endless())));
        let (stream, _) = tokio::select! {
            _ = &mut call => panic!("nobody answers"),
            accepted = listener.accept() => accepted.unwrap(),
        };
        // Until nothing more is taken.
        let _ = tokio::time::timeout(Duration::from_millis(200), &mut call).await;
        (stream, ())
    };
    let mut buffer = vec![0; 1 << 20];
    let end = within("the origin hears of it", async {
        loop {
            match origin.read(&mut buffer).await {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error.kind()),
            }
        }
    });
    assert_eq!(end.await, Some(std::io::ErrorKind::ConnectionReset));
}

/// Proves that HTTP/1.1 is spoken at once where HTTP/2 is refused by a stream's reset, and from then on (case 126).
#[tokio::test]
async fn http_1_1_required_is_repeated_over_http1_and_remembered() {
    const HTTP_1_1_REQUIRED: u32 = 13;
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2", "http/1.1"]).build();
    let refusing = Script::new()
        .expect_text(PREFACE)
        .send(settings(&[]))
        .send(settings_ack())
        .expect_bytes(9)
        .expect_text("\x04\0\0\0\x01")
        .send(rst_stream(1, HTTP_1_1_REQUIRED))
        .hang();
    let builder = RawOrigin::builder().script(refusing).otherwise(Script::answering(OK)).tls(tls);
    let origin = builder.start().await.unwrap();
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    let request = Request::new("POST", origin.url("/")).body(RequestBody::Bytes("twice".into()));
    let answer = world.call(request).await.unwrap();
    assert_eq!((answer.head.status, origin.accepted()), (200, 2));
    assert!(origin.connection(1).await.received().ends_with(b"\r\n\r\ntwice"));
    for _ in 0..2 {
        world.get(origin.url("/")).await.unwrap();
    }
    assert_eq!(origin.accepted(), 2, "remembered, and the connection used again");
}

/// Proves that a request which finds the streams of a connection used up goes over another at once (case 127).
#[tokio::test]
async fn used_up_streams_open_another_connection() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let script = || {
        Script::new()
            .expect_text(PREFACE)
            .send(settings(&[(MAX_CONCURRENT_STREAMS, 1)]))
            .send(settings_ack())
            .expect_bytes(9)
            .expect_text("\x05\0\0\0\x01")
            .send(headers(1, STATUS_200, false))
            .send(data(1, "event", false))
            .hang()
    };
    let origin = RawOrigin::builder().otherwise(script()).tls(tls).start().await.unwrap();
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    let mut streams = Vec::new();
    for accepted in 1..=4 {
        let send = world.egress.send(Request::get(origin.url("/events")));
        let mut response = within("a stream of its own", send).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "event");
        streams.push(response);
        assert_eq!(origin.accepted(), accepted);
    }
    // They are bounded: one more waits for its turn, under its own deadline.
    for _ in 4..16 {
        streams.push(world.egress.send(Request::get(origin.url("/events"))).await.unwrap());
    }
    let mut request = Request::get(origin.url("/events"));
    request.timeout = Some(Duration::from_millis(100));
    let error = world.call(request).await.unwrap_err();
    assert_eq!((error.kind(), error.detail(), origin.accepted()), (Kind::Timeout, Some(detail::TOTAL), 16));
}

/// Proves that many requests at once for an origin with few streams make no more connections than there may be, and that all are
/// answered (case 127).
#[tokio::test]
async fn burst_over_few_streams_stays_bounded() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let opening =
        Script::new().expect_text(PREFACE).send(settings(&[(3, 1)])).send(settings_ack()).expect_bytes(9);
    // Each stream is answered as it comes, one at a time on each connection.
    let script = (0..64u8).fold(opening, |script, at| {
        let stream = 2 * at + 1;
        script.expect_text(format!("\x05\0\0\0{}", char::from(stream))).send(headers(
            u32::from(stream),
            STATUS_200,
            true,
        ))
    });
    let origin = RawOrigin::builder().otherwise(script.hang()).tls(tls).start().await.unwrap();
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    world.get(origin.url("/")).await.unwrap();
    let calls = (0..60).map(|_| world.get(origin.url("/")));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().head.status, 200);
    }
    assert!(origin.accepted() <= 16, "{} connections", origin.accepted());
}

/// A literal field of HTTP/2 with its name, not indexed (RFC 7541, section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = Vec::new();
        match text.len() {
            length @ 0..127 => bytes.push(length as u8),
            length => {
                bytes.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    bytes.push(rest as u8 | 128);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    [vec![0], text(name), text(value)].concat()
}

/// A header block in frames that fit.
fn header_frames(block: &[u8]) -> Vec<u8> {
    use afield_testkit::raw::frames::{continuation, headers_begun};
    const FRAME: usize = 16_000;
    let mut pieces = block.chunks(FRAME);
    let first = pieces.next().unwrap();
    let rest: Vec<_> = pieces.collect();
    if rest.is_empty() {
        return headers(1, first, true).to_vec();
    }
    // END_STREAM is a flag of the first frame.
    let mut begun = headers_begun(1, first).to_vec();
    begun[4] |= 1;
    let last = rest.len() - 1;
    rest.iter().enumerate().fold(begun, |mut all, (at, piece)| {
        all.extend_from_slice(&continuation(1, piece, at == last));
        all
    })
}

/// Proves that the limits on response heads, in fields and in bytes of names and values, hold exactly, over HTTP/1 and
/// HTTP/2 alike, and are settable (case 128).
#[tokio::test]
async fn response_head_limits_hold_exactly() {
    const FIELDS: usize = 120;
    const BYTES: usize = 50_000;
    let ca = Ca::new();
    let world = World::with(|config| {
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
        config.limits.response_header_count = FIELDS;
        config.limits.response_headers_bytes = BYTES;
    });
    let many = |count: usize| (0..count).map(|at| (format!("x-{at}"), "v".to_owned())).collect::<Vec<_>>();
    let long = |bytes: usize| vec![("y".to_owned(), "v".repeat(bytes - 1))];
    for (what, fields, fits) in [
        ("fields at the limit", many(FIELDS), true),
        ("one field more", many(FIELDS + 1), false),
        ("bytes at the limit", long(BYTES), true),
        ("one byte more", long(BYTES + 1), false),
    ] {
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let plain = RawOrigin::always(Script::answering(format!("HTTP/1.1 204 OK\r\n{lines}\r\n"))).await;
        let block: Vec<u8> = std::iter::once(STATUS_200.to_vec())
            .chain(fields.iter().map(|(name, value)| literal(name, value)))
            .flatten()
            .collect();
        let script = Script::new()
            .expect_text(PREFACE)
            .send(settings(&[]))
            .send(settings_ack())
            .expect_bytes(9)
            .expect_text("\x05\0\0\0\x01")
            .send(header_frames(&block))
            .hang();
        let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
        let http2 = RawOrigin::builder().script(script).tls(tls).start().await.unwrap();
        for origin in [plain, http2] {
            match world.get(origin.url("/")).await {
                Ok(answer) => {
                    assert!(fits, "{what} over {}", origin.url(""));
                    assert_eq!(answer.head.headers.len(), fields.len());
                }
                Err(error) => {
                    assert!(!fits, "{what} over {}: {error:?}", origin.url(""));
                    assert_eq!(
                        (error.kind(), error.detail()),
                        (Kind::TooLarge, Some(detail::RESPONSE_HEADERS))
                    );
                }
            }
        }
    }
}

/// Proves that informational responses reach whoever listens, in order and before the head, over HTTP/1 and HTTP/2 (case 129).
#[tokio::test]
async fn informational_responses_are_passed_on() {
    let ca = Ca::new();
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let script = Script::new().expect_head().send(format!("HTTP/1.1 102 Processing\r\n\r\n{hint}{OK}"));
    let plain = RawOrigin::always(script).await;
    let informational = |status: &str| [vec![0x08, 3], status.as_bytes().to_vec()].concat();
    let script = Script::new()
        .expect_text(PREFACE)
        .send(settings(&[]))
        .send(settings_ack())
        .expect_bytes(9)
        .expect_text("\x05\0\0\0\x01")
        .send(headers(1, informational("102"), false))
        .send(headers(1, [informational("103"), literal("link", "</a>")].concat(), false))
        .send(headers(1, STATUS_200, true))
        .hang();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let http2 = RawOrigin::builder().script(script).tls(tls).start().await.unwrap();
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    for origin in [plain, http2] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let mut request = Request::get(origin.url("/"));
        request.on_informational = Some(OnInformational::new(move |head| {
            noted.lock().unwrap().push((head.status, head.headers.len()));
        }));
        assert_eq!(world.call(request).await.unwrap().head.status, 200);
        assert_eq!(*heard.lock().unwrap(), [(102, 0), (103, 1)], "{}", origin.url("/"));
    }
}

/// Proves that a body which waits for the origin is sent after `100`, after a second without a word, and not at all after a
/// final answer (case 130).
#[tokio::test]
async fn expected_body_waits_for_origin() {
    let request = |origin: &RawOrigin, body: &'static str| {
        let body = RequestBody::Bytes(body.into());
        Request::new("POST", origin.url("/")).header("Expect", "100-continue").body(body)
    };
    let asking =
        Script::new().expect_head().send("HTTP/1.1 100 Continue\r\n\r\n").expect_text("content").send(OK);
    let origin = RawOrigin::always(asking).await;
    assert_eq!(World::new().call(request(&origin, "content")).await.unwrap().head.status, 200);
    let received = origin.connection(0).await.received();
    assert!(String::from_utf8_lossy(&received).contains("expect: 100-continue\r\n"));

    let silent = RawOrigin::always(Script::new().expect_head().expect_text("content").send(OK)).await;
    assert_eq!(World::new().call(request(&silent, "content")).await.unwrap().head.status, 200);

    for refusal in ["417 Expectation Failed", "413 Content Too Large"] {
        let refusal = format!("HTTP/1.1 {refusal}\r\ncontent-length: 2\r\n\r\nno");
        let origin = RawOrigin::always(Script::new().expect_head().send(refusal).expect_end()).await;
        let world = World::new();
        let answer = world.call(request(&origin, "content")).await.unwrap();
        assert!(answer.head.status > 400 && answer.body == "no");
        origin.connection(0).await.wait_closed().await;
        let received = origin.connection(0).await.received();
        assert!(received.ends_with(b"\r\n\r\n"), "the body was not sent");
    }
    let get = RawOrigin::always(Script::answering(OK)).await;
    World::new().call(Request::get(get.url("/")).header("Expect", "100-continue")).await.unwrap();
    let received = get.connection(0).await.received();
    assert!(!String::from_utf8_lossy(&received).contains("expect"), "there is no body to wait with");
}

/// Proves that trailer fields travel both ways, in chunks and over HTTP/2, and that a trailer cannot be one of ours (case 131).
#[tokio::test]
async fn trailers_travel_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let origin = RawOrigin::always(Script::new().expect_text("x-digest: 9\r\n\r\n").send(answer)).await;
    let trailers = Trailers::new();
    trailers.set(vec![
        Header::new("x-digest", "9"),
        Header::new("content-length", "4"),
        Header::new("x-odd", "1"),
    ]);
    let mut request = Request::new("POST", origin.url("/")).header("Trailer", "X-Digest, content-length");
    request.body = streamed(None, ["content"]);
    request.trailers = Some(trailers);
    let answer = World::new().call(request).await.unwrap();
    assert_eq!(answer.trailers, [Header::new("x-sum", "7")]);
    let received = String::from_utf8_lossy(&origin.connection(0).await.received()).into_owned();
    assert!(received.ends_with("7\r\ncontent\r\n0\r\nx-digest: 9\r\n\r\n"), "{received}");
    assert!(received.contains("trailer: x-digest\r\n"), "{received}");

    let ca = Ca::new();
    let script = Script::new()
        .expect_text(PREFACE)
        .send(settings(&[]))
        .send(settings_ack())
        .expect_bytes(9)
        .expect_text("\x05\0\0\0\x01")
        .send(headers(1, STATUS_200, false))
        .send(data(1, "ok", false))
        .send(headers(1, literal("grpc-status", "0"), true))
        .hang();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let origin = RawOrigin::builder().script(script).tls(tls).start().await.unwrap();
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    let mut response = world.egress.send(Request::get(origin.url("/"))).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "ok");
    assert!(response.body.next().await.is_none());
    assert_eq!(response.body.trailers(), [Header::new("grpc-status", "0")]);
}

/// Proves that a name which the system looks for in a search domain is judged as the name that is asked: a rule that denies
/// it holds, one that allows it does, and a pooled connection is no way around (case 133).
#[tokio::test]
async fn searched_name_is_judged_as_asked() {
    let origin = Origin::on("127.1.0.1").await;
    let folder = tempfile::tempdir().unwrap();
    let (hosts, conf) = (folder.path().join("hosts"), folder.path().join("resolv.conf"));
    std::fs::write(&hosts, "127.1.0.1 admin.corp.test wiki.corp.test\n").unwrap();
    std::fs::write(&conf, "search corp.test\n").unwrap();
    let resolver = SystemResolver::with_files(hosts, conf);
    let world = |preset, rules: Vec<Rule>| {
        World::with(|config| {
            config.policy = Policy::new(preset, rules);
            config.resolver = Arc::new(resolver.clone());
        })
    };
    let host = |rule: Rule, name: &str| rule.host(name).unwrap();
    let denying = world(Preset::Standard, vec![host(Rule::deny(), "admin.corp.test")]);
    assert_eq!(denying.refused(origin.url_as("admin", "/echo")).await.kind(), Kind::PolicyDenied);
    assert_eq!(denying.refused(origin.url_as("admin.corp.test", "/echo")).await.kind(), Kind::PolicyDenied);
    denying.get(origin.url_as("wiki", "/echo")).await.unwrap();

    let allowing = world(Preset::AllowList, vec![host(Rule::allow(), "wiki.corp.test")]);
    allowing.get(origin.url_as("wiki", "/echo")).await.unwrap();
    allowing.get(origin.url_as("wiki", "/echo")).await.unwrap();
    assert_eq!(allowing.refused(origin.url_as("admin", "/echo")).await.kind(), Kind::PolicyDenied);

    let no_delete = host(Rule::deny(), "wiki.corp.test").methods(["DELETE"]).unwrap();
    let pooled = world(Preset::Standard, vec![no_delete]);
    pooled.get(origin.url_as("wiki", "/echo")).await.unwrap();
    let error = pooled.call(Request::new("DELETE", origin.url_as("wiki", "/echo"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PolicyDenied, "over a connection that is there");
}

/// Proves that an origin which refuses an upload, answers whole and closes is heard, ten times of ten (case 134).
#[tokio::test]
async fn early_refusal_of_upload_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 16 * 1024];
            let _ = stream.read(&mut head).await;
            let refusal =
                "HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large";
            let _ = stream.write_all(refusal.as_bytes()).await;
            // Closing with what was not read resets the connection.
        }
    });
    for body in [RequestBody::Bytes(vec![b'x'; 16 << 20].into()), endless()] {
        let body = &mut Some(body);
        for _ in 0..10 {
            let body = body.as_ref().and_then(RequestBody::again).unwrap_or_else(endless);
            let answer = World::new().call(Request::new("POST", url.clone()).body(body)).await.unwrap();
            assert_eq!((answer.head.status, &answer.body[..]), (413, &b"too large"[..]));
        }
    }
}

/// Proves that a request's own connect deadline bounds reaching the origin, that alone, and no longer than the operator
/// allows (case 136).
#[tokio::test]
async fn request_connect_deadline_bounds_origin() {
    let hole = Blackhole::on("127.0.0.1").await;
    let url = format!("http://{}/", hole.address());
    for (own, operators) in [(50, 10_000), (10_000, 50)] {
        let world = World::with(|config| config.limits.connect = Duration::from_millis(operators));
        let mut request = Request::get(&url);
        request.connect_timeout = Some(Duration::from_millis(own));
        let error = world.call(request).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.phase(), error.retry()),
            (Kind::Timeout, Some(Phase::Connect), Retry::Safe)
        );
        assert!(error.message().contains("50ms"), "{}", error.message());
    }
    let origin = Origin::start().await;
    let mut request = Request::get(origin.url("/slow-head"));
    request.connect_timeout = Some(Duration::from_millis(500));
    let world = World::new();
    let (answer, ()) = tokio::join!(world.call(request), async {
        origin.request(0).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        origin.open_gate("slow-head");
    });
    assert_eq!(answer.unwrap().head.status, 200);
}

/// Proves that nothing is sent but what the caller said, `Host` and the framing (case 137).
#[tokio::test]
async fn no_field_is_added() {
    let origin = RawOrigin::always(Script::answering(OK)).await;
    World::new().get(origin.url("/a?b")).await.unwrap();
    let received = origin.connection(0).await.received();
    assert_eq!(
        String::from_utf8_lossy(&received),
        format!("GET /a?b HTTP/1.1\r\nhost: {}\r\n\r\n", origin.address())
    );
}

/// Proves that an end, or bytes nobody asked for, which have arrived on an idle connection are seen before anything is sent
/// over it, however busy the machine is: the request goes over another, once.
#[tokio::test]
async fn idle_connection_that_ended_is_not_used() {
    for stray in ["", "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (said, heard) = std::sync::mpsc::channel();
        let serving = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let mut requests = 0;
            for connection in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 4096];
                requests += usize::from(stream.read(&mut head).unwrap() > 0);
                stream.write_all(OK.as_bytes()).unwrap();
                if connection == 0 {
                    // The thread of the runtime is blocked until this has arrived: no event can have told it.
                    std::thread::sleep(Duration::from_millis(50));
                    stream.write_all(stray.as_bytes()).unwrap();
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                    said.send(()).unwrap();
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest);
                    assert!(rest.is_empty(), "nothing is sent over it");
                }
            }
            requests
        });
        let world = World::new();
        world.get(&url).await.unwrap();
        heard.recv().unwrap();
        let request = Request::new("POST", &url).body(RequestBody::Bytes("once".into()));
        assert_eq!(world.call(request).await.unwrap().head.status, 200);
        drop(world);
        assert_eq!(serving.join().unwrap(), 2, "{stray:?}");
    }
}

/// Proves that a caller's choice of HTTP's version is kept, and told.
#[tokio::test]
async fn version_preference_is_kept() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2", "http/1.1"]).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
    for (preference, version) in [
        (VersionPreference::Http1, HttpVersion::Http11),
        (VersionPreference::Auto, HttpVersion::Http2),
        (VersionPreference::Http1, HttpVersion::Http11),
        (VersionPreference::Http2, HttpVersion::Http2),
        (VersionPreference::Http2PriorKnowledge, HttpVersion::Http2),
    ] {
        let mut request = Request::get(origin.url("/echo"));
        request.http_version = preference;
        let timings = world.call(request).await.unwrap().head.timings.unwrap();
        assert_eq!(timings.http_version, Some(version), "{preference:?}");
        assert_eq!(timings.remote_port, Some(origin.address().port()));
        assert!(timings.head >= timings.ready && timings.ready.is_some());
    }
    assert_eq!(origin.accepted(), 2, "one of each");

    let script = Script::new()
        .expect_text(PREFACE)
        .send(settings(&[]))
        .send(settings_ack())
        .expect_bytes(9)
        .expect_text("\x05\0\0\0\x01")
        .send(headers(1, STATUS_200, true))
        .hang();
    let plain = RawOrigin::always(script).await;
    let mut request = Request::get(plain.url("/"));
    request.http_version = VersionPreference::Http2PriorKnowledge;
    let answer = World::new().call(request).await.unwrap();
    assert_eq!(answer.head.timings.unwrap().http_version, Some(HttpVersion::Http2));
}

/// Proves that a reason phrase which is not the usual one comes through.
#[tokio::test]
async fn unusual_reason_phrase_is_carried() {
    for (line, reason) in [("200 OK", None), ("200 Fine by me", Some("Fine by me")), ("599 Odd", Some("Odd"))]
    {
        let origin =
            RawOrigin::always(Script::answering(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")))
                .await;
        let head = World::new().get(origin.url("/")).await.unwrap().head;
        assert_eq!(head.reason.as_deref(), reason.map(str::as_bytes), "{line}");
    }
}

/// Proves that both bodies run at once: the head and the body are there while the upload still is, whether or not anybody
/// reads the body meanwhile, over HTTP/1 and HTTP/2.
#[tokio::test]
async fn upload_goes_on_after_head() {
    let ca = Ca::new();
    let plain = Script::new()
        .expect_text("first")
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n")
        .expect_text("last")
        .send("4\r\nlate\r\n0\r\n\r\n")
        .hang();
    let http2 = Script::new()
        .expect_text(PREFACE)
        .send(settings(&[]))
        .send(settings_ack())
        .expect_text("first")
        .send(headers(1, STATUS_200, false))
        .send(data(1, "early", false))
        .expect_text("last")
        .send(data(1, "late", true))
        .hang();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let plain = RawOrigin::builder().script(plain).start().await.unwrap();
    let http2 = RawOrigin::builder().script(http2).tls(tls).start().await.unwrap();
    for origin in [plain, http2] {
        let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
        let (say, said) = tokio::sync::mpsc::channel::<Bytes>(1);
        let stream = futures_util::stream::unfold(said, |mut said| async move {
            let piece = said.recv().await?;
            Some((Ok::<_, BodyError>(piece), said))
        });
        let body = RequestBody::Stream { length: None, stream: Box::pin(stream) };
        let request = Request::new("POST", origin.url("/")).body(body);
        say.send("first".into()).await.unwrap();
        let mut response = within("the head comes early", world.egress.send(request)).await.unwrap();
        // Nobody reads the body while these are sent.
        for _ in 0..100 {
            within("the upload goes on", say.send("between".into())).await.unwrap();
        }
        within("the upload goes on", say.send("last".into())).await.unwrap();
        let mut all = Vec::new();
        while let Some(bytes) = within("the body goes on", response.body.next()).await {
            all.extend_from_slice(&bytes.unwrap());
        }
        assert_eq!(all, b"earlylate", "{}", origin.url("/"));
        drop(say);
    }
}

/// Proves that a call whose answer is whole has not cut its own upload while its origin reads on, that an origin which refused
/// gets no more of it, and that one which neither reads nor closes does not hold the answer up for long.
#[tokio::test]
async fn upload_is_finished_after_whole_answer() {
    let read_on = Script::new().expect_head().send(OK).expect_text("0\r\n\r\n").hang();
    let origin = RawOrigin::always(read_on).await;
    let pieces = futures_util::stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        (count < 20).then(|| (Ok::<_, BodyError>(Bytes::from_static(b"piece")), count + 1))
    });
    let body = RequestBody::Stream { length: None, stream: Box::pin(pieces) };
    let answer = World::new().call(Request::new("POST", origin.url("/")).body(body)).await.unwrap();
    assert_eq!(answer.body, "ok");
    let received = origin.connection(0).await.wait_text("0\r\n\r\n").await;
    assert_eq!(received.windows(5).filter(|window| window == b"piece").count(), 20);

    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
    for (answer, status) in [(OK, 200), (refusal, 403)] {
        let deaf = RawOrigin::builder().otherwise(Script::new().expect_head().send(answer).deaf());
        let origin = deaf.buffers(16 * 1024, 16 * 1024).start().await.unwrap();
        let answer = World::new().call(Request::new("POST", origin.url("/")).body(endless())).await.unwrap();
        assert_eq!(answer.head.status, status);
        origin.connection(0).await.wait_closed().await;
    }
}
