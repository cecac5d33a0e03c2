//! The main job: HTTP performed over here for somebody over there.

use crate::support::{Base, Running, body, get, kind, post, stream};
use afield_testkit::{Gate, Origin, RawOrigin, Script, pattern};
use serde_json::json;

/// Proves that a buffered call reaches the origin as it was made and its answer comes back whole.
#[tokio::test]
async fn a_buffered_call_is_performed_and_answered_whole() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let mut params = post(origin.url("/mirror?a=b"), b"the body \x00\xff");
    params["headers"] = json!([
        { "name": "X-One", "value": "1" },
        { "name": "x-one", "value": "2" },
        { "name": "X-Bytes", "value": "\u{fffd}", "valueBase64": "gP8=" },
        { "name": "content-type", "value": "text/x-test" },
    ]);
    let answer = peer.request(params).await;
    assert_eq!(answer["result"]["status"], 200);
    assert_eq!(body(&answer), b"the body \x00\xff");
    let headers = answer["result"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!({ "name": "content-type", "value": "text/x-test" })), "{headers:?}");
    let request = origin.request(0).await;
    assert_eq!((request.method(), request.target()), ("POST", "/mirror?a=b"));
    assert_eq!(request.values("x-one"), [b"1", b"2"]);
    assert_eq!(request.values("x-bytes"), [b"\x80\xff"]);
}

/// Proves that a header value that is not UTF-8 comes back without loss.
#[tokio::test]
async fn case_069_an_answer_s_header_that_is_not_utf_8_is_carried() {
    let executor = Running::start().await;
    let answer = b"HTTP/1.1 200 OK\r\nx-bytes: \xe9\xff\r\ncontent-length: 0\r\n\r\n";
    let origin = RawOrigin::always(Script::answering(&answer[..])).await;
    let answer = executor.connect().await.request(get(origin.url("/"))).await;
    let headers = answer["result"]["headers"].as_array().unwrap();
    let carried = json!({ "name": "x-bytes", "value": "\u{e9}\u{ff}", "valueBase64": "6f8=" });
    assert!(headers.contains(&carried), "{headers:?}");
}

/// Proves the order of a streamed call: the head while the body is still held back, its bytes, one last frame.
#[tokio::test]
async fn a_streamed_call_is_its_head_its_bytes_and_one_last_frame() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let head = peer.open_stream(origin.url("/half/1000?then=rest"), "s").await;
    assert_eq!(head["status"], 200);
    let first = peer.delta("s").await;
    assert_eq!((first.seq, first.done), (1, false));
    assert_eq!(first.bytes, pattern::bytes(0, 500));
    origin.open_gate("rest");
    let (rest, error) = peer.rest("s", 2).await;
    assert_eq!(error, None);
    assert_eq!(rest, pattern::bytes(500, 500));
    peer.settle().await;
    assert_eq!(peer.kept(), 0, "nothing follows the last frame");
}

/// Proves that the last frame of an empty body comes at once.
#[tokio::test]
async fn a_streamed_call_with_an_empty_body_has_its_last_frame_alone() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    assert_eq!(peer.open_stream(origin.url("/status/204"), "s").await["status"], 204);
    assert_eq!(peer.rest("s", 1).await, (Vec::new(), None));
}

/// Proves that each event is there before the origin has sent the next.
#[tokio::test]
async fn events_come_as_they_arrive() {
    let executor = Running::start().await;
    let gate = Gate::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let script =
        Script::new().expect_head().send(head).drip_by(&gate, "data: 1\n\ndata: 2\n\ndata: 3\n\n", 9);
    let origin = RawOrigin::always(script.close()).await;
    let mut peer = executor.connect().await;
    peer.open_stream(origin.url("/"), "events").await;
    for seq in 1..=3 {
        gate.pass(1);
        let delta = peer.delta("events").await;
        assert_eq!((delta.seq, delta.bytes), (seq, format!("data: {seq}\n\n").into_bytes()));
    }
    assert_eq!(peer.rest("events", 4).await, (Vec::new(), None));
}

/// Proves that a burst that ends in less than a full delta is delivered to its last byte though the stream goes on in
/// silence: what waits for company does not wait for ever.
#[tokio::test]
async fn the_rest_of_a_burst_does_not_wait_for_the_next() {
    let executor = Running::limited(|limits| limits.body_message_bytes = 1000).await;
    let origin = Origin::start().await;
    let mut peer = executor.connect().await;
    for round in 0..10 {
        let id = format!("s{round}");
        peer.open_stream(origin.url(&format!("/half/{}?then=never", 2 * 1700)), &id).await;
        let mut bytes = Vec::new();
        while bytes.len() < 1700 {
            bytes.extend(peer.delta(&id).await.bytes);
        }
        assert_eq!(bytes, pattern::bytes(0, 1700));
        assert_eq!(peer.pings(), 0, "it came by itself, not with the next ping");
    }
}

/// Proves that a body of tens of megabytes arrives whole, in frames of the limit's size, with and without a known length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_is_streamed_intact() {
    const LENGTH: u64 = 24 * 1024 * 1024;
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    for (id, path) in [("a", "bytes"), ("b", "chunked")] {
        peer.open_stream(origin.url(&format!("/{path}/{LENGTH}")), id).await;
        let (bytes, error) = peer.rest(id, 1).await;
        assert_eq!(error, None);
        assert_eq!(pattern::sha256_of(bytes), pattern::sha256(LENGTH));
    }
}

/// Proves that a request body of megabytes reaches the origin whole.
#[tokio::test]
async fn a_large_upload_arrives_intact() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let answer =
        executor.connect().await.request(post(origin.url("/upload"), &pattern::bytes(0, LENGTH))).await;
    let said: serde_json::Value = serde_json::from_slice(&body(&answer)).unwrap();
    assert_eq!(said, json!({ "bytes": LENGTH, "sha256": pattern::sha256(LENGTH as u64) }));
}

/// Proves that a buffered body at its limit is answered, and one byte more refused, announced or not, with the origin's
/// connection closed.
#[tokio::test]
async fn case_071_a_buffered_body_over_the_limit_is_refused() {
    let executor = Running::limited(|limits| limits.buffered_body_bytes = 100_000).await;
    let origin = Origin::start().await;
    let mut peer = executor.connect().await;
    for path in ["bytes", "chunked"] {
        assert_eq!(body(&peer.request(get(origin.url(&format!("/{path}/100000")))).await).len(), 100_000);
        let refused = peer.request(get(origin.url(&format!("/{path}/100001")))).await;
        assert_eq!(refused["error"]["code"], -32022, "{refused}");
        assert_eq!(
            (kind(&refused), &refused["error"]["data"]["detail"]),
            ("too_large", &json!("response_body"))
        );
    }
    let endless = peer.request(get(origin.url("/endless"))).await;
    assert_eq!(endless["error"]["code"], -32022);
    let requests = origin.requests();
    requests.last().unwrap().wait_ended().await;
    assert!(
        peer.request(stream(origin.url("/bytes/100001"), "s")).await["error"].is_null(),
        "streamed it may pass"
    );
}

/// Proves that a body that was cut is an error in the last frame, after the bytes that came, and never a clean end; and
/// for a buffered call an error and no body.
#[tokio::test]
async fn case_059_a_body_that_is_cut_is_an_error() {
    let executor = Running::start().await;
    let script =
        Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").close();
    let origin = RawOrigin::always(script).await;
    let mut peer = executor.connect().await;
    peer.open_stream(origin.url("/"), "s").await;
    let (bytes, error) = peer.rest("s", 1).await;
    assert_eq!(bytes, b"half");
    assert!(error.is_some());
    let buffered = peer.request(get(origin.url("/"))).await;
    assert_eq!(buffered["error"]["code"], -32603);
    let message = buffered["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("failed to read http/request response body: "), "{message}");
    assert_eq!((kind(&buffered), &buffered["error"]["data"]["phase"]), ("origin_protocol", &json!("body")));
}

/// Proves what `initialize` tells, and that the environment can be asked for.
#[tokio::test]
async fn the_environment_is_told() {
    let executor = Running::limited(|limits| limits.session_requests = 7).await;
    let mut peer = executor.open().await;
    let result =
        peer.initialize(json!({ "clientName": "test", "dialects": ["later/9"], "unknown": 1 })).await;
    assert!(result["sessionId"].as_str().unwrap().len() >= 32);
    assert!(result["dialect"].is_null(), "an unknown dialect means base");
    assert_eq!(result["limits"]["sessionRequests"], 7);
    let environment = &result["environmentInfo"];
    assert_eq!(
        environment["capabilities"],
        json!({
            "httpHeaderEnvVars": true,
            "httpHeaderSecrets": true,
            "httpRequestCancel": true,
            "environmentConfigRead": true,
        })
    );
    assert!(environment["cwd"].as_str().unwrap().starts_with("file:///"));
    assert_eq!(peer.call("environment/info", json!({})).await["result"], *environment);
    assert_eq!(peer.call("environment/status", json!({})).await["result"], json!({ "status": "ready" }));
}
