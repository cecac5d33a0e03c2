//! A caller's deadline holds though the executor is not there to keep it.

use crate::support::{any, config, done, head_only, next_call, played};
use afield_client::{HttpClient, Remote};
use afield_exchange::{Kind, Phase, Request, Retry, detail};
use afield_testkit::{PeerServer, within};
use std::time::Duration;

fn within_ms(millis: u64) -> Request {
    Request { timeout: Some(Duration::from_millis(millis)), ..any() }
}

/// Proves that waiting for a connection is part of the deadline, and that such a call is safe to retry.
#[tokio::test]
async fn a_deadline_covers_connecting() {
    let server = PeerServer::start().await;
    let remote = Remote::new(config(server.url()));
    let (result, _socket) = tokio::join!(remote.call(within_ms(200)), server.accept_socket());
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry(), error.phase(), error.detail()),
        (Kind::Timeout, Retry::Safe, Some(Phase::Connect), Some(detail::TOTAL)),
        "{error:?}"
    );
}

/// Proves that an executor that says nothing does not hold a call beyond its deadline and a margin, before the head as
/// in the body, and that the call is then given up there.
#[tokio::test]
async fn a_deadline_holds_though_the_executor_is_silent() {
    let mut played = played(true).await;
    let (remote, executor) = (played.remote.clone(), &mut played.executor);
    let waiting = tokio::spawn(async move { remote.call(within_ms(60_000)).await.map(drop) });
    let call = next_call(executor).await;
    let left = call["params"]["timeoutMs"].as_u64().unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    let remote = played.remote.clone();
    let stream = tokio::spawn(async move { remote.stream(within_ms(60_000)).await });
    let streamed = next_call(executor).await;
    executor.send_json(&head_only(&streamed)).await;
    let mut response = within("the head comes", stream).await.unwrap().unwrap();

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(66)).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry(), error.phase()),
        (Kind::Timeout, Retry::Unknown, Some(Phase::Head))
    );
    let error = response.body.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry(), error.phase()),
        (Kind::Timeout, Retry::Unknown, Some(Phase::Body))
    );
    assert!(response.body.next().await.is_none());
    tokio::time::resume();
    let mut given_up: Vec<_> = Vec::new();
    for _ in 0..2 {
        let cancel = executor.json().await;
        assert_eq!(cancel["method"], "http/request/cancel");
        given_up.push(cancel["params"]["requestId"].clone());
    }
    assert_eq!(given_up, [call, streamed].map(|call| call["params"]["requestId"].clone()));
}

/// Proves that durations are rounded up to the wire's milliseconds: a part of one is not none.
#[tokio::test]
async fn a_part_of_a_millisecond_is_not_none() {
    let mut played = played(true).await;
    let request = Request {
        head_timeout: Some(Duration::from_micros(1)),
        idle_timeout: Some(Duration::from_micros(2500)),
        ..any()
    };
    let (answer, call) = tokio::join!(played.remote.call(request), async {
        let call = next_call(&mut played.executor).await;
        played.executor.send_json(&done(&call, 200, "")).await;
        call
    });
    answer.unwrap();
    assert_eq!((&call["params"]["headTimeoutMs"], &call["params"]["idleTimeoutMs"]), (&1.into(), &3.into()));
    assert!(call["params"].get("timeoutMs").is_none());
}
