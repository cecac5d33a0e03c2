//! An executor that is told to stop.

use crate::support::{Base, Running, get, kind, stream};
use afield_testkit::{Origin, origin::Outcome, pattern, peer::End};
use serde_json::json;
use std::time::Duration;

/// Proves that active calls finish, whatever they are, while new ones are refused safely and readiness says no; and that
/// the end is a close with 1001 once the last has ended.
#[tokio::test]
async fn case_108_a_drain_lets_active_calls_finish() {
    let (mut executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let mut idle = executor.connect().await;
    let buffered = peer.start("http/request", get(origin.url("/echo?gate=buffered"))).await;
    peer.open_stream(origin.url("/half/1000?then=stream"), "s").await;
    origin.request(1).await;
    assert_eq!(executor.readyz().await, 200);

    executor.stop();
    while executor.readyz().await != 503 {}
    for peer in [&mut peer, &mut idle] {
        for refused in
            [peer.request(get(origin.url("/echo"))).await, peer.request(stream(origin.url("/"), "t")).await]
        {
            assert_eq!((kind(&refused), &refused["error"]["data"]["retry"]), ("overloaded", &json!("safe")));
            assert!(refused["error"]["message"].as_str().unwrap().contains("stopping"), "{refused}");
        }
    }
    let refused = executor.open().await.call("initialize", json!({ "clientName": "late" })).await;
    assert_eq!((kind(&refused), &refused["error"]["data"]["retry"]), ("overloaded", &json!("safe")));

    origin.open_gate("buffered");
    assert_eq!(peer.answer(buffered).await["result"]["status"], 200);
    origin.open_gate("stream");
    assert_eq!(peer.rest("s", 1).await, (pattern::bytes(0, 1000).to_vec(), None));
    for mut peer in [peer, idle] {
        assert_eq!(peer.end().await, End::Closed(1001, "the executor is stopping".to_owned()));
    }
    executor.ended().await;
    assert_eq!(origin.received(), 2);
}

/// Proves that no answer is lost to a drain that ends with it: the last call's answer, of whatever kind and size, comes
/// before the close.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_that_ends_a_drain_is_heard() {
    for round in 0..30 {
        let (mut executor, origin) = (Running::start().await, Origin::start().await);
        let mut peer = executor.connect().await;
        let url = origin.url("/bytes/300000?gate=g");
        let streamed = round % 2 == 0;
        let params = if streamed { stream(url, "s") } else { get(url) };
        let id = peer.start("http/request", params).await;
        origin.request(0).await;
        executor.stop();
        origin.open_gate("g");
        assert_eq!(peer.answer(id).await["result"]["status"], 200);
        if streamed {
            assert_eq!(peer.rest("s", 1).await, (pattern::bytes(0, 300_000).to_vec(), None));
        }
        assert_eq!(peer.end().await, End::Closed(1001, "the executor is stopping".to_owned()));
        executor.ended().await;
    }
}

/// Proves that what has not ended within the grace is ended with an error that its caller hears, through to the origin,
/// before the close.
#[tokio::test]
async fn case_108_the_end_of_the_grace_is_heard_by_every_caller() {
    let mut executor = Running::with(|config| config.grace = Duration::from_millis(100)).await;
    let origin = Origin::start().await;
    let mut peer = executor.connect().await;
    let calls = [
        peer.start("http/request", get(origin.url("/slow-head"))).await,
        peer.start("http/request", stream(origin.url("/slow-head"), "no head")).await,
    ];
    peer.open_stream(origin.url("/sse-open"), "silent").await;
    peer.open_stream(origin.url("/endless"), "endless").await;
    // To this one nothing is owed but a last frame.
    let mut quiet = executor.connect().await;
    quiet.open_stream(origin.url("/sse-open"), "silent").await;
    let requests = [0, 1, 2, 3, 4].map(|index| origin.request(index));
    let requests = futures_util::future::join_all(requests).await;
    executor.stop();
    for id in calls {
        let answer = peer.answer(id).await;
        assert_eq!(
            (kind(&answer), &answer["error"]["data"]["retry"]),
            ("session_lost", &json!("unknown")),
            "{answer}"
        );
        assert_eq!(answer["error"]["data"]["blame"], "operator");
    }
    for id in ["silent", "endless"] {
        let error = peer.rest(id, 1).await.1.unwrap();
        assert!(error.contains("stopped"), "{error}");
    }
    assert!(quiet.rest("silent", 1).await.1.unwrap().contains("stopped"));
    for mut peer in [peer, quiet] {
        assert_eq!(peer.end().await, End::Closed(1001, "the executor is stopping".to_owned()));
    }
    for request in requests {
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    }
    executor.ended().await;
}

/// Proves that peers that do not read, or never finish their upgrade, hold no executor up.
#[tokio::test]
async fn a_drain_ends_whatever_its_peers_do() {
    let mut executor = Running::with(|config| config.grace = Duration::from_millis(100)).await;
    let origin = Origin::start().await;
    let mut deaf = afield_testkit::Upgrade::to(executor.address).receive_buffer(4096).open().await.unwrap();
    deaf.initialize(json!({ "clientName": "deaf" })).await;
    deaf.start("http/request", stream(origin.url("/endless"), "s")).await;
    let request = origin.request(0).await;
    let _half_open = tokio::net::TcpStream::connect(executor.address).await.unwrap();
    executor.stop();
    assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    executor.ended().await;
}

/// Proves that a connection that resumes its session is let in while the executor drains, and is told of the end like
/// all others.
#[tokio::test]
async fn a_session_can_be_resumed_during_a_drain() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut first = executor.open().await;
    let session = first.initialize(json!({ "clientName": "test" })).await["sessionId"].take();
    let mut other = executor.connect().await;
    let waiting = other.start("http/request", get(origin.url("/slow-head"))).await;
    origin.request(0).await;
    executor.stop();
    while executor.readyz().await != 503 {}
    let mut second = executor.open().await;
    second.initialize(json!({ "clientName": "test", "resumeSessionId": session })).await;
    assert!(matches!(first.end().await, End::Closed(4001, _)));
    origin.open_gate("slow-head");
    assert_eq!(other.answer(waiting).await["result"]["status"], 200);
    assert!(matches!(second.end().await, End::Closed(1001, _)));
}

/// Proves that dropping a running executor ends everything at once: its listener, its connections, its exchanges.
#[tokio::test]
async fn case_108_a_second_stop_ends_everything_at_once() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    peer.open_stream(origin.url("/sse-open"), "s").await;
    let request = origin.request(0).await;
    executor.stop();
    executor.stop_at_once();
    assert!(matches!(peer.end().await, End::Lost(_)));
    assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    assert!(tokio::net::TcpStream::connect(executor.address).await.is_err());
}
