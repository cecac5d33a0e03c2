//! A peer that is gone without a sign, and one that only looks like it. The clock is the test's.

use crate::support::{Base, Running};
use afield_testkit::{
    Origin, Peer, Upgrade,
    origin::Outcome,
    peer::{Frame, opcode},
};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Lets `seconds` pass, one after the other, each followed by whatever it sets off. Sockets have no part in the clock, so
/// each second also waits for what is on its way through them.
async fn pass(seconds: u64, mut each: impl AsyncFnMut(u64)) {
    tokio::time::pause();
    for second in 1..=seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        each(second).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
}

/// A session by hand: nothing is read or answered unless the test does.
async fn bare(executor: &Running, receive_buffer: Option<u32>) -> TcpStream {
    let mut upgrade = Upgrade::to(executor.address);
    if let Some(bytes) = receive_buffer {
        upgrade = upgrade.receive_buffer(bytes);
    }
    let (mut socket, _) = upgrade.open_socket().await.unwrap();
    say(&mut socket, &json!({ "id": 1, "method": "initialize", "params": { "clientName": "test" } })).await;
    say(&mut socket, &json!({ "method": "initialized" })).await;
    socket
}

async fn say(socket: &mut TcpStream, message: &serde_json::Value) {
    socket.write_all(&Frame::new(opcode::TEXT, message.to_string()).bytes()).await.unwrap();
}

/// Reads until the connection has ended.
async fn drain(socket: &mut TcpStream) -> std::io::Result<u64> {
    let mut read = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut buffer).await? {
            0 => return Ok(read),
            count => read += count as u64,
        }
    }
}

/// Proves that a half-open connection (nothing comes, pings are unanswered) is lost after 105 s and not before, and takes
/// its exchanges with it.
#[tokio::test]
async fn case_090_a_silent_peer_is_lost_and_its_exchanges_end() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut socket = bare(&executor, None).await;
    for (id, path) in [(2, "/slow-head"), (3, "/sse-open")] {
        let params = crate::support::stream(origin.url(path), path);
        say(&mut socket, &json!({ "id": id, "method": "http/request", "params": params })).await;
    }
    let requests = [origin.request(0).await, origin.request(1).await];
    pass(103, async |_| {}).await;
    assert!(requests.iter().all(|request| request.outcome().is_none()), "not before its time");
    pass(3, async |_| {}).await;
    for request in requests {
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    }
    afield_testkit::within("the connection ends", drain(&mut socket)).await.ok();
}

/// Proves that an idle peer that answers pings lives on, however long.
#[tokio::test]
async fn an_idle_peer_that_answers_pings_lives() {
    let executor = Running::start().await;
    let mut socket = bare(&executor, None).await;
    let pong = Frame::new(opcode::PONG, Bytes::new()).bytes();
    pass(600, async |second| {
        if second % 15 == 1 {
            socket.write_all(&pong).await.unwrap();
        }
    })
    .await;
    say(&mut socket, &json!({ "id": 9, "method": "environment/status" })).await;
    let mut said = Vec::new();
    afield_testkit::within("the answer comes", async {
        while !said.ends_with(b"{\"id\":9,\"result\":{\"status\":\"ready\"}}") {
            socket.read_buf(&mut said).await.unwrap();
        }
    })
    .await;
}

/// Proves that a peer that reads nothing for minutes, while messages of its own lie unread before its signs of life, is
/// not taken for dead; and is once the signs stop.
#[tokio::test]
async fn a_peer_that_is_slow_to_read_lives_as_long_as_it_gives_signs() {
    let executor = Running::limited(|limits| limits.queued_bytes = 1000).await;
    let origin = Origin::start().await;
    let mut socket = bare(&executor, Some(4096)).await;
    let params =
        |n: u64| json!({ "method": "GET", "url": origin.url("/bytes/4000000"), "requestId": n.to_string() });
    for id in 2..6 {
        say(&mut socket, &json!({ "id": id, "method": "http/request", "params": params(id) })).await;
    }
    for index in 0..4 {
        origin.request(index).await.wait_ended().await;
    }
    for id in 10..300 {
        say(&mut socket, &json!({ "id": id, "method": "environment/status" })).await;
    }
    let ping = Frame::new(opcode::PING, Bytes::new()).bytes();
    pass(400, async |second| {
        if second % 20 == 0 {
            socket.write_all(&ping).await.unwrap();
        }
    })
    .await;
    let mut peer = executor.connect().await;
    assert_eq!(peer.call("environment/status", json!({})).await["result"]["status"], "ready");
    assert!(socket.try_write(&ping).is_ok(), "the connection lives");
    let read = afield_testkit::within("all that is owed comes", async {
        let mut read = 0;
        let mut buffer = vec![0; 64 * 1024];
        while read < 4 * 4_000_000 / 3 * 4 {
            match socket.read(&mut buffer).await.unwrap() {
                0 => panic!("the connection ended after {read} bytes"),
                count => read += count,
            }
        }
        read
    });
    assert!(read.await > 20_000_000);
    pass(130, async |_| {}).await;
    afield_testkit::within("silence ends the connection", drain(&mut socket)).await.ok();
}

/// Proves that an executor that was suspended for an hour kills nobody when it wakes.
#[tokio::test]
async fn case_109_waking_from_a_suspend_kills_nobody() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer: Peer = executor.connect().await;
    peer.open_stream(origin.url("/half/20?then=rest"), "s").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::time::resume();
    peer.settle().await;
    origin.open_gate("rest");
    assert_eq!(peer.rest("s", 1).await.0.len(), 20);
}
