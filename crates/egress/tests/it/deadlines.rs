//! Deadlines: which there are, what they count, and what their passing says.

use crate::support::{World, streamed};
use afield_exchange::{Blame, BodyError, Error, Kind, Phase, Request, RequestBody, Retry, detail};
use afield_testkit::dead::Blackhole;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::{Gate, Origin, within};
use bytes::Bytes;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);
/// For deadlines that the exchange must first come some way under, on a busy machine too.
const AMPLE: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(3600);

fn timed_out(error: &Error, phase: Phase, word: Option<&str>, retry: Retry) {
    assert_eq!(
        (error.kind(), error.phase(), error.detail()),
        (Kind::Timeout, Some(phase), word),
        "{error:?}"
    );
    assert_eq!((error.retry(), error.hop()), (retry, Some(0)), "{error:?}");
}

/// Proves that an origin which never answers ends at the deadline for the head, the caller's or the operator's, whichever is
/// shorter, and that its connection closes.
#[tokio::test]
async fn case_055_a_silent_origin_ends_at_the_head_deadline() {
    for (asked, ceiling) in [(Some(SHORT), LONG), (Some(LONG), SHORT), (None, SHORT)] {
        let origin = RawOrigin::always(Script::new().expect_head().hang()).await;
        let world = World::with(|config| config.limits.head = ceiling);
        let mut request = Request::get(origin.url("/"));
        request.head_timeout = asked;
        let error = world.call(request).await.unwrap_err();
        timed_out(&error, Phase::Head, None, Retry::Unknown);
        assert_eq!(error.blame(), Blame::Origin);
        origin.connection(0).await.wait_closed().await;
    }
}

/// Proves that a connection nobody takes ends at the connect deadline, or at the caller's own, and that it is safe to retry.
#[tokio::test]
async fn case_056_a_swallowed_connection_ends_at_the_connect_deadline() {
    let hole = Blackhole::on("127.0.0.1").await;
    let url = format!("http://{}/", hole.address());
    let world = World::with(|config| config.limits.connect = SHORT);
    let error = world.refused(&url).await;
    timed_out(&error, Phase::Connect, None, Retry::Safe);
    assert_eq!(error.blame(), Blame::Network);

    let mut request = Request::get(&url);
    request.timeout = Some(SHORT);
    // The deadline for the head does not run while there is no connection.
    request.head_timeout = Some(Duration::from_millis(1));
    let error = World::new().call(request).await.unwrap_err();
    timed_out(&error, Phase::Connect, Some(detail::TOTAL), Retry::Safe);
}

/// Proves that a TLS handshake which never ends counts as connecting.
#[tokio::test]
async fn case_056_a_silent_handshake_ends_at_the_connect_deadline() {
    let origin = RawOrigin::always(Script::new().hang()).await;
    let world = World::with(|config| config.limits.connect = SHORT);
    let error = world.refused(format!("https://{}/", origin.address())).await;
    timed_out(&error, Phase::Connect, None, Retry::Safe);
}

/// Proves that the deadline for the head is not put off by the bytes of a dripping head.
#[tokio::test]
async fn case_057_a_dripping_head_ends_at_the_head_deadline() {
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(10_000));
    let script = Script::new().expect_head().drip(head, 1, Duration::from_millis(5));
    let origin = RawOrigin::always(script).await;
    let mut request = Request::get(origin.url("/"));
    request.head_timeout = Some(SHORT);
    let error = World::new().call(request).await.unwrap_err();
    timed_out(&error, Phase::Head, None, Retry::Unknown);
}

/// Proves that a dripping body does not reach the idle deadline but the total one.
#[tokio::test]
async fn case_058_a_dripping_body_ends_at_the_total_deadline() {
    let script = Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").drip(
        "a".repeat(10_000),
        1,
        Duration::from_millis(5),
    );
    let origin = RawOrigin::always(script).await;
    let mut request = Request::get(origin.url("/"));
    request.idle_timeout = Some(Duration::from_secs(20));
    request.timeout = Some(AMPLE);
    let error = World::new().call(request).await.unwrap_err();
    timed_out(&error, Phase::Body, Some(detail::TOTAL), Retry::Unknown);
    origin.connection(0).await.wait_closed().await;
}

/// Proves that a body which pauses for longer than the idle deadline ends, streamed as buffered, with one error and then
/// nothing, and that its connection closes.
#[tokio::test]
async fn a_pausing_body_ends_at_the_idle_deadline() {
    let script = Script::new().expect_head().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").hang();
    let origin = RawOrigin::always(script).await;
    let mut request = Request::get(origin.url("/"));
    request.idle_timeout = Some(AMPLE);
    let mut response = World::new().egress.send(request).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "half");
    let error = within("the body ends", response.body.next()).await.unwrap().unwrap_err();
    timed_out(&error, Phase::Body, Some(detail::IDLE), Retry::Unknown);
    origin.connection(0).await.wait_closed().await;
    assert!(response.body.next().await.is_none());
}

/// Proves that no time counts against the origin while nobody waits for the body.
#[tokio::test]
async fn idle_time_counts_only_while_somebody_waits() {
    let origin = Origin::start().await;
    let mut request = Request::get(origin.url("/half/100?then=rest"));
    request.idle_timeout = Some(AMPLE);
    let mut response = World::new().egress.send(request).await.unwrap();
    let first = response.body.next().await.unwrap().unwrap();
    // Longer than the deadline, and nobody polls.
    std::thread::sleep(AMPLE + SHORT);
    origin.open_gate("rest");
    let mut length = first.len();
    while let Some(bytes) = within("the body goes on", response.body.next()).await {
        length += bytes.unwrap().len();
    }
    assert_eq!(length, 100);
}

/// Proves that the total deadline also ends a body that never pauses.
#[tokio::test]
async fn the_total_deadline_ends_an_endless_body() {
    let origin = Origin::start().await;
    let mut request = Request::get(origin.url("/endless"));
    request.timeout = Some(AMPLE);
    let mut response = World::new().egress.send(request).await.unwrap();
    let error = within("the body ends", async {
        loop {
            if let Err(error) = response.body.next().await.expect("an endless body has no clean end") {
                return error;
            }
        }
    });
    timed_out(&error.await, Phase::Body, Some(detail::TOTAL), Retry::Unknown);
}

/// Proves that the deadline for the head starts when the request body has been sent: an upload that takes longer than it
/// is not cut off, and an origin that is silent afterwards is.
#[tokio::test]
async fn the_head_deadline_starts_when_the_upload_is_done() {
    for answers in [true, false] {
        let end = Script::new().expect_text("0\r\n\r\n");
        let script = match answers {
            true => end.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").hang(),
            false => end.hang(),
        };
        let origin = RawOrigin::always(script).await;
        let gate = Gate::new();
        let passing = gate.clone();
        let stream = futures_util::stream::unfold(0, move |count| {
            let gate = passing.clone();
            async move {
                if count == 1 {
                    gate.wait().await;
                }
                (count < 2).then(|| (Ok::<_, BodyError>(Bytes::from_static(b"piece")), count + 1))
            }
        });
        let mut request = Request::new("POST", origin.url("/"));
        request.body = RequestBody::Stream { length: None, stream: Box::pin(stream) };
        request.head_timeout = Some(AMPLE);
        let world = World::new();
        let opening = async {
            gate.reached().await;
            tokio::time::sleep(AMPLE + SHORT).await;
            gate.open();
        };
        let (answer, ()) = tokio::join!(world.call(request), opening);
        match answers {
            true => assert_eq!(answer.unwrap().head.status, 200),
            false => timed_out(&answer.unwrap_err(), Phase::Head, None, Retry::Unknown),
        }
    }
}

/// Proves that the total deadline says where it found the request: here while its body was being sent.
#[tokio::test]
async fn the_total_deadline_ends_an_upload() {
    let origin = RawOrigin::always(Script::new().expect_head().hang()).await;
    let stream = futures_util::stream::pending::<Result<Bytes, BodyError>>();
    let mut request = Request::new("POST", origin.url("/"));
    request.body = RequestBody::Stream { length: Some(10), stream: Box::pin(stream) };
    request.timeout = Some(AMPLE);
    let error = World::new().call(request).await.unwrap_err();
    timed_out(&error, Phase::Request, Some(detail::TOTAL), Retry::Unknown);
    origin.connection(0).await.wait_closed().await;
}

/// Proves that over a pooled connection, where nothing is dialled, the deadlines hold as well.
#[tokio::test]
async fn deadlines_hold_over_pooled_connections() {
    let script = Script::new()
        .expect_request()
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .expect_request()
        .hang();
    let origin = RawOrigin::always(script).await;
    let world = World::new();
    world.get(origin.url("/")).await.unwrap();
    let mut request = Request::new("POST", origin.url("/")).body(streamed(Some(2), ["o", "k"]));
    request.head_timeout = Some(SHORT);
    timed_out(&world.call(request).await.unwrap_err(), Phase::Head, None, Retry::Unknown);
    assert_eq!((origin.accepted(), world.dials()), (1, 1));
}
