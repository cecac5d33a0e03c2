use crate::{
    raw::{CLOSE, client_frame, close_payload, read_frame},
    support::{binary, end_of, message, pair, poll_now, soon, text, with_raw_peer},
};
use afield_transport::{CloseReason, Connection, Role};
use std::future::poll_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Proves that a close reaches the other end with its code and words, after what was sent before, and that both ends finish.
#[tokio::test]
async fn a_close_arrives_with_its_code_after_what_was_sent_before() {
    let (mut client, mut server) = pair(1024 * 1024).await;
    let closing = tokio::spawn(async move {
        poll_fn(|cx| server.poll_ready(cx)).await.unwrap();
        server.send(binary(600_000));
        server.close(4001, "session resumed by another connection");
        server.closed().await;
    });
    assert_eq!(message(&mut client).await.bytes().len(), 600_000);
    let CloseReason::Peer { code, text } = end_of(&mut client).await.reason else { panic!() };
    assert_eq!((code, text.as_str()), (Some(4001), "session resumed by another connection"));
    soon(client.closed()).await;
    soon(closing).await.unwrap();
}

/// Proves that a server answers a close with the same code and then ends the stream itself.
#[tokio::test]
async fn a_server_echoes_the_code_and_ends_the_stream() {
    for payload in [vec![], close_payload(1000, ""), close_payload(1001, "bye"), close_payload(4999, "")] {
        let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
        peer.write_all(&client_frame(CLOSE, &payload)).await.unwrap();
        assert!(matches!(end_of(&mut server).await.reason, CloseReason::Peer { .. }));
        soon(server.closed()).await;
        let echoed = soon(read_frame(&mut peer)).await.unwrap();
        assert_eq!((echoed.opcode, echoed.payload), (CLOSE, payload));
        assert_eq!(soon(peer.read(&mut [0])).await.unwrap(), 0, "the stream has ended");
    }
}

/// Proves that a client waits for the server to end the stream.
#[tokio::test]
async fn a_client_waits_for_the_server_to_end_the_stream() {
    let (mut client, mut peer) = with_raw_peer(Role::Client, 1024).await;
    client.close(1000, "");
    assert!(poll_now(|cx| client.poll_closed(cx)).is_pending());
    assert_eq!(soon(read_frame(&mut peer)).await.unwrap().payload, close_payload(1000, ""));
    peer.write_all(&crate::raw::frame(0x88, None, &close_payload(1000, ""))).await.unwrap();
    let waiting = tokio::spawn(async move { client.closed().await });
    assert_eq!(soon(peer.read(&mut [0])).await.unwrap(), 0, "the client has nothing more to say");
    assert!(!waiting.is_finished());
    drop(peer);
    soon(waiting).await.unwrap();
}

/// Proves that what arrives after a close was sent, and before the peer's, is still received.
#[tokio::test]
async fn messages_that_cross_a_close_are_received() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    server.close(1001, "draining");
    soon(poll_fn(|cx| server.poll_flush(cx))).await.unwrap();
    peer.write_all(&client_frame(1, b"crossing")).await.unwrap();
    peer.write_all(&client_frame(CLOSE, &close_payload(1001, ""))).await.unwrap();
    assert_eq!(message(&mut server).await, text("crossing"));
    assert!(matches!(end_of(&mut server).await.reason, CloseReason::Peer { code: Some(1001), .. }));
}

/// Proves that the first close counts, that nothing is sent after it, and that a long reason is cut between characters.
#[tokio::test]
async fn nothing_follows_a_close() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    server.close(4002, &"é".repeat(100));
    server.close(1000, "");
    server.send(text("late"));
    server.ping();
    let closing = tokio::spawn(async move { server.closed().await });
    let close = soon(read_frame(&mut peer)).await.unwrap();
    assert_eq!((close.opcode, close.payload), (CLOSE, close_payload(4002, &"é".repeat(61))));
    peer.shutdown().await.unwrap();
    assert!(soon(read_frame(&mut peer)).await.is_none());
    soon(closing).await.unwrap();
}

/// Proves that the words of a peer are shown without their control characters.
#[test]
fn a_peers_words_are_shown_escaped() {
    let closed = afield_transport::Closed {
        reason: CloseReason::Peer { code: Some(1000), text: "a\u{1b}[2Jb\n".to_owned() },
    };
    assert_eq!(closed.to_string(), "the peer closed the connection with code 1000: a\\u{1b}[2Jb\\n");
}
