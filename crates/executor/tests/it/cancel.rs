//! `http/request/cancel`.

use crate::support::{Base, Running, get, kind, post, stream};
use afield_testkit::{Origin, origin::Outcome, pattern};
use serde_json::json;

/// Proves that a cancel of a call that waits for its head, and of one whose body is awaited, closes the origin's socket
/// and is answered with kind `cancelled`, once.
#[tokio::test]
async fn a_pending_call_is_cancelled_through_to_the_origin() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    for (index, (path, streamed)) in
        [("/slow-head", false), ("/slow-head", true), ("/half/1000?then=never", false)]
            .into_iter()
            .enumerate()
    {
        let id = peer.start("http/request", {
            let mut params = stream(origin.url(path), "c");
            params["streamResponse"] = json!(streamed);
            params
        });
        let id = id.await;
        let request = origin.request(index).await;
        peer.cancel("c").await;
        let answer = peer.answer(id).await;
        assert_eq!((&answer["error"]["code"], kind(&answer)), (&json!(-32603), "cancelled"));
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    }
    peer.settle().await;
    assert_eq!(peer.kept(), 0, "one answer each and nothing more");
}

/// Proves that a cancel of a stream, silent or in full flow, closes the origin's socket and ends the stream with one
/// last frame that says so; that a second cancel is nothing; and that the id is free.
#[tokio::test]
async fn a_stream_is_cancelled_with_exactly_one_end() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    for (index, path) in ["/sse-open", "/endless", "/half/1000?then=never"].into_iter().enumerate() {
        peer.open_stream(origin.url(path), "s").await;
        let request = origin.request(index).await;
        peer.cancel("s").await;
        peer.cancel("s").await;
        assert_eq!(peer.rest("s", 1).await.1.as_deref(), Some("cancelled"));
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
        peer.settle().await;
        assert_eq!(peer.kept(), 0, "nothing follows the last frame");
    }
    origin.wait_active(0).await;
}

/// Proves that an upload that the origin does not take is cancelled.
#[tokio::test]
async fn a_stuck_upload_is_cancelled() {
    let executor = Running::start().await;
    let origin = Origin::builder().receive_buffer(4096).start().await.unwrap();
    let mut peer = executor.connect().await;
    let url = origin.url("/drain-gated?first=1000&gate=never");
    let id = peer.start("http/request", post(url, &pattern::bytes(0, 16 * 1024 * 1024))).await;
    let request = origin.request(0).await;
    peer.cancel("upload").await;
    assert_eq!(kind(&peer.answer(id).await), "cancelled");
    // The origin does not read, so it learns of the end by what is missing from the body.
    origin.open_gate("never");
    assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    assert_eq!(request.body(), None);
}

/// Proves that a cancel that meets a call's end leaves it with one end, and that one about nothing is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_104_a_cancel_that_races_the_end_leaves_one_end() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    peer.cancel("nobody").await;
    for round in 0..200 {
        let (s, b) = (format!("s{round}"), format!("b{round}"));
        let stream_id = peer.start("http/request", stream(origin.url("/bytes/10"), &s)).await;
        let mut buffered = get(origin.url("/echo"));
        buffered["requestId"] = json!(b);
        let buffered_id = peer.start("http/request", buffered).await;
        if round % 2 == 0 {
            peer.settle().await;
        }
        peer.cancel(&s).await;
        peer.cancel(&b).await;
        if peer.answer(stream_id).await["error"].is_null() {
            let (bytes, error) = peer.rest(&s, 1).await;
            assert!(error.as_deref() == Some("cancelled") || bytes.len() == 10);
        }
        peer.answer(buffered_id).await;
        peer.settle().await;
        assert_eq!(peer.kept(), 0);
    }
}
