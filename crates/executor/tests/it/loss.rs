//! In base, losing the connection ends what belongs to it, through to the origins' sockets.

use crate::support::{Base, Running, get, post, stream};
use afield_testkit::{Origin, Peer, RawOrigin, Script, origin::Outcome, pattern};

/// Every state a call can be left in, all on one connection, and every way to lose that connection.
async fn everything_ends_when(lose: impl AsyncFnOnce(Peer)) {
    let executor = Running::start().await;
    let origin = Origin::builder().receive_buffer(4096).start().await.unwrap();
    let mut peer = executor.connect().await;
    peer.start("http/request", get(origin.url("/slow-head"))).await;
    peer.start("http/request", stream(origin.url("/slow-head"), "silent before the head")).await;
    peer.start("http/request", get(origin.url("/half/100000?then=never"))).await;
    let upload = pattern::bytes(0, 16 * 1024 * 1024);
    peer.start("http/request", post(origin.url("/drain-gated?first=10&gate=upload"), &upload)).await;
    peer.open_stream(origin.url("/sse-open"), "silent after the head").await;
    peer.open_stream(origin.url("/half/20?then=never"), "idle in the body").await;
    assert_eq!(peer.delta("idle in the body").await.bytes.len(), 10);
    let last = origin.request(5).await;
    assert_eq!(last.outcome(), None);

    lose(peer).await;
    for request in origin.requests() {
        if request.target().starts_with("/drain-gated") {
            // This one does not read: it learns of the end by what is missing.
            origin.open_gate("upload");
        }
        assert_eq!(request.wait_ended().await, Outcome::Abandoned, "{}", request.target());
    }
    origin.wait_active(0).await;
}

/// Proves it for a connection that is closed in good order.
#[tokio::test]
async fn a_closed_connection_ends_every_exchange_at_its_origin() {
    everything_ends_when(async |peer| {
        peer.close(1000, "").await;
    })
    .await;
}

/// Proves it for a connection that ends without a close frame.
#[tokio::test]
async fn case_090_a_vanished_connection_ends_every_exchange_at_its_origin() {
    everything_ends_when(async |peer: Peer| peer.vanish()).await;
}

/// Proves it for a connection that is reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_090_a_reset_connection_ends_every_exchange_at_its_origin() {
    everything_ends_when(async |peer: Peer| peer.reset()).await;
}

/// Proves that a connection lost while far more is owed to it than it reads ends its exchanges as well.
#[tokio::test]
async fn a_connection_lost_while_it_does_not_read_ends_its_exchanges() {
    let executor = Running::limited(|limits| limits.queued_bytes = 100_000).await;
    let flood = Script::new().expect_head().send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").flood("x");
    let origin = RawOrigin::always(flood).await;
    let mut peer = executor.connect().await;
    peer.start("http/request", stream(origin.url("/"), "s")).await;
    let connection = origin.connection(0).await;
    connection.wait_sent(4 * 1024 * 1024).await;
    peer.reset();
    connection.wait_closed().await;
}

/// Proves that the other connections of an executor do not notice.
#[tokio::test]
async fn a_lost_connection_harms_no_other() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let (mut lost, mut other) = (executor.connect().await, executor.connect().await);
    lost.open_stream(origin.url("/sse-open"), "s").await;
    other.open_stream(origin.url("/half/20?then=rest"), "s").await;
    lost.reset();
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
    origin.open_gate("rest");
    assert_eq!(other.rest("s", 1).await, (pattern::bytes(0, 20).to_vec(), None));
}
