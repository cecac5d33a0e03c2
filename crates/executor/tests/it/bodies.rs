//! Bodies in afield/1 at a running executor: what breaks their rules, and what just keeps them.

use crate::{
    resumable::{ask, begin, finished},
    support::Running,
};
use afield_testkit::{
    Origin, Peer, pattern,
    peer::{End, Message},
};
use serde_json::{Value, json};

const END: u8 = 1;
const ABORT: u8 = 2;

/// A binary message of an upload.
fn message(id: u64, flags: u8, offset: u64, payload: &[u8]) -> Vec<u8> {
    [&[2, flags][..], &id.to_be_bytes(), &offset.to_be_bytes(), payload].concat()
}

async fn put(peer: &mut Peer, id: u64, url: impl Into<String>, body: Value) {
    let params = json!({ "method": "PUT", "url": url.into(), "requestId": id, "body": body });
    peer.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
}

/// The next message of a response body.
async fn body_message(peer: &mut Peer, id: u64) -> Vec<u8> {
    let found = peer.find(|message| match message {
        Message::Binary(bytes) if bytes[2..10] == id.to_be_bytes() => Some(bytes.to_vec()),
        _ => None,
    });
    found.await
}

/// What the origin says it was sent: the answer of `/upload`.
fn seen(answer: &Value) -> Value {
    let body = crate::support::body(answer);
    serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{answer}"))
}

fn all_of(bytes: u64) -> Value {
    json!({ "bytes": bytes, "sha256": pattern::sha256(bytes) })
}

/// Proves that lists are refused with -32602 wherever there are to be objects, in both dialects, and that the connection
/// lives on (case 176).
#[tokio::test]
async fn lists_for_objects_are_refused_in_both_dialects() {
    let executor = Running::start().await;
    let mut base = executor.open().await;
    for (method, params) in
        [("initialize", json!(["c", null, null, null, null])), ("environment/info", json!([]))]
    {
        assert_eq!(base.call(method, params).await["error"]["code"], -32602, "{method}");
    }
    base.initialize(json!({ "clientName": "test" })).await;
    let (mut resumable, _) = begin(&executor).await;
    for peer in [&mut base, &mut resumable] {
        let name = |id: u64, is_base: bool| if is_base { json!("r") } else { json!(id) };
        let is_base = peer.call("session/sync", json!([])).await["error"]["code"] == -32601;
        let mut id = 100;
        let mut next = || {
            id += 1;
            (id, name(id, is_base))
        };
        let (whole, listed, body) = (next(), next(), next());
        for (id, params) in [
            (
                whole.0,
                json!([
                    "GET",
                    "http://h/",
                    [],
                    null,
                    null,
                    null,
                    null,
                    null,
                    "follow",
                    null,
                    whole.1,
                    false,
                    null
                ]),
            ),
            (
                listed.0,
                json!({ "method": "GET", "url": "http://h/", "requestId": listed.1, "headers": [["a", "b", null, null, null]] }),
            ),
            (
                body.0,
                json!({ "method": "PUT", "url": "http://h/", "requestId": body.1, "body": [true, null, false] }),
            ),
        ] {
            peer.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
            let answer = peer.answer(id).await;
            assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
        }
        let status = peer.call("environment/status", json!({})).await;
        assert_eq!(status["result"]["status"], "ready");
    }
}

/// Proves that bytes after the END of an upload change nothing, whether they come at once or when the answer has come: the
/// origin gets the body to its END, and the connection lives on (case 177).
#[tokio::test]
async fn bytes_after_end_of_an_upload_are_ignored() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let (mut peer, _) = begin(&executor).await;
    for (id, waits) in (1..).zip([false, true]) {
        put(&mut peer, id, origin.url("/upload"), json!({ "stream": true })).await;
        peer.send_binary(message(id, END, 0, &pattern::bytes(0, 3))).await;
        if waits {
            // The answer is held until it is acknowledged, and so is the request.
            peer.asked("http/request/consumed").await;
            peer.settle().await;
        }
        peer.send_binary(message(id, 0, 3, b"d")).await;
        peer.send_binary(message(id, END, 4, b"e")).await;
        assert_eq!(seen(&peer.answer(id).await), all_of(3), "waits: {waits}");
        finished(&mut peer, id).await;
    }
}

/// Proves that a body which ends at the window or a little below it arrives whole, END included, without any credit, in
/// either direction (case 178).
#[tokio::test]
async fn body_that_just_fits_its_window_needs_no_credit() {
    const WINDOW: usize = 65_536;
    let executor = Running::limited(|limits| limits.window_bytes = WINDOW).await;
    let origin = Origin::start().await;
    let (mut peer, _) = begin(&executor).await;
    let mut id = 0;
    for below in [0, 1, 53, 100] {
        let length = WINDOW - below;
        for path in ["bytes", "chunked"] {
            id += 1;
            ask(&mut peer, id, origin.url(&format!("/{path}/{length}"))).await;
            assert_eq!(peer.answer(id).await["result"]["status"], 200);
            let (mut body, mut ended) = (Vec::new(), false);
            while !ended {
                let message = body_message(&mut peer, id).await;
                assert_eq!(message[10..18], (body.len() as u64).to_be_bytes());
                body.extend_from_slice(&message[18..]);
                ended = message[1] & END != 0;
            }
            assert!(body == pattern::bytes(0, length), "{path}, {below} below the window");
            finished(&mut peer, id).await;
        }
        for announced in [json!(null), json!(length)] {
            id += 1;
            let gate = format!("g{id}");
            let url = origin.url(&format!("/drain-gated?gate={gate}"));
            put(&mut peer, id, url, json!({ "stream": true, "length": announced })).await;
            peer.send_binary(message(id, END, 0, &pattern::bytes(0, length))).await;
            origin.open_gate(&gate);
            assert_eq!(seen(&peer.answer(id).await), all_of(length as u64), "{below} below, {announced}");
            finished(&mut peer, id).await;
        }
    }
}

/// Proves that a body message over the limit closes the connection with 1008, whatever it is about, and that one of exactly
/// the limit is taken (case 179).
#[tokio::test]
async fn body_message_over_the_limit_closes_the_connection() {
    let origin = Origin::start().await;
    let small = |limits: &mut afield_exchange::Limits| limits.body_message_bytes = 1000;
    for (executor, most, why) in [
        (Running::start().await, 256 * 1024, "a body message carries more than 256 KiB"),
        (Running::limited(small).await, 1000, "a body message is over bodyMessageBytes"),
    ] {
        for is_held in [true, false] {
            let (mut peer, _) = begin(&executor).await;
            put(&mut peer, 1, origin.url("/upload"), json!({ "stream": true })).await;
            peer.send_binary(message(1, END, 0, &pattern::bytes(0, most))).await;
            assert_eq!(seen(&peer.answer(1).await), all_of(most as u64));
            let id = if is_held { 1 } else { 7 };
            peer.send_binary(message(id, 0, 0, &vec![0; most + 1])).await;
            assert_eq!(peer.end().await, End::Closed(1008, why.to_owned()), "held: {is_held}");
        }
    }
}

/// Proves that an upload that breaks its rules fails its request alone, with an error that names the fault and blames the
/// orchestrator, though the origin reads nothing; also an ABORT that says nothing (case 180).
#[tokio::test]
async fn upload_that_breaks_its_rules_is_blamed_on_the_caller() {
    const WINDOW: usize = 65_536;
    let executor = Running::limited(|limits| limits.window_bytes = WINDOW).await;
    let origin = Origin::start().await;
    let (mut peer, _) = begin(&executor).await;
    let full = pattern::bytes(0, WINDOW);
    type Messages<'a> = Vec<(u8, u64, &'a [u8])>;
    let cases: [(Value, Messages<'_>, &str, &str); 6] = [
        (
            json!(null),
            vec![(0, 0, &full), (0, WINDOW as u64, b"x")],
            "invalid_request",
            "http/request body is invalid: the body overruns its window: ",
        ),
        (
            json!(null),
            vec![(0, 0, b"abc"), (0, 4, b"x")],
            "invalid_request",
            "http/request body is invalid: body bytes are missing before offset 4",
        ),
        (
            json!(null),
            vec![(0, 0, b"abc"), (END, 0, b"a")],
            "invalid_request",
            "http/request body is invalid: the body ends at offset 1, after 3 bytes",
        ),
        (
            json!(5),
            vec![(END, 0, b"abc")],
            "invalid_request",
            "http/request body is invalid: the body is not of the length that was announced: 5 bytes",
        ),
        (
            json!(2),
            vec![(0, 0, b"abc")],
            "invalid_request",
            "http/request body is invalid: the body is not of the length that was announced: 2 bytes",
        ),
        (
            json!(null),
            vec![(0, 0, b"abc"), (END | ABORT, 3, b"")],
            "cancelled",
            "http/request failed: the request body was aborted",
        ),
    ];
    for (id, (length, messages, kind, why)) in (1..).zip(cases) {
        put(&mut peer, id, origin.url("/upload"), json!({ "stream": true, "length": length })).await;
        for (flags, offset, payload) in messages {
            peer.send_binary(message(id, flags, offset, payload)).await;
        }
        let error = peer.answer(id).await["error"].clone();
        assert!(error["message"].as_str().is_some_and(|text| text.starts_with(why)), "{why}: {error}");
        assert_eq!(
            (&error["data"]["kind"], &error["data"]["blame"]),
            (&json!(kind), &json!("caller")),
            "{error}"
        );
        finished(&mut peer, id).await;
    }
    ask(&mut peer, 50, origin.url("/status/204")).await;
    assert_eq!(peer.answer(50).await["result"]["status"], 204, "others are not touched");
}
