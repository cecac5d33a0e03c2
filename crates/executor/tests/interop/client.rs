//! afield's client drives the reference's executor.

use afield_client::{HttpClient, Remote, RemoteConfig};
use afield_exchange::{Kind, Request, RequestBody, Retry};
use afield_testkit::{
    Origin, Process,
    origin::Outcome,
    pattern, require_or_skip,
    tools::{self, ExecServer},
    within,
};
use futures_util::future::join_all;

async fn connect(executor: &ExecServer) -> Remote {
    Remote::connect(RemoteConfig::new(executor.url())).await.unwrap()
}

/// Proves that a buffered exchange, its headers and several MiB either way come through a reference executor whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_buffered_exchange_comes_through() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let answer = client.call(Request::get(origin.url("/headers?x-a=1&x-a=2"))).await.unwrap();
    assert_eq!(answer.head.status, 200);
    let values: Vec<_> =
        answer.head.headers.iter().filter(|h| h.is("x-a")).filter_map(|h| h.text()).collect();
    assert_eq!(values, ["1", "2"]);

    let answer = client.call(Request::get(origin.url("/chunked/5000000"))).await.unwrap();
    assert_eq!(pattern::sha256_of(&answer.body), pattern::sha256(5_000_000));

    let body = RequestBody::Bytes(pattern::bytes(0, 5_000_000));
    client.call(Request::new("POST", origin.url("/upload")).body(body).header("x-a", "1")).await.unwrap();
    let received = origin.request(2).await;
    assert_eq!(received.header("x-a").as_deref(), Some("1"));
    assert_eq!(received.body(), Some((5_000_000, pattern::sha256(5_000_000))));
}

/// Proves that a streamed body of several MiB comes whole, and that a burst of 1,000 events does not end a stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_exchange_comes_through() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let response = client.stream(Request::get(origin.url("/bytes/8000000"))).await.unwrap();
    let body = response.body.collect(usize::MAX).await.unwrap();
    assert_eq!(pattern::sha256_of(&body), pattern::sha256(8_000_000));

    let response = client.stream(Request::get(origin.url("/sse?n=1000"))).await.unwrap();
    let body = response.body.collect(usize::MAX).await.unwrap();
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(text.matches("data: event ").count(), 1000);
    assert!(text.ends_with("id: 1000\ndata: event 1000\n\n"));
}

/// Proves that what an origin has sent of an open stream is there before the rest is.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_as_the_origin_sends_them() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let mut response = client.stream(Request::get(origin.url("/half/20?then=rest"))).await.unwrap();
    let first = within("the first half comes", response.body.next()).await.unwrap().unwrap();
    assert_eq!(first, pattern::bytes(0, 10));
    origin.open_gate("rest");
    let second = within("the second half comes", response.body.next()).await.unwrap().unwrap();
    assert_eq!(second, pattern::bytes(10, 10));
    assert!(within("the end comes", response.body.next()).await.is_none());
}

/// Proves that a reference executor's errors, which carry no data, are told apart as far as they can be, and that
/// none of them is taken for safe to retry.
#[tokio::test(flavor = "multi_thread")]
async fn errors_without_data_are_understood() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let refused = client.call(Request::new("G ET", origin.url("/echo"))).await.unwrap_err();
    assert_eq!((refused.kind(), refused.retry()), (Kind::InvalidRequest, Retry::No), "{refused:?}");
    let unreachable = client.call(Request::get("http://127.0.0.1:1/")).await.unwrap_err();
    assert_eq!(unreachable.retry(), Retry::Unknown, "{unreachable:?}");
    assert!(!unreachable.message().starts_with("http/request"), "{unreachable:?}");
    let unreachable = client.stream(Request::get("http://127.0.0.1:1/")).await.unwrap_err();
    assert_eq!(unreachable.retry(), Retry::Unknown, "{unreachable:?}");
    let mut late = Request::get(origin.url("/half/20?then=never"));
    late.timeout = Some(std::time::Duration::from_millis(500));
    let mut body = client.stream(late).await.unwrap().body;
    assert_eq!(within("the first half comes", body.next()).await.unwrap().unwrap(), pattern::bytes(0, 10));
    assert!(within("the timeout comes", body.next()).await.unwrap().is_err());
    assert!(within("the end comes", body.next()).await.is_none());
}

/// Proves that 200 exchanges at once over one connection each get their own answer.
#[tokio::test(flavor = "multi_thread")]
async fn many_exchanges_share_a_connection() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let exchanges = (0..200_u64).map(|length| {
        let request = Request::get(origin.url(&format!("/bytes/{length}")));
        let client = &client;
        async move {
            let body = match length % 2 {
                0 => client.call(request).await.unwrap().body,
                _ => client.stream(request).await.unwrap().body.collect(usize::MAX).await.unwrap(),
            };
            assert_eq!(body, pattern::bytes(0, length as usize));
        }
    });
    within("all exchanges are done", join_all(exchanges)).await;
}

/// Proves that a slow origin delays nobody else on the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_exchange_delays_no_other() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let slow = client.call(Request::get(origin.url("/slow-head")));
    let fast = async {
        origin.request(0).await;
        let answer = client.call(Request::get(origin.url("/status/201"))).await.unwrap();
        origin.open_gate("slow-head");
        answer.head.status
    };
    let (slow, fast) = within("both are answered", async { tokio::join!(slow, fast) }).await;
    assert_eq!((slow.unwrap().head.status, fast), (200, 201));
}

/// Proves that giving a stream up reaches the origin although the reference knows no cancel, and that the next
/// exchange has a connection all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_is_given_up_at_the_origin() {
    let reference = require_or_skip!(require_or_skip!(tools::codex()).exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    drop(client.stream(Request::get(origin.url("/sse-open"))).await.unwrap());
    let answer = client.call(Request::get(origin.url("/status/201"))).await.unwrap();
    assert_eq!(answer.head.status, 201);
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
}

/// Proves that when the executor's process is killed every exchange on it ends with an error, never as if it were
/// complete, and that the next exchange finds the executor that took its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_executor_ends_its_exchanges_and_the_next_is_found() {
    let codex = require_or_skip!(tools::codex());
    let mut reference = require_or_skip!(codex.exec_server().await);
    let (origin, client) = (Origin::start().await, connect(&reference).await);

    let mut body = client.stream(Request::get(origin.url("/half/20?then=never"))).await.unwrap().body;
    assert_eq!(within("the first half comes", body.next()).await.unwrap().unwrap(), pattern::bytes(0, 10));
    let waiting = client.call(Request::get(origin.url("/slow-head")));
    let killing = async {
        origin.request(1).await;
        reference.process.kill();
        reference.process.wait_exit().await;
    };
    let (waiting, ()) = within("the loss is noticed", async { tokio::join!(waiting, killing) }).await;
    let lost = waiting.unwrap_err();
    assert_eq!((lost.kind(), lost.retry()), (Kind::SessionLost, Retry::Unknown), "{lost:?}");
    let lost = within("the stream ends", body.next()).await.unwrap().unwrap_err();
    assert_eq!(lost.kind(), Kind::SessionLost, "{lost:?}");

    let home = tempfile::tempdir().unwrap();
    let mut successor = codex.command(home.path());
    successor.args(["exec-server", "--listen", &reference.url()]);
    let successor = Process::start(successor).unwrap();
    successor.stdout().wait_line(&reference.url()).await;
    let answer = client.call(Request::get(origin.url("/status/201"))).await.unwrap();
    assert_eq!(answer.head.status, 201);
}
