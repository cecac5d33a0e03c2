use crate::support::{ask, dial, rest, until};
use afield_testkit::origin::{Ending, Outcome};
use afield_testkit::{Origin, pattern};
use tokio::io::AsyncWriteExt;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Proves that headers are reported in wire order with their exact bytes, and a chunked body by length and hash.
#[tokio::test]
async fn echo_reports_what_was_on_the_wire() {
    let origin = Origin::on("127.66.0.9").await;
    let mut stream =
        dial(origin.address(), "POST /echo?a=b HTTP/1.1\r\nX-b: 1\r\nhOst: o\r\nx-B:  \u{e9} \r\n").await;
    stream
        .write_all(b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n")
        .await
        .unwrap();
    stream.write_all(b"0\r\ntrailer: t\r\n\r\n").await.unwrap();
    let answer = String::from_utf8(rest(stream).await).unwrap();
    let echo: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(echo["headers"][0], serde_json::json!(["X-b", "1"]));
    assert_eq!(echo["headers"][2], serde_json::json!(["x-B", "\\xc3\\xa9"]));
    assert_eq!(echo["bodyLength"], 5);
    assert_eq!(echo["bodySha256"], pattern::sha256_of("abcde"));
    let seen = origin.request(0).await;
    assert!(seen.raw_head().starts_with(b"POST /echo?a=b HTTP/1.1\r\nX-b: 1\r\n"));
    assert_eq!(seen.wait_ended().await, Outcome::Answered);
    assert_eq!(seen.connection().wait_closed().await, Ending::OriginClosed);
}

/// Proves that a body of known length and the same body in chunks are the pattern a test can hash for itself.
#[tokio::test]
async fn bodies_are_the_shared_pattern() {
    let origin = Origin::start().await;
    let answer = rest(dial(origin.address(), &get("/bytes/100000")).await).await;
    assert!(answer.ends_with(&pattern::bytes(90_000, 10_000)));
    let sized = ask(origin.address(), "HEAD /bytes/7 HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(sized.contains("content-length: 7\r\n") && sized.ends_with("\r\n\r\n"));
    let chunked = rest(dial(origin.address(), &get("/chunked/10")).await).await;
    let wanted = [&b"\r\n\r\na\r\n"[..], &pattern::bytes(0, 10), b"\r\n0\r\n\r\n"].concat();
    assert!(chunked.ends_with(&wanted), "{}", chunked.escape_ascii());
}

/// Proves that a test can await, without sleeping, that a client gave up on a silent answer.
#[tokio::test]
async fn a_client_that_leaves_is_noticed_while_the_origin_is_silent() {
    let origin = Origin::start().await;
    for (index, target) in
        ["/slow-head", "/sse-open", "/half/10?then=never", "/endless"].into_iter().enumerate()
    {
        let stream = dial(origin.address(), &get(target)).await;
        let request = origin.request(index).await;
        assert_eq!(request.outcome(), None);
        drop(stream);
        assert_eq!(request.wait_ended().await, Outcome::Abandoned, "{target}");
        let ending = request.connection().wait_closed().await;
        assert!(matches!(ending, Ending::PeerClosed | Ending::PeerReset), "{target}: {ending:?}");
    }
    origin.wait_active(0).await;
}

/// Proves that two requests on one connection are told apart and that a gate holds an answer until it is opened.
#[tokio::test]
async fn a_gate_holds_an_answer_back() {
    let origin = Origin::start().await;
    let mut stream = dial(origin.address(), "GET /status/204 HTTP/1.1\r\n\r\n").await;
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 204 No Content"));
    stream.write_all(get("/count?key=k&gate=g").as_bytes()).await.unwrap();
    let held = origin.request(1).await;
    assert_eq!((held.outcome(), origin.executions("k"), origin.accepted()), (None, 0, 1));
    origin.open_gate("g");
    assert_eq!(body(&String::from_utf8(rest(stream).await).unwrap()), r#"{"executions":1}"#);
}

/// Proves that events are numbered and end after the asked count.
#[tokio::test]
async fn events_are_counted() {
    let origin = Origin::start().await;
    let answer = ask(origin.address(), &get("/sse?n=2&from=5&every_ms=1")).await;
    assert!(
        answer.contains("id: 5\ndata: event 5\n\n")
            && answer.contains("id: 6\n")
            && !answer.contains("id: 7\n")
    );
}

/// Proves that an origin that refuses to read an upload leaves it unread.
#[tokio::test]
async fn a_gated_drain_reads_no_more_than_asked() {
    let origin = Origin::builder().receive_buffer(4096).start().await.unwrap();
    let head =
        "POST /drain-gated?first=10&gate=go HTTP/1.1\r\ncontent-length: 4000000\r\nconnection: close\r\n\r\n";
    let stream = dial(origin.address(), head).await;
    let (read, mut write) = stream.into_split();
    let upload = tokio::spawn(async move {
        write.write_all(&pattern::bytes(0, 4_000_000)).await.unwrap();
        write
    });
    let request = origin.request(0).await;
    request.connection().wait_bytes_read(head.len() as u64 + 10).await;
    assert!(!upload.is_finished() && request.body().is_none() && request.connection().bytes_read() < 100_000);
    origin.open_gate("go");
    let answer = String::from_utf8(rest(read).await).unwrap();
    assert!(answer.contains(&pattern::sha256(4_000_000)), "{answer}");
    drop(upload.await.unwrap());
}

/// Proves that a redirect's target may be a whole URL, and that headers asked for come in order.
#[tokio::test]
async fn redirects_and_headers_are_as_asked() {
    let origin = Origin::start().await;
    let answer = ask(origin.address(), &get("/redirect?to=http://a.test/%3Fq&code=307")).await;
    assert!(
        answer.starts_with("HTTP/1.1 307 ") && answer.contains("location: http://a.test/?q\r\n"),
        "{answer}"
    );
    let answer = ask(origin.address(), &get("/headers?x=1&Y=2&x=%C3%A9")).await;
    assert!(answer.contains("\r\nx: 1\r\nY: 2\r\nx: \u{e9}\r\n"), "{answer}");
}
