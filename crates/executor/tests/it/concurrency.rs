//! Calls run side by side, up to the limits.

use crate::support::{Base, Running, body, get, kind, stream};
use afield_testkit::{Origin, origin::Outcome, pattern};
use serde_json::json;

/// Proves that calls on the same connection are answered while an origin keeps one waiting for its head, and that the
/// waiting one can still be cancelled.
#[tokio::test]
async fn case_100_a_slow_origin_delays_nobody() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let mut slow = get(origin.url("/slow-head"));
    slow["requestId"] = json!("slow");
    let slow = peer.start("http/request", slow).await;
    let slow_at_origin = origin.request(0).await;
    for _ in 0..50 {
        assert_eq!(peer.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    }
    assert_eq!(slow_at_origin.outcome(), None, "the slow one still waits");
    peer.cancel("slow").await;
    assert_eq!(kind(&peer.answer(slow).await), "cancelled");
    assert_eq!(slow_at_origin.wait_ended().await, Outcome::Abandoned);
}

/// Proves that many streams and buffered calls at once on one connection each get their own bytes, whole and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_side_by_side_are_not_mixed_up() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let mut buffered = Vec::new();
    for n in 1..=20_usize {
        peer.start("http/request", stream(origin.url(&format!("/chunked/{}", n * 10_007)), &format!("s{n}")))
            .await;
        buffered
            .push((n, peer.start("http/request", get(origin.url(&format!("/bytes/{}", n * 1009)))).await));
    }
    for (n, id) in buffered {
        assert_eq!(body(&peer.answer(id).await), pattern::bytes(0, n * 1009));
    }
    for n in 1..=20 {
        assert_eq!(peer.rest(&format!("s{n}"), 1).await, (pattern::bytes(0, n * 10_007).to_vec(), None));
    }
}

/// Proves that calls over the limit of a session are refused at once and safely, that others go on, and that each end,
/// by answer, last frame, error or cancel, gives a place back.
#[tokio::test]
async fn case_099_calls_over_a_session_s_limit_are_refused_at_once() {
    let executor = Running::limited(|limits| limits.session_requests = 3).await;
    let origin = Origin::start().await;
    let mut peer = executor.connect().await;
    let first = peer.start("http/request", get(origin.url("/echo?gate=first"))).await;
    let second = peer.start("http/request", stream(origin.url("/sse-open"), "second")).await;
    peer.open_stream(origin.url("/half/10?then=third"), "third").await;
    assert_overloaded(&peer.request(get(origin.url("/echo"))).await);
    assert_overloaded(&peer.request(stream(origin.url("/echo"), "s")).await);
    assert_eq!(executor.connect().await.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    assert_eq!(peer.answer(second).await["result"]["status"], 200);

    origin.open_gate("first");
    assert_eq!(peer.answer(first).await["result"]["status"], 200);
    assert_eq!(kind(&peer.request(get("http://x.invalid/")).await), "dns");
    assert_eq!(peer.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    origin.open_gate("third");
    assert_eq!(peer.rest("third", 1).await.0.len(), 10);
    peer.cancel("second").await;
    assert_eq!(peer.rest("second", 1).await.1.as_deref(), Some("cancelled"));
    for n in 0..3 {
        peer.open_stream(origin.url("/sse-open"), &format!("again {n}")).await;
    }
    assert_overloaded(&peer.request(get(origin.url("/echo"))).await);
}

/// Proves that the limit of the whole executor counts every connection's calls, and that a place is free for whoever
/// has heard the last word of the call that had it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_099_calls_over_the_executor_s_limit_are_refused_at_once() {
    let executor = Running::limited(|limits| limits.requests = 2).await;
    let origin = Origin::start().await;
    let (mut one, mut two) = (executor.connect().await, executor.connect().await);
    let waiting = one.start("http/request", get(origin.url("/slow-head"))).await;
    two.open_stream(origin.url("/sse-open"), "s").await;
    origin.request(1).await;
    for peer in [&mut one, &mut two] {
        assert_overloaded(&peer.request(get(origin.url("/echo"))).await);
    }
    origin.open_gate("slow-head");
    assert_eq!(one.answer(waiting).await["result"]["status"], 200);
    for round in 0..200 {
        assert_eq!(two.request(get(origin.url("/echo"))).await["result"]["status"], 200, "round {round}");
        one.open_stream(origin.url("/bytes/10"), "t").await;
        assert_eq!(one.rest("t", 1).await.0.len(), 10);
    }
}

fn assert_overloaded(answer: &serde_json::Value) {
    assert_eq!((&answer["error"]["code"], kind(answer)), (&json!(-32603), "overloaded"), "{answer}");
    let data = &answer["error"]["data"];
    assert_eq!((&data["retry"], &data["blame"]), (&json!("safe"), &json!("operator")));
}
