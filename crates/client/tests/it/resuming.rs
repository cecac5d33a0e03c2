//! A lost connection in afield/1: what is under way goes on, and nobody but those who watch sees anything of it.

use crate::support::{Running, connect, lost};
use afield_client::{ConnectionState, HttpClient, Remote};
use afield_egress::EgressConfig;
use afield_exchange::{Kind, Limits, Phase, Request, RequestBody, Retry};
use afield_executor::Config;
use afield_testkit::{
    Origin, RawOrigin, Script, Toxic,
    origin::Outcome,
    pattern,
    toxic::{Cut, Way},
    within,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

async fn through_toxic(executor: &Running) -> (Toxic, Remote) {
    let toxic = Toxic::start(executor.address).await;
    let remote = connect(format!("ws://{}", toxic.address())).await;
    (toxic, remote)
}

/// An executor that keeps sessions for so long.
async fn with_grace(grace: Duration) -> Running {
    let limits = Limits { grace, ..Limits::default() };
    Running::with(Config { egress: EgressConfig { limits, ..EgressConfig::default() }, ..Config::default() })
        .await
}

async fn state(watch: &mut watch::Receiver<ConnectionState>, wanted: impl FnMut(&ConnectionState) -> bool) {
    within("the connection's state", watch.wait_for(wanted)).await.unwrap();
}

fn connected(resumed: u32) -> ConnectionState {
    ConnectionState::Connected { dialect: "afield/1".into(), resumed }
}

/// Proves that a pending call, a body and an upload go on after the connection was lost, by RST as by FIN, that each was
/// sent to the origin once, and that a watcher sees the loss and the return.
#[tokio::test]
async fn case_106_what_is_under_way_goes_on() {
    for cut in [Cut::Reset, Cut::Close] {
        let (origin, executor) = tokio::join!(Origin::start(), Running::start());
        let (toxic, remote) = through_toxic(&executor).await;
        let mut watch = remote.watch();
        assert_eq!(*watch.borrow_and_update(), connected(0));
        let spawn = |request: Request| {
            let remote = remote.clone();
            tokio::spawn(async move { remote.call(request).await.unwrap().body })
        };
        let pending = spawn(Request::get(origin.url("/count?key=pending&gate=go")));
        origin.request(0).await;
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let pieces = tokio_stream(receiver).map(Ok);
        let body = RequestBody::Stream { length: None, stream: Box::pin(pieces) };
        let upload = spawn(Request::new("PUT", origin.url("/upload")).body(body));
        sender.send(pattern::bytes(0, 1000)).unwrap();
        origin.request(1).await;
        let mut response = remote.stream(Request::get(origin.url("/half/1000?then=rest"))).await.unwrap();
        let first = response.body.next().await.unwrap().unwrap();

        toxic.cut(cut);
        state(&mut watch, |state| {
            matches!(
                state,
                ConnectionState::Reconnecting { .. } | ConnectionState::Connected { resumed: 1, .. }
            )
        })
        .await;
        state(&mut watch, |state| *state == connected(1)).await;

        origin.open_gate("go");
        origin.open_gate("rest");
        sender.send(pattern::bytes(1000, 500)).unwrap();
        drop(sender);
        assert_eq!(within("the call", pending).await.unwrap(), r#"{"executions":1}"#);
        let seen: serde_json::Value =
            serde_json::from_slice(&within("the upload", upload).await.unwrap()).unwrap();
        assert_eq!(seen["sha256"], pattern::sha256(1500));
        let mut body = first.to_vec();
        while let Some(bytes) = within("the body", response.body.next()).await {
            body.extend_from_slice(&bytes.unwrap());
        }
        assert_eq!(body, pattern::bytes(0, 1000));
        assert_eq!((origin.received(), toxic.accepted()), (3, 2), "{cut:?}");
    }
}

fn tokio_stream(
    mut receiver: tokio::sync::mpsc::UnboundedReceiver<Bytes>,
) -> impl futures_util::Stream<Item = Bytes> {
    stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

/// Proves that an exchange that begins while the connection is lost waits for it, and is sent once it is back.
#[tokio::test]
async fn what_begins_meanwhile_waits() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let (toxic, remote) = through_toxic(&executor).await;
    let mut open = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    let mut watch = remote.watch();
    toxic.refuse();
    toxic.cut(Cut::Reset);
    state(&mut watch, |state| matches!(state, ConnectionState::Reconnecting { attempts: 1.., .. })).await;
    let mut call = remote.call(Request::get(origin.url("/count?key=meanwhile")));
    assert!(futures_util::poll!(&mut call).is_pending());
    toxic.heal();
    assert_eq!(within("the call", call).await.unwrap().body, r#"{"executions":1}"#);
    assert!(futures_util::poll!(std::pin::pin!(open.body.next())).is_pending(), "the stream is open");
}

/// Proves that an exchange that is given up while the connection is lost ends at the origin as soon as it is back, and one
/// that had not been sent never is.
#[tokio::test]
async fn what_is_given_up_meanwhile_ends_at_the_origin() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let (toxic, remote) = through_toxic(&executor).await;
    let _open = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    let pending = {
        let (remote, url) = (remote.clone(), origin.url("/slow-head"));
        tokio::spawn(async move { remote.call(Request::get(url)).await.map(drop) })
    };
    let request = origin.request(1).await;
    let mut watch = remote.watch();
    toxic.refuse();
    toxic.cut(Cut::Close);
    state(&mut watch, |state| matches!(state, ConnectionState::Reconnecting { .. })).await;
    let mut unsent = remote.call(Request::get(origin.url("/count?key=unsent")));
    assert!(futures_util::poll!(&mut unsent).is_pending());
    drop(unsent);
    pending.abort();
    toxic.heal();
    assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    remote.call(Request::get(origin.url("/status/200"))).await.unwrap();
    assert_eq!((origin.executions("unsent"), origin.received()), (0, 3));
}

/// Proves that when the executor was killed and started again, what was under way fails when the grace is over, as lost and
/// possibly executed, and the next exchange has a new session at once. (Whether another executor answers for good, or for a
/// moment behind a balancer, cannot be told.)
#[tokio::test]
async fn case_107_a_session_that_is_gone_is_told() {
    let origin = Origin::start().await;
    let executor = with_grace(Duration::from_secs(2)).await;
    let remote = connect(executor.url()).await;
    let mut response = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    let pending = {
        let (remote, url) = (remote.clone(), origin.url("/slow-head"));
        tokio::spawn(async move { remote.call(Request::get(url)).await.map(drop) })
    };
    let requests = [origin.request(0).await, origin.request(1).await];
    let address = executor.kill().await;
    for request in requests {
        assert_eq!(request.wait_ended().await, Outcome::Abandoned, "a dead executor leaves nothing behind");
    }
    let _again = Running::at(address, Config::default()).await;
    let mut watch = remote.watch();
    state(&mut watch, |state| {
        matches!(state, ConnectionState::Reconnecting { failed: Some(why), .. } if why.contains("another executor"))
    })
    .await;
    assert_eq!(remote.call(Request::get(origin.url("/status/204"))).await.unwrap().head.status, 204);
    let error = within("the call fails", pending).await.unwrap().unwrap_err();
    assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, None), "{error:?}");
    let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
    assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, Some(Phase::Body)), "{error:?}");
}

/// Proves that an executor that stays out of reach is given up when the grace is over, and that the executor then ends what
/// it was performing for the client that has not come back.
#[tokio::test]
async fn case_090_both_ends_give_up_when_the_grace_is_over() {
    let origin = Origin::start().await;
    let executor = with_grace(Duration::from_millis(700)).await;
    let (toxic, remote) = through_toxic(&executor).await;
    let mut response = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    let request = origin.request(0).await;
    let mut watch = remote.watch();
    toxic.refuse();
    toxic.cut(Cut::Reset);
    assert!(request.outcome().is_none(), "it goes on for the grace");
    let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
    assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, Some(Phase::Body)), "{error:?}");
    assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    state(&mut watch, |state| *state == ConnectionState::Idle).await;
    toxic.heal();
    assert!(
        remote.call(Request::get(origin.url("/status/200"))).await.is_ok(),
        "the next one has a new session"
    );
}

/// Proves that a connection that is lost while nothing is under way is not sought: the next exchange makes another.
#[tokio::test]
async fn an_idle_connection_is_not_sought() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let (toxic, remote) = through_toxic(&executor).await;
    remote.call(Request::get(origin.url("/status/200"))).await.unwrap();
    let mut watch = remote.watch();
    toxic.cut(Cut::Reset);
    state(&mut watch, |state| *state == ConnectionState::Idle).await;
    assert_eq!(toxic.accepted(), 1);
    assert!(remote.call(Request::get(origin.url("/status/200"))).await.is_ok());
    assert_eq!(toxic.accepted(), 2);
}

/// Proves that a half-open connection, on which nothing arrives any more and nobody says so, is found out by silence and
/// replaced, and that the call on it is answered.
#[tokio::test(start_paused = true)]
async fn case_090_a_half_open_connection_is_replaced() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let (toxic, remote) = through_toxic(&executor).await;
    let call = {
        let (remote, url) = (remote.clone(), origin.url("/count?key=half-open&gate=go"));
        tokio::spawn(async move { remote.call(Request::get(url)).await.unwrap().body })
    };
    origin.request(0).await;
    toxic.swallow();
    origin.open_gate("go");
    let mut watch = remote.watch();
    watch.mark_unchanged();
    // Pings go unanswered for the length of the silence.
    tokio::time::sleep(Duration::from_secs(50)).await;
    toxic.heal();
    assert_eq!(call.await.unwrap(), r#"{"executions":1}"#);
    assert_eq!(origin.executions("half-open"), 1);
}

/// Proves that an upload is read from its producer only as fast as the origin takes it: what is between the two is bounded.
#[tokio::test]
async fn an_origin_that_does_not_read_holds_the_producer_back() {
    const PIECE: usize = 64 * 1024;
    let origin = Origin::builder().receive_buffer(64 * 1024).start().await.unwrap();
    let executor = Running::start().await;
    let remote = connect(executor.url()).await;
    let produced = Arc::new(AtomicU64::new(0));
    let counter = produced.clone();
    let total = 40 * 1024 * 1024_u64;
    let pieces = stream::iter((0..total / PIECE as u64).map(move |at| {
        counter.fetch_add(PIECE as u64, Ordering::Relaxed);
        Ok(pattern::bytes(at * PIECE as u64, PIECE))
    }));
    let body = RequestBody::Stream { length: Some(total), stream: Box::pin(pieces) };
    let request = Request::new("PUT", origin.url("/drain-gated?gate=go")).body(body);
    let call = tokio::spawn(async move { remote.call(request).await });
    origin.request(0).await;
    // Whoever could go on producing has had every chance to.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = produced.load(Ordering::Relaxed);
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    let held = produced.load(Ordering::Relaxed);
    assert!(held < 16 * 1024 * 1024, "{held} bytes are on the way");
    origin.open_gate("go");
    let answer = within("the answer", call).await.unwrap().unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(seen, serde_json::json!({ "bytes": total, "sha256": pattern::sha256(total) }));
}

/// Proves that an origin that answers before the upload has ended is heard, and that the upload stops.
#[tokio::test]
async fn an_early_answer_is_delivered_and_the_upload_stops() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let remote = connect(executor.url()).await;
    let dropped = Arc::new(());
    let held = dropped.clone();
    let endless = stream::repeat_with(move || {
        let _ = &held;
        Ok(Bytes::from_static(&[7; 16 * 1024]))
    });
    let body = RequestBody::Stream { length: None, stream: Box::pin(endless) };
    let answer = remote.call(Request::new("POST", origin.url("/early/413")).body(body));
    assert_eq!(within("the answer", answer).await.unwrap().head.status, 413);
    within("the producer is let go", async {
        while Arc::strong_count(&dropped) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(remote.call(Request::get(origin.url("/status/200"))).await.is_ok());
}

/// Proves that an origin that answers whole before the upload has ended, and then neither closes nor reads to an end, is let
/// go: the executor's connection to it closes once the answer is taken.
#[tokio::test]
async fn an_origin_that_has_answered_is_let_go_though_the_upload_has_not_ended() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let origin = RawOrigin::always(Script::new().expect_head().send(answer).hang()).await;
    let executor = Running::start().await;
    let remote = connect(executor.url()).await;
    let first = stream::iter([Ok(Bytes::from_static(b"the first of many"))]);
    let body = RequestBody::Stream { length: None, stream: Box::pin(first.chain(stream::pending())) };
    let call = remote.call(Request::new("POST", origin.url("/")).body(body));
    assert_eq!(within("the answer", call).await.unwrap().body, "ok");
    origin.connection(0).await.wait_closed().await;
}

/// Proves that one stream nobody reads holds no more than its window, for as long as it likes, and hurts none of the
/// hundred beside it; read at last, it is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_102_a_stream_left_unread_hurts_nobody() {
    const LENGTH: u64 = 20 * 1024 * 1024;
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let remote = connect(executor.url()).await;
    let mut unread =
        remote.stream(Request::get(origin.url(&format!("/chunked/{LENGTH}")))).await.unwrap().body;
    let others = (0..100).map(|_| {
        let (remote, url) = (remote.clone(), origin.url("/chunked/1000000"));
        async move {
            let body = remote.stream(Request::get(url)).await.unwrap().body;
            body.collect(2_000_000).await.unwrap().len()
        }
    });
    let lengths: Vec<usize> = stream::iter(others).buffer_unordered(20).collect().await;
    assert_eq!(lengths, [1_000_000; 100]);
    let mut read = 0;
    while let Some(piece) = within("the rest", unread.next()).await {
        let piece = piece.unwrap();
        assert!(piece == pattern::bytes(read, piece.len()));
        read += piece.len() as u64;
    }
    assert_eq!(read, LENGTH);
}

/// Proves that nothing is left at the executor when exchanges have ended, whichever way they did: it drains at once.
#[tokio::test]
async fn case_103_nothing_is_left_behind() {
    let origin = Origin::start().await;
    let limits = Limits { session_requests: 4, requests: 4, ..Limits::default() };
    let executor = Running::with(Config {
        egress: EgressConfig { limits, ..EgressConfig::default() },
        ..Config::default()
    })
    .await;
    let remote = connect(executor.url()).await;
    for _ in 0..10 {
        remote.call(Request::get(origin.url("/bytes/100"))).await.unwrap();
        remote.call(Request::get(origin.url("/bytes/100000"))).await.unwrap();
        assert!(remote.call(Request::get("ftp://nowhere")).await.is_err());
        drop(remote.stream(Request::get(origin.url("/endless"))).await.unwrap());
        let dropped = remote.call(Request::get(origin.url("/slow-head")));
        assert!(tokio::time::timeout(Duration::from_millis(5), dropped).await.is_err());
    }
    // Every one of the four places is free again.
    let bodies = stream::iter(0..4).then(|_| remote.stream(Request::get(origin.url("/sse-open"))));
    let bodies: Vec<_> = within("four at once", bodies.collect()).await;
    assert!(bodies.iter().all(Result::is_ok), "{bodies:?}");
}

/// Proves that requests stalled on their way are sent once the way is free, in either direction, without a reconnection.
#[tokio::test]
async fn a_stall_is_no_loss() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let (toxic, remote) = through_toxic(&executor).await;
    for way in [Way::Up, Way::Down] {
        toxic.stall(way);
        let mut call = remote.call(Request::get(origin.url("/status/200")));
        assert!(futures_util::poll!(&mut call).is_pending());
        toxic.resume(way);
        assert!(within("the call", call).await.is_ok());
    }
    assert_eq!(toxic.accepted(), 1);
}
