use crate::support::{end_of, message, poll_now, soon, text};
use afield_transport::{CloseReason, Connection, HIGH_WATER, Message, Received, Role, Stdio};
use bytes::Bytes;
use std::future::poll_fn;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, split};
use tokio::io::{ReadHalf, WriteHalf};

type Pipes = Stdio<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

fn pipes(limit: usize) -> (Pipes, DuplexStream) {
    let (peer, ours) = duplex(64 * 1024);
    let (input, output) = split(ours);
    (Stdio::new(input, output, limit), peer)
}

async fn received(input: &[u8], limit: usize) -> (Vec<Received>, CloseReason) {
    let (mut stdio, mut peer) = pipes(limit);
    peer.write_all(input).await.unwrap();
    peer.shutdown().await.unwrap();
    let mut all = Vec::new();
    loop {
        match soon(stdio.receive()).await {
            Ok(received) => all.push(received),
            Err(closed) => return (all, closed.reason),
        }
    }
}

fn line(line: &str) -> Received {
    Received::Message(text(line))
}

/// Proves how input is cut into messages: LF and CRLF, blank lines, a line that is not UTF-8, a last line without an end.
#[tokio::test]
async fn lines_are_messages() {
    let (all, reason) =
        received(b"\n{\"a\":1}\r\n \t\r\n{\"b\":\"\xc3\xa9\"}\n\xff\xfe\n\r\n{}\n[1]", 100).await;
    assert_eq!(all, [line("{\"a\":1}"), line("{\"b\":\"é\"}"), Received::Malformed, line("{}"), line("[1]")]);
    assert!(matches!(reason, CloseReason::Ended), "{reason:?}");
}

/// Proves the limit on a line, at it and one past it, with either line end, and without one.
#[tokio::test]
async fn a_line_over_the_limit_is_the_end() {
    for (input, fits) in [
        ("12345678\n", true),
        ("12345678\r\n", true),
        ("12345678", true),
        ("123456789\n", false),
        ("123456789\r\n", false),
        ("1234567890", false),
        ("123456789", false),
    ] {
        let (all, reason) = received(input.as_bytes(), 8).await;
        assert_eq!(all, if fits { vec![line("12345678")] } else { vec![] }, "{input:?}");
        assert_eq!(matches!(reason, CloseReason::TooLarge), !fits, "{input:?}: {reason:?}");
    }
}

/// Proves that a line without an end is refused as soon as it is too long, and not kept.
#[tokio::test]
async fn an_endless_line_is_refused_while_it_comes() {
    let (mut stdio, mut peer) = pipes(100_000);
    let writing = tokio::spawn(async move { while peer.write_all(&[b'x'; 4096]).await.is_ok() {} });
    assert!(matches!(end_of(&mut stdio).await.reason, CloseReason::TooLarge));
    assert!(stdio.bytes_received() < 1_000_000, "{}", stdio.bytes_received());
    drop(stdio);
    soon(writing).await.unwrap();
}

/// Proves that messages of all sizes leave as lines, in order, and arrive the same way.
#[tokio::test]
async fn messages_are_lines() {
    let sizes = [1, 100, 16_384, 16_385, 300_000, 5];
    let (mut stdio, peer) = pipes(1_000_000);
    let sending = tokio::spawn(async move {
        for size in sizes {
            poll_fn(|cx| stdio.poll_ready(cx)).await.unwrap();
            stdio.send(Message::Text(Bytes::from("m".repeat(size))));
            stdio.ping();
        }
        stdio.close(1000, "unsaid");
        stdio.closed().await;
    });
    let mut lines = BufReader::new(peer).lines();
    for size in sizes {
        assert_eq!(soon(lines.next_line()).await.unwrap().unwrap(), "m".repeat(size));
    }
    assert_eq!(soon(lines.next_line()).await.unwrap(), None);
    soon(sending).await.unwrap();
}

/// Proves that a large line arrives whole through a narrow pipe, and that what follows it does too.
#[tokio::test]
async fn a_large_line_arrives_whole() {
    let (mut stdio, mut peer) = pipes(2_000_000);
    let writing = tokio::spawn(async move {
        peer.write_all("x".repeat(1_500_000).as_bytes()).await.unwrap();
        peer.write_all(b"\nnext\n").await.unwrap();
        peer
    });
    assert_eq!(message(&mut stdio).await.bytes().len(), 1_500_000);
    assert_eq!(message(&mut stdio).await, text("next"));
    soon(writing).await.unwrap();
}

/// Proves that a reader that never reads makes the sender wait with a bounded buffer.
#[tokio::test]
async fn a_peer_that_never_reads_makes_the_sender_wait() {
    let (mut stdio, mut peer) = pipes(1024);
    let mut accepted = 0;
    while poll_now(|cx| stdio.poll_ready(cx)).is_ready() {
        stdio.send(Message::Text(Bytes::from_static(&[b'x'; 1023])));
        accepted += 1024;
        assert!(accepted < 4 * HIGH_WATER, "nothing ever said stop");
    }
    drop(stdio);
    let mut arrived = Vec::new();
    soon(peer.read_to_end(&mut arrived)).await.unwrap();
    assert!(arrived.len() <= 64 * 1024);
}

/// Proves how lines become frames, byte by byte, as docs/protocol.md has it: at the end that accepted behind the line that it
/// sends next, at the end that dialled at once; what came in one read with the last line is frames already (case 184).
#[tokio::test]
async fn frames_follow_the_answer() {
    let (mut executor, mut peer) = pipes(1000);
    assert!(executor.has_binary() && !executor.has_pings() && executor.has_half_close());
    peer.write_all(b"{\"id\":1}\n").await.unwrap();
    assert_eq!(soon(executor.receive()).await.unwrap(), line("{\"id\":1}"));
    executor.begin_frames(Role::Server);
    assert!(!executor.has_pings(), "the answer is a line");
    soon(executor.send_all(text("{\"a\":1}"))).await.unwrap();
    assert!(executor.has_pings() && !executor.has_half_close());
    soon(executor.send_all(text("{\"b\":2}"))).await.unwrap();
    let mut prefix = [0; 18];
    prefix[0] = 1;
    executor.send_binary(prefix, Bytes::from_static(b"body"));
    executor.ping();
    soon(poll_fn(|cx| executor.poll_flush(cx))).await.unwrap();
    let mut said = vec![0; 8 + 9 + 24 + 2];
    soon(peer.read_exact(&mut said)).await.unwrap();
    let expected =
        [b"{\"a\":1}\n", &b"\x81\x07{\"b\":2}"[..], b"\x82\x16\x01", &[0; 17], b"body", b"\x89\x00"].concat();
    let at = said.windows(2).position(|bytes| bytes == b"\x89\x00");
    let without_ping = |bytes: &[u8]| -> Vec<u8> {
        let at = bytes.windows(2).position(|pair| pair == b"\x89\x00").unwrap();
        [&bytes[..at], &bytes[at + 2..]].concat()
    };
    assert!(at.is_some_and(|at| at >= 8), "a ping goes between frames: {said:?}");
    assert_eq!(without_ping(&said), without_ping(&expected));
    // A client masks; the key may be anything.
    peer.write_all(b"\x81\x87\x00\x00\x00\x00{\"c\":3}\x8a\x80\x00\x00\x00\x00").await.unwrap();
    assert_eq!(soon(executor.receive()).await.unwrap(), line("{\"c\":3}"));
    assert_eq!(soon(executor.receive()).await.unwrap(), Received::Pong);
    drop(peer);
    assert!(matches!(end_of(&mut executor).await.reason, CloseReason::Ended | CloseReason::Io(_)));

    let (mut client, mut peer) = pipes(1000);
    soon(client.send_all(text("{\"id\":1}"))).await.unwrap();
    peer.write_all(b"{\"a\":1}\n\x82\x03abc").await.unwrap();
    assert_eq!(soon(client.receive()).await.unwrap(), line("{\"a\":1}"));
    client.begin_frames(Role::Client);
    assert_eq!(
        soon(client.receive()).await.unwrap(),
        Received::Message(Message::Binary(Bytes::from_static(b"abc")))
    );
    soon(client.send_all(text("{}"))).await.unwrap();
    let mut said = [0; 9 + 8];
    soon(peer.read_exact(&mut said)).await.unwrap();
    assert_eq!(&said[..11], b"{\"id\":1}\n\x81\x82");
    let unmasked: Vec<u8> = (0..2).map(|at| said[15 + at] ^ said[11 + at]).collect();
    assert_eq!(unmasked, b"{}");
}

/// Proves that the count of received bytes, by which a peer is known to be alive, never falls when lines become frames, at
/// either end, with and without bytes that came in one read with the last line.
#[tokio::test]
async fn received_bytes_count_on_when_frames_begin() {
    for read_ahead in [&b""[..], b"\x82\x03abc"] {
        for role in [Role::Server, Role::Client] {
            let (mut stdio, mut peer) = pipes(1000);
            peer.write_all(&[b"{\"id\":1}\n", read_ahead].concat()).await.unwrap();
            soon(stdio.receive()).await.unwrap();
            let in_lines = stdio.bytes_received();
            assert!(in_lines >= 9);
            stdio.begin_frames(role);
            soon(stdio.send_all(text("{}"))).await.unwrap();
            let begun = stdio.bytes_received();
            assert!(begun >= in_lines, "{begun} after {in_lines}");
            drop(peer);
            let _ = end_of(&mut stdio).await;
            assert!(stdio.bytes_received() >= begun);
        }
    }
}
