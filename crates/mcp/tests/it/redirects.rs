//! Which redirects are followed, and with what.

use crate::support::{Call, Call::*, Places, outcome, reference, response};
use afield_testkit::{RawOrigin, Script};

const JSON: &str = "content-type: application/json\r\n";
const PONG: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

fn redirect(status: u16, to: &str) -> Script {
    Script::new().expect_request().send(response(status, &format!("location: {to}\r\n"), "")).close()
}

/// An origin whose first connection redirects and whose others answer.
async fn origin(status: u16, to: &str, answer: &str) -> RawOrigin {
    let answer = Script::new().expect_request().send(answer.to_owned()).close();
    RawOrigin::builder().script(redirect(status, to)).otherwise(answer).start().await.unwrap()
}

/// The lines of a request but for its first, in the order of their names, and its body.
fn told(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().skip(1).collect();
    lines.sort_unstable();
    format!("{}\n{body}", lines.join("\n"))
}

/// Proves that 307 and 308 within the origin are followed with method, session and message intact.
#[tokio::test]
async fn redirects_that_keep_the_message_are_followed_within_the_origin() {
    let places = Places::start().await;
    let reference = reference();
    let stream = response(200, "content-type: text/event-stream\r\n", "data: x\n\n");
    for (call, status, answer) in [
        (PingInSession, 307, response(200, JSON, PONG)),
        (PingInSession, 308, response(200, JSON, PONG)),
        (GetInSession, 308, stream),
        (Delete, 307, response(200, "", "")),
    ] {
        let theirs =
            outcome(&reference, call, &origin(status, "/v2/mcp?a=b", &answer).await.url("/mcp")).await;
        for (place, transport) in places.each() {
            let origin = origin(status, "/v2/mcp?a=b", &answer).await;
            assert_eq!(
                outcome(transport, call, &origin.url("/mcp")).await,
                theirs,
                "{place}: {call:?}, {status}"
            );
            let (first, second) =
                (origin.connection(0).await.received(), origin.connection(1).await.received());
            assert!(String::from_utf8_lossy(&second).contains(" /v2/mcp?a=b HTTP/1.1\r\n"), "{place}");
            assert_eq!(told(&second), told(&first), "{place}: {call:?}, {status}");
        }
    }
}

async fn assert_not_followed(call: Call, status: u16, to: &str) {
    let places = Places::start().await;
    let reference = reference();
    let theirs = origin(status, to, &response(200, JSON, PONG)).await;
    let expected = outcome(&reference, call, &theirs.url("/mcp")).await;
    assert_eq!(theirs.accepted(), 1, "{call:?}, {status} to {to}");
    for (place, transport) in places.each() {
        let origin = origin(status, to, &response(200, JSON, PONG)).await;
        assert_eq!(
            outcome(transport, call, &origin.url("/mcp")).await,
            expected,
            "{place}: {call:?}, {status} to {to}"
        );
        assert_eq!(origin.accepted(), 1, "{place}: {call:?}, {status} to {to}");
    }
}

/// Proves that redirects that would lose the message are the answer.
#[tokio::test]
async fn redirects_that_would_lose_the_message_are_the_answer() {
    for status in [300, 301, 302, 303] {
        assert_not_followed(Ping, status, "/v2").await;
    }
    assert_not_followed(Get, 302, "/v2").await;
    assert_not_followed(Ping, 307, "http://[").await;
}

/// Proves that no other origin learns anything by a redirect: not even that there was one.
#[tokio::test]
async fn redirects_to_another_origin_are_the_answer() {
    let elsewhere = RawOrigin::always(Script::new()).await;
    for call in [PingInSession, GetInSession, Delete] {
        assert_not_followed(call, 308, &elsewhere.url("/mcp")).await;
    }
    assert_eq!(elsewhere.accepted(), 0);
}

/// Proves that a server that redirects in a circle is given up after ten redirects.
#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let places = Places::start().await;
    let theirs = RawOrigin::always(redirect(307, "/mcp")).await;
    assert_eq!(outcome(&reference(), Ping, &theirs.url("/mcp")).await, "Client(redirects)");
    for (place, transport) in places.each() {
        let origin = RawOrigin::always(redirect(307, "/mcp")).await;
        assert_eq!(outcome(transport, Ping, &origin.url("/mcp")).await, "Client(redirects)", "{place}");
        assert_eq!(origin.accepted(), theirs.accepted(), "{place}");
    }
}
