//! A peer that does not read what is owed to it.

use crate::support::{Base, Running, get, stream};
use afield_testkit::{
    Origin, Peer, RawOrigin, Script, Upgrade, pattern,
    peer::{Frame, opcode},
    within,
};
use serde_json::{Value, json};
use std::io::ErrorKind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Opens a session by hand and reads its answer.
pub async fn open(socket: &mut TcpStream) -> Value {
    for message in [
        json!({ "id": 0, "method": "initialize", "params": { "clientName": "test" } }),
        json!({ "method": "initialized" }),
    ] {
        socket.write_all(&frame(&message)).await.unwrap();
    }
    let answer = within("initialize is answered", read_message(socket)).await;
    serde_json::from_slice::<Value>(&answer).unwrap()["result"].take()
}

fn frame(message: &Value) -> bytes::Bytes {
    Frame::new(opcode::TEXT, message.to_string()).bytes()
}

/// Reads one frame of a server and returns its payload.
async fn read_message(socket: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).await.unwrap();
    let length = match head[1] {
        126 => u64::from(socket.read_u16().await.unwrap()),
        127 => socket.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut payload = vec![0; length as usize];
    socket.read_exact(&mut payload).await.unwrap();
    payload
}

/// Everything up to the end of the connection.
pub async fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // Through a small buffer much takes its time.
    while within("the connection ends, or there is more", socket.read_buf(&mut all)).await.unwrap() > 0 {}
    all
}

/// Writes messages until the other side takes no more, which is so when nothing could be written while `meanwhile`,
/// something the other side does for somebody else, was done many times. Returns how many were written whole; part of
/// another may have been.
pub async fn flood(
    socket: &mut TcpStream,
    message: impl Fn(u64) -> Value,
    mut meanwhile: impl AsyncFnMut(),
) -> u64 {
    let (mut sent, mut refused) = (0, 0);
    let mut left = frame(&message(1));
    while refused < 50 {
        match socket.try_write(&left) {
            Ok(count) if count == left.len() => {
                assert!(sent < 1_000_000, "the other side takes whatever is sent");
                (sent, refused) = (sent + 1, 0);
                left = frame(&message(sent + 1));
            }
            Ok(count) => {
                refused = 0;
                left = left.slice(count..);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refused += 1;
                meanwhile().await;
            }
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
    sent
}

/// Waits until `progress` stands still while another connection is served many times.
pub async fn standstill(progress: impl Fn() -> u64, other: &mut Peer, url: &str) -> u64 {
    let (mut before, mut still) = (progress(), 0);
    while still < 50 {
        assert_eq!(other.request(get(url)).await["result"]["status"], 200);
        still = if progress() == before { still + 1 } else { 0 };
        before = progress();
    }
    before
}

/// Proves that a stream whose reader stops stops its origin, that others go on meanwhile, and that nothing is missing
/// when reading begins.
#[tokio::test]
async fn case_072_089_a_peer_that_does_not_read_stops_its_origin_and_nobody_else() {
    const LENGTH: usize = 48 * 1024 * 1024;
    let executor = Running::limited(|limits| limits.queued_bytes = 256 * 1024).await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
    let script = Script::new().expect_head().send(head).send(pattern::bytes(0, LENGTH)).hang();
    let large = RawOrigin::builder().otherwise(script).buffers(64 * 1024, 64 * 1024).start().await.unwrap();
    let origin = Origin::start().await;
    let mut other = executor.connect().await;
    let mut peer = Upgrade::to(executor.address).receive_buffer(16 * 1024).open().await.unwrap();
    peer.initialize(json!({ "clientName": "test" })).await;
    peer.start("http/request", stream(large.url("/"), "s")).await;
    let connection = large.connection(0).await;
    let sent = standstill(|| connection.sent_count(), &mut other, &origin.url("/echo")).await;
    assert!(sent < LENGTH as u64 / 2, "the origin could send {sent}");
    let (bytes, error) = peer.rest("s", 1).await;
    assert_eq!(error, None);
    assert_eq!(pattern::sha256_of(bytes), pattern::sha256(LENGTH as u64));
}

/// Proves that a call's deadline frees its origin though the peer does not read, and is told of once it does.
#[tokio::test]
async fn a_deadline_ends_an_exchange_whose_reader_does_not_read() {
    let executor = Running::limited(|limits| limits.queued_bytes = 100_000).await;
    let flood = Script::new().expect_head().send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").flood("x");
    let origin = RawOrigin::always(flood).await;
    let mut peer = Upgrade::to(executor.address).receive_buffer(16 * 1024).open().await.unwrap();
    peer.initialize(json!({ "clientName": "test" })).await;
    let mut params = stream(origin.url("/"), "s");
    params["timeoutMs"] = json!(500);
    peer.start("http/request", params).await;
    origin.connection(0).await.wait_closed().await;
    assert!(peer.rest("s", 1).await.1.is_some());
}

/// Proves that a hundred streams to a peer that does not read are all stopped, and all complete once it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_to_a_peer_that_does_not_read_all_complete_once_it_reads() {
    const STREAMS: usize = 100;
    const LENGTH: usize = 400_000;
    let executor = Running::limited(|limits| limits.queued_bytes = 256 * 1024).await;
    let origin = Origin::start().await;
    let mut other = executor.connect().await;
    let mut peer = Upgrade::to(executor.address).receive_buffer(16 * 1024).open().await.unwrap();
    peer.initialize(json!({ "clientName": "test" })).await;
    for n in 0..STREAMS {
        peer.start("http/request", stream(origin.url(&format!("/chunked/{LENGTH}")), &n.to_string())).await;
    }
    // Perhaps not all have come to the origin: once enough is owed, the rest is not read either.
    let ended = || {
        let streams = origin.requests().into_iter().filter(|request| request.target() != "/echo");
        streams.filter(|request| request.outcome().is_some()).count() as u64
    };
    standstill(ended, &mut other, &origin.url("/echo")).await;
    let whole = pattern::bytes(0, LENGTH);
    assert!(peer.ends(STREAMS).await.into_values().all(|body| body == whole));
}

/// Proves that a peer that asks without reading the answers is not read any more once enough is owed to it, and gets
/// every answer once it reads.
#[tokio::test]
async fn a_peer_that_asks_without_reading_is_not_read_either() {
    let executor = Running::limited(|limits| limits.queued_bytes = 100_000).await;
    let origin = Origin::start().await;
    let mut other = executor.connect().await;
    let (mut socket, _) =
        Upgrade::to(executor.address).receive_buffer(16 * 1024).open_socket().await.unwrap();
    open(&mut socket).await;
    let ask = |id: u64| json!({ "id": id, "method": "environment/info", "params": { "ignored": "x".repeat(1000) } });
    let sent = flood(&mut socket, ask, async || {
        assert_eq!(other.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    })
    .await;
    for id in 1..=sent {
        let answer = within("every question is answered", read_message(&mut socket)).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["id"], id);
        assert!(answer["result"]["cwd"].is_string());
    }
}

/// Proves that reading goes on by itself as soon as answers have left: a burst of questions whose answers are together
/// more than may be owed is answered to the last one, though nothing else happens.
#[tokio::test]
async fn a_burst_of_questions_over_the_cap_is_answered_to_the_last() {
    let executor = Running::limited(|limits| limits.queued_bytes = 1).await;
    let (mut socket, _) = Upgrade::to(executor.address).open_socket().await.unwrap();
    open(&mut socket).await;
    let mut burst = Vec::new();
    for id in 1..=500 {
        burst.extend_from_slice(&frame(&json!({ "id": id, "method": "environment/status" })));
    }
    socket.write_all(&burst).await.unwrap();
    for id in 1..=500 {
        let answer = within("every question is answered", read_message(&mut socket)).await;
        assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["id"], id);
    }
}
