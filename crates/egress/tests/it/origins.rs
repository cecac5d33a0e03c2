//! Section E: what misbehaving HTTP/1 origins can do, and what becomes of it.

use crate::support::World;
use afield_exchange::{Blame, Buffered, Error, Kind, Phase, Request, Retry, detail};
use afield_testkit::dead::Refusing;
use afield_testkit::origin::Outcome;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::{Origin, within};
use std::time::Duration;

/// What becomes of a `GET` that is answered with exactly these bytes, after which the origin closes.
async fn answered(bytes: impl AsRef<[u8]>) -> Result<Buffered, Error> {
    let origin = RawOrigin::always(Script::new().expect_head().send(bytes.as_ref().to_vec()).close()).await;
    let result = World::new().get(origin.url("/")).await;
    assert_eq!(origin.accepted(), 1, "sent once: {}", bytes.as_ref().escape_ascii());
    result
}

fn not_http(error: &Error, phase: Phase, shown: &str) {
    assert_eq!((error.kind(), error.phase()), (Kind::OriginProtocol, Some(phase)), "{shown}: {error:?}");
    assert_eq!(
        (error.blame(), error.retry(), error.hop()),
        (Blame::Origin, Retry::Unknown, Some(0)),
        "{shown}"
    );
}

/// Proves that a refused connection fails at once and is safe to retry.
#[tokio::test]
async fn case_056_a_refused_connection_fails_at_once() {
    let refusing = Refusing::on("127.0.0.1");
    let error = World::new().refused(format!("http://{}/", refusing.address())).await;
    assert_eq!((error.kind(), error.phase()), (Kind::Connect, Some(Phase::Connect)));
    assert_eq!((error.blame(), error.retry(), error.hop()), (Blame::Origin, Retry::Safe, Some(0)));
}

/// Proves that an answer which is cut anywhere is an error, in a buffered call as in a stream, never a shorter body.
#[tokio::test]
async fn case_059_a_cut_answer_is_an_error() {
    for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", "H"] {
        not_http(&answered(head).await.unwrap_err(), Phase::Head, head);
    }
    for body in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ] {
        not_http(&answered(body).await.unwrap_err(), Phase::Body, body);
        let origin = RawOrigin::always(Script::new().expect_head().send(body).close()).await;
        let mut response = World::new().egress.send(Request::get(origin.url("/"))).await.unwrap();
        let error = within("the stream ends", async {
            loop {
                match response.body.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error,
                    None => panic!("a clean end after {body}"),
                }
            }
        })
        .await;
        not_http(&error, Phase::Body, body);
        assert!(response.body.next().await.is_none());
    }
    let whole = answered("HTTP/1.1 200 OK\r\n\r\nuntil the end").await.unwrap();
    assert_eq!(whole.body, "until the end");
}

/// Proves that a reset in the middle of a body ends the stream with an error.
#[tokio::test]
async fn case_060_a_reset_ends_the_stream() {
    let script =
        Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").reset();
    let origin = RawOrigin::always(script).await;
    not_http(&World::new().refused(origin.url("/")).await, Phase::Body, "reset in the body");
    let origin = RawOrigin::always(Script::new().expect_head().reset()).await;
    not_http(&World::new().refused(origin.url("/")).await, Phase::Head, "reset before the head");
}

/// Proves that equal lengths count as one and that every other oddity of `Content-Length` is refused.
#[tokio::test]
async fn case_061_odd_content_lengths_are_refused() {
    let with = async |lines: &str| answered(format!("HTTP/1.1 200 OK\r\n{lines}\r\nhello")).await;
    assert_eq!(with("content-length: 5\r\ncontent-length: 5\r\n").await.unwrap().body, "hello");
    for lines in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: -5\r\n",
        "content-length: +5\r\n",
        "content-length: 5a\r\n",
        "content-length: 0x5\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
    ] {
        not_http(&with(lines).await.unwrap_err(), Phase::Head, lines);
    }
}

/// Proves that broken chunks are refused.
#[tokio::test]
async fn case_062_broken_chunks_are_refused() {
    let with = async |body: &str| {
        answered(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await
    };
    assert_eq!(with("5;ext=1\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n").await.unwrap().body, "hello");
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(1024 * 1024));
    for body in [
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello\r\n0\r\nbad trailer\r\n",
        &long,
    ] {
        not_http(&with(body).await.unwrap_err(), Phase::Body, &body[..body.len().min(60)]);
    }
}

/// Proves that a body whose end is ambiguous is refused or leaves its connection unused.
#[tokio::test]
async fn case_062_ambiguous_framing_poisons_no_connection() {
    for lines in
        ["transfer-encoding: gzip", "transfer-encoding: chunked, gzip", "transfer-encoding: identity"]
    {
        let error =
            answered(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")).await.unwrap_err();
        not_http(&error, Phase::Head, lines);
    }
    let both =
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let origin = RawOrigin::always(Script::answering(both)).await;
    let world = World::new();
    for accepted in [1, 2, 3] {
        assert_eq!(world.get(origin.url("/")).await.unwrap().body, "hello");
        assert_eq!(origin.accepted(), accepted, "a connection is not used again after it");
    }
}

/// Proves that bytes after a complete body, or on an idle connection, never become the next answer.
#[tokio::test]
async fn case_063_064_bytes_nobody_asked_for_answer_nobody() {
    let honest = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhonest";
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let gate = afield_testkit::Gate::new();
    let scripts = [
        Script::new().expect_head().send(format!("{honest}{evil}")).expect_head().send(evil).hang(),
        Script::new().expect_head().send(honest).wait(&gate).send(evil).hang(),
    ];
    for script in scripts {
        let origin =
            RawOrigin::builder().script(script).otherwise(Script::answering(honest)).start().await.unwrap();
        let world = World::new();
        assert_eq!(world.get(origin.url("/")).await.unwrap().body, "honest");
        gate.open();
        origin.connection(0).await.wait_closed().await;
        assert_eq!(world.get(origin.url("/")).await.unwrap().body, "honest");
        assert_eq!(origin.accepted(), 2);
    }
}

/// Proves that a request which an origin may have seen is never sent again: closing after it was read is an error.
#[tokio::test]
async fn case_065_what_may_have_been_seen_is_not_sent_again() {
    let script = Script::new()
        .expect_request()
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .expect_request()
        .close();
    let origin = RawOrigin::builder().script(script.clone()).otherwise(script).start().await.unwrap();
    let world = World::new();
    world.get(origin.url("/")).await.unwrap();
    let error = world.refused(origin.url("/again")).await;
    not_http(&error, Phase::Head, "closed after the second request");
    assert_eq!(origin.accepted(), 1, "it was not sent over another connection");
}

/// Proves that a connection which the origin closed while it was idle costs nothing.
#[tokio::test]
async fn case_065_a_connection_closed_while_idle_is_not_used() {
    let once = Script::new().expect_request().send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").close();
    let origin = RawOrigin::always(once).await;
    let world = World::new();
    for count in 1..=3 {
        assert_eq!(world.get(origin.url("/")).await.unwrap().body, "ok");
        origin.connection(count - 1).await.wait_closed().await;
    }
}

/// Proves which malformed heads are refused and which are understood.
#[tokio::test]
async fn case_066_malformed_heads_are_refused() {
    for head in [
        "HTTP/1.1 200 OK\r\na: 1\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\na : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n a: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: 1\rb: 2\r\n\r\n",
        "<html>hello</html>\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 1000 High\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/3 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        not_http(&answered(head).await.unwrap_err(), Phase::Head, head);
    }
    for (head, status) in [
        ("HTTP/1.1 200 OK\ncontent-length: 0\n\n", 200),
        ("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n", 999),
        ("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200),
        ("HTTP/1.0 200 OK\r\n\r\n", 200),
        ("\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204),
    ] {
        assert_eq!(
            answered(head).await.unwrap_or_else(|error| panic!("{head}: {error:?}")).head.status,
            status
        );
    }
}

/// Proves that an endless run of 1xx answers ends at the limit, where that is out of reach at the deadline for the head, and at
/// once when the caller goes (case 129).
#[tokio::test]
async fn case_067_a_flood_of_informational_answers_ends() {
    for informational in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"] {
        let origin = RawOrigin::always(Script::new().expect_head().flood(informational)).await;
        let error = World::new().refused(origin.url("/")).await;
        assert_eq!(
            (error.kind(), error.phase(), error.detail()),
            (Kind::TooLarge, Some(Phase::Head), Some(detail::RESPONSE_HEADERS))
        );
        assert_eq!((error.retry(), error.blame()), (Retry::Unknown, Blame::Origin));
        origin.connection(0).await.wait_closed().await;

        let patient = World::with(|config| config.limits.informational_responses = usize::MAX);
        let mut request = Request::get(origin.url("/"));
        request.head_timeout = Some(Duration::from_millis(100));
        let error = patient.call(request).await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (Kind::Timeout, Some(Phase::Head)));
        origin.connection(1).await.wait_closed().await;

        let world = patient;
        {
            let mut call = std::pin::pin!(world.egress.call(Request::get(origin.url("/"))));
            let connection = tokio::select! {
                _ = &mut call => panic!("a flood is no answer"),
                connection = origin.connection(2) => connection,
            };
            tokio::select! {
                _ = &mut call => panic!("a flood is no answer"),
                () = connection.wait_sent(1024 * 1024) => {}
            }
        }
        origin.connection(2).await.wait_closed().await;
    }
}

/// Proves that hints are skipped, that dying after them is an error, and that a switch of protocols nobody asked for is one.
#[tokio::test]
async fn case_067_hints_are_skipped_and_switching_is_refused() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let answer =
        answered(format!("{hints}{hints}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await.unwrap();
    assert_eq!((answer.head.status, answer.head.header("link")), (200, None));
    not_http(&answered(hints).await.unwrap_err(), Phase::Head, hints);
    let switching = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    not_http(&answered(switching).await.unwrap_err(), Phase::Head, switching);
}

/// Proves that a head over the limits is too large, and one at them is not.
#[tokio::test]
async fn case_068_large_heads_are_refused() {
    let fields = |count: usize| (0..count).map(|at| format!("x-{at}: v\r\n")).collect::<String>();
    let many = answered(format!("HTTP/1.1 200 OK\r\n{}\r\n", fields(256))).await.unwrap();
    assert_eq!(many.head.headers.len(), 256);
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(300 * 1024));
    assert_eq!(answered(long).await.unwrap().head.headers[0].value.len(), 300 * 1024);
    for head in [
        format!("HTTP/1.1 200 OK\r\n{}\r\n", fields(257)),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(500 * 1024)),
        format!("HTTP/1.1 200 OK\r\n{}", fields(100_000)),
    ] {
        let error = answered(head).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::TooLarge, Some(detail::RESPONSE_HEADERS)),
            "{error:?}"
        );
        assert_eq!((error.blame(), error.phase()), (Blame::Origin, Some(Phase::Head)));
    }
}

/// Proves that values which are no text come through byte for byte, that names come in lower case, and that order and repeats
/// are kept (trap 11).
#[tokio::test]
async fn case_069_response_values_are_bytes() {
    let mut head =
        b"HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nX-Bad: \xff\xfe\x80\r\nSet-Cookie: a\r\nX-Bad: 2\r\n"
            .to_vec();
    head.extend_from_slice(b"Set-Cookie: b\r\nContent-Length: 0\r\n\r\n");
    let headers = answered(head).await.unwrap().head.headers;
    let values = |name: &str| {
        headers
            .iter()
            .filter(|header| header.name == name)
            .map(|header| &header.value[..])
            .collect::<Vec<_>>()
    };
    assert_eq!(values("x-latin"), [b"caf\xe9"]);
    assert_eq!(values("x-bad"), [&b"\xff\xfe\x80"[..], b"2"]);
    assert_eq!(values("set-cookie"), [b"a", b"b"]);
    assert!(headers.iter().all(|header| header.name == header.name.to_lowercase()));
}

/// Proves that answers which have no body have none, whatever follows their head, and that what follows poisons no later call.
#[tokio::test]
async fn case_070_answers_without_a_body_have_none() {
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for (method, head) in [
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"),
    ] {
        let clean = RawOrigin::always(Script::answering(head)).await;
        let world = World::new();
        for _ in 0..3 {
            let answer = world.call(Request::new(method, clean.url("/"))).await.unwrap();
            assert!(answer.body.is_empty());
        }
        assert_eq!(clean.accepted(), 1, "the connection is used again");

        let dirty = RawOrigin::builder()
            .script(Script::new().expect_head().send(format!("{head}{evil}")).expect_head().send(evil).hang())
            .otherwise(Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
            .start()
            .await
            .unwrap();
        assert!(world.call(Request::new(method, dirty.url("/"))).await.unwrap().body.is_empty());
        dirty.connection(0).await.wait_closed().await;
        assert!(world.get(dirty.url("/")).await.unwrap().body.is_empty());
    }
}

/// Proves that a buffered body ends at its limit, to the byte, announced or not, and that the origin's connection closes.
#[tokio::test]
async fn case_071_073_a_buffered_body_ends_at_its_limit() {
    let origin = Origin::start().await;
    let world = World::with(|config| config.limits.buffered_body_bytes = 100_000);
    for route in ["bytes", "chunked"] {
        let fits = world.get(origin.url(&format!("/{route}/100000"))).await.unwrap();
        assert_eq!(fits.body, afield_testkit::pattern::bytes(0, 100_000));
        let error = world.refused(origin.url(&format!("/{route}/100001"))).await;
        assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::RESPONSE_BODY)));
        assert_eq!((error.blame(), error.phase()), (Blame::Origin, Some(Phase::Body)));
    }
    let error = world.refused(origin.url("/endless")).await;
    assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::RESPONSE_BODY)));
    let last = origin.requests().pop().unwrap();
    assert_eq!(last.wait_ended().await, Outcome::Abandoned);
    last.connection().wait_closed().await;
}

/// Proves that an announced length over the limit is refused before a byte of the body has come.
#[tokio::test]
async fn case_073_a_body_that_announces_too_much_is_refused_early() {
    let script =
        Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n").hang();
    let origin = RawOrigin::always(script).await;
    let error = World::new().refused(origin.url("/")).await;
    assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::RESPONSE_BODY)));
    origin.connection(0).await.wait_closed().await;
}

/// Proves that an origin which sends without end is held back by a consumer that does not read, and that dropping the body
/// closes its connection.
#[tokio::test]
async fn case_072_a_consumer_that_does_not_read_holds_the_origin_back() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let origin = RawOrigin::builder()
        .otherwise(Script::new().expect_head().send(head).flood("x"))
        .buffers(64 * 1024, 64 * 1024)
        .start()
        .await
        .unwrap();
    let mut response = World::new().egress.send(Request::get(origin.url("/"))).await.unwrap();
    let connection = origin.connection(0).await;
    let mut before = 0;
    // Once nothing more goes out in a while, all buffers are full.
    let settled = within("the origin is held back", async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            match connection.sent_count() {
                count if count == before && count > 0 => return count,
                count => before = count,
            }
        }
    })
    .await;
    assert!(settled < 16 * 1024 * 1024, "{settled} bytes were taken that nobody read");
    let mut read = 0;
    while read <= settled {
        read += response.body.next().await.unwrap().unwrap().len() as u64;
    }
    drop(response);
    connection.wait_closed().await;
}

/// Proves that a body is passed on as it came, whatever its encoding (trap 5).
#[tokio::test]
async fn case_074_nothing_is_decompressed() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", gzip.len())
            .into_bytes();
    answer.extend_from_slice(gzip);
    let answer = answered(answer).await.unwrap();
    assert_eq!(&answer.body[..], gzip);
    assert_eq!(answer.head.header("content-encoding").unwrap().value, "gzip");
    let origin = Origin::start().await;
    World::new().get(origin.url("/echo")).await.unwrap();
    assert!(origin.request(0).await.values("accept-encoding").is_empty(), "and none is asked for");
}

/// Proves that dropping a call before its head, or a body in its middle, closes the origin's connection.
#[tokio::test]
async fn dropping_cancels_through_to_the_origins_socket() {
    let origin = Origin::start().await;
    let world = World::new();
    {
        let mut call = std::pin::pin!(world.egress.send(Request::get(origin.url("/slow-head"))));
        tokio::select! {
            _ = &mut call => panic!("nothing was answered yet"),
            _ = origin.request(0) => {}
        }
    }
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
    origin.connection(0).await.wait_closed().await;

    let mut response = world.egress.send(Request::get(origin.url("/sse-open"))).await.unwrap();
    {
        let mut next = std::pin::pin!(response.body.next());
        assert!(futures_util::poll!(&mut next).is_pending());
    }
    drop(response);
    assert_eq!(origin.request(1).await.wait_ended().await, Outcome::Abandoned);
    origin.connection(1).await.wait_closed().await;
}

/// Proves that an origin may answer before it has read the whole upload.
#[tokio::test]
async fn an_early_answer_is_an_answer() {
    let origin = Origin::start().await;
    let stream = futures_util::stream::pending();
    let mut request = Request::new("POST", origin.url("/early/413"));
    request.body = afield_exchange::RequestBody::Stream { length: Some(1 << 30), stream: Box::pin(stream) };
    let answer = World::new().call(request).await.unwrap();
    assert_eq!(answer.head.status, 413);
}
