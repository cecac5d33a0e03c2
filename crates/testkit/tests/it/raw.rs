use crate::support::{ask, dial, rest, until};
use afield_testkit::dead::{Blackhole, Refusing};
use afield_testkit::origin::Ending;
use afield_testkit::raw::frames::*;
use afield_testkit::{Gate, RawOrigin, Script, within};
use futures_util::FutureExt;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Proves that connections play their own scripts in order, the default after them, and that all bytes are kept.
#[tokio::test]
async fn each_connection_plays_its_own_script() {
    let origin = RawOrigin::builder()
        .script(Script::new().expect_text("two").send("first"))
        .otherwise(Script::answering("more\n"))
        .start()
        .await
        .unwrap();
    assert_eq!(ask(origin.address(), "one two three").await, "first");
    let mut second = dial(origin.address(), "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab").await;
    origin.connection(1).await.wait_text("\r\n\r\nab").await;
    second.write_all(b"cGET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(until(&mut second, "more\nmore\n").await, "more\nmore\n");
    drop(second);
    assert_eq!(origin.connection(0).await.received(), "one two three");
    assert_eq!(origin.connection(0).await.wait_closed().await, Ending::OriginClosed);
    assert_eq!(origin.connection(1).await.wait_closed().await, Ending::PeerClosed);
}

/// Proves that a drip gives one piece for each permit, and that a reset is a reset and not an end.
#[tokio::test]
async fn a_drip_follows_its_gate_and_a_reset_is_no_end() {
    let gate = Gate::new();
    let origin = RawOrigin::always(Script::new().drip_by(&gate, "abcdef", 2).wait(&gate).reset()).await;
    let mut stream = dial(origin.address(), "").await;
    gate.pass(1);
    assert_eq!(until(&mut stream, "b").await, "ab");
    gate.reached().await;
    assert_eq!(origin.connection(0).await.sent_count(), 2);
    gate.open();
    assert_eq!(until(&mut stream, "f").await, "cdef");
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// Proves that a hang lasts until the peer goes, and that a flood stops with it.
#[tokio::test]
async fn hanging_and_flooding_end_with_the_peer() {
    let origin = RawOrigin::builder()
        .script(Script::new().expect_head().hang())
        .script(Script::new().flood("HTTP/1.1 100 Continue\r\n\r\n"))
        .start()
        .await
        .unwrap();
    let stream = dial(origin.address(), "GET / HTTP/1.1\r\n\r\n").await;
    let hung = origin.connection(0).await;
    hung.wait_received(18).await;
    assert_eq!(hung.ending(), None);
    drop(stream);
    assert_eq!(hung.wait_closed().await, Ending::PeerClosed);
    let mut stream = dial(origin.address(), "").await;
    assert!(until(&mut stream, "\r\n\r\nHTTP").await.starts_with("HTTP/1.1 100 Continue"));
    drop(stream);
    assert_ne!(origin.connection(1).await.wait_closed().await, Ending::OriginClosed);
}

/// Proves that a script told to be deaf leaves what is sent to it unread.
#[tokio::test]
async fn a_deaf_script_reads_nothing() {
    let script = Script::new().expect_bytes(1).deaf().send("!").expect_bytes(1);
    let origin = RawOrigin::builder().buffers(4096, 4096).otherwise(script).start().await.unwrap();
    let mut stream = dial(origin.address(), "a").await;
    until(&mut stream, "!").await;
    let mut taken = 0;
    // What the system holds for a reader that does not read is bounded; a reader would take it all.
    while taken < 50_000_000 {
        match timeout(Duration::from_millis(200), stream.write(&[7; 65536])).await {
            Ok(written) => taken += written.unwrap(),
            Err(_) => break,
        }
    }
    assert!(taken < 50_000_000);
    assert_eq!(origin.connection(0).await.received(), "a");
}

/// Proves that a peer which only finished sending can still be answered where the script says so.
#[tokio::test]
async fn a_half_closed_peer_can_be_answered() {
    let origin = RawOrigin::always(Script::new().expect_end().send("bye")).await;
    let mut stream = dial(origin.address(), "all").await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(stream).await, b"bye");
}

/// Proves that a refusing port refuses, and that a connection to a black hole stays undecided.
#[tokio::test]
async fn dead_addresses_are_dead() {
    let refusing = Refusing::on("127.66.0.3");
    assert_eq!(
        TcpStream::connect(refusing.address()).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    let hole = Blackhole::on("127.66.0.4").await;
    let origin = RawOrigin::always(Script::new()).await;
    let mut undecided = Box::pin(TcpStream::connect(hole.address()));
    for _ in 0..100 {
        assert!((&mut undecided).now_or_never().is_none());
        within("another connection is decided", ask(origin.address(), "")).await;
    }
}

/// Proves that hand-made HTTP/2 frames are frames: a client takes an answer made of them, and a reset of a stream.
#[tokio::test]
async fn http2_frames_are_understood() {
    let answer = [
        headers(1, STATUS_200, false),
        data(1, "whole", true),
        headers_begun(3, ""),
        continuation(3, STATUS_200, true),
    ];
    let script = Script::new()
        .expect_text(PREFACE)
        .send([settings(&[(3, 100)]), settings_ack(), ping([0; 8])].concat());
    let script = script.expect_text(&[1, 5, 0, 0, 0, 1][..]).send([&answer[0][..], &answer[1]].concat());
    let script = script
        .expect_text(&[1, 5, 0, 0, 0, 3][..])
        .send([&answer[2][..], &answer[3], &window_update(0, 1)].concat());
    let origin = RawOrigin::always(script.send([rst_stream(3, 2), goaway(3, 0)].concat()).expect_end()).await;
    let stream = TokioIo::new(dial(origin.address(), "").await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut get = |path| {
        let request = hyper::Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap();
        sender.send_request(request)
    };
    let first = within("an answer comes", get("http://o/first")).await.unwrap();
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "whole");
    let second = within("an answer comes", get("http://o/second")).await.unwrap();
    assert!(second.into_body().collect().await.unwrap_err().to_string().contains("error"));
    drop(sender);
    within("the connection ends", connection).await.unwrap().unwrap();
}
