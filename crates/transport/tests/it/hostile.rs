use crate::{
    raw::{CLOSE, CONTINUE, PING, PONG, TEXT, client_frame, close_payload, frame, read_frame},
    support::{binary, end_of, message, poll_now, soon, text, with_raw_peer},
};
use afield_transport::{CloseReason, Connection, MAX_FRAGMENTS, Received, Role};
use std::{future::poll_fn, task::Poll};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

/// Sends `bytes` to a server and returns why it closed, and the close frame it sent.
async fn reaction(bytes: Vec<u8>, message_bytes: usize) -> (CloseReason, Option<u16>) {
    let (mut server, mut peer) = with_raw_peer(Role::Server, message_bytes).await;
    let peer = tokio::spawn(async move {
        // The server may stop reading.
        let _ = peer.write_all(&bytes).await;
        let code = close_code(&mut peer).await;
        let _ = peer.shutdown().await;
        code
    });
    let closed = end_of(&mut server).await;
    soon(server.closed()).await;
    (closed.reason, soon(peer).await.unwrap())
}

async fn close_code(peer: &mut TcpStream) -> Option<u16> {
    while let Some(frame) = soon(read_frame(peer)).await {
        if frame.opcode == CLOSE {
            return frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
    None
}

/// Proves that every breach of RFC 6455's framing ends the connection with the code that names it.
#[tokio::test]
async fn case_087_broken_frames_end_the_connection_with_the_right_code() {
    for (what, bytes, code) in [
        ("an unmasked frame", frame(0x81, None, b"x"), 1002),
        ("a reserved bit", frame(0xc1, MASK, b"x"), 1002),
        ("a reserved opcode", frame(0x83, MASK, b"x"), 1002),
        ("a reserved control opcode", frame(0x8b, MASK, b"x"), 1002),
        ("a fragmented ping", frame(PING, MASK, b"x"), 1002),
        ("a ping of 126 bytes", client_frame(PING, &[0; 126]), 1002),
        ("a continuation of nothing", client_frame(CONTINUE, b"x"), 1002),
        ("a message in a message", [frame(TEXT, MASK, b"x"), client_frame(TEXT, b"y")].concat(), 1002),
        ("text that is not UTF-8", client_frame(TEXT, b"\xff"), 1007),
        ("text cut in a character", client_frame(TEXT, "é".as_bytes().split_at(1).0), 1007),
        (
            "bad text in the middle fragment",
            [frame(TEXT, MASK, b"a"), frame(CONTINUE, MASK, b"\xc0\xaf")].concat(),
            1007,
        ),
        ("half a close code", client_frame(CLOSE, &[3]), 1002),
        ("close code 1005", client_frame(CLOSE, &close_payload(1005, "")), 1002),
        ("close code 1006", client_frame(CLOSE, &close_payload(1006, "")), 1002),
        ("close code 1015", client_frame(CLOSE, &close_payload(1015, "")), 1002),
        ("close code 999", client_frame(CLOSE, &close_payload(999, "")), 1002),
        ("a close reason that is not UTF-8", client_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ] {
        let (reason, sent) = reaction(bytes, 1024).await;
        assert!(matches!(reason, CloseReason::Protocol(_)), "{what}: {reason:?}");
        assert_eq!(sent, Some(code), "{what}");
    }
}

/// Proves that a client refuses masked frames.
#[tokio::test]
async fn a_client_refuses_masked_frames() {
    let (mut client, mut peer) = with_raw_peer(Role::Client, 1024).await;
    peer.write_all(&client_frame(TEXT, b"x")).await.unwrap();
    assert!(matches!(end_of(&mut client).await.reason, CloseReason::Protocol(_)));
    assert_eq!(close_code(&mut peer).await, Some(1002));
}

/// Proves that text whose fragments cut characters is put together, and a ping inside it answered.
#[tokio::test]
async fn text_may_be_cut_inside_a_character_and_around_a_ping() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    let (start, end) = "añ".as_bytes().split_at(2);
    peer.write_all(&frame(TEXT, MASK, start)).await.unwrap();
    peer.write_all(&client_frame(PING, b"now")).await.unwrap();
    peer.write_all(&frame(0x80 | CONTINUE, MASK, end)).await.unwrap();
    assert_eq!(message(&mut server).await, text("añ"));
    soon(poll_fn(|cx| server.poll_flush(cx))).await.unwrap();
    let pong = soon(read_frame(&mut peer)).await.unwrap();
    assert_eq!((pong.opcode, pong.payload.as_slice()), (PONG, b"now".as_slice()));
}

/// Proves the message limit: at it a message is received, one byte past it the connection ends with 1009, judged by
/// what a frame announces and before anything is kept for it.
#[tokio::test]
async fn case_088_a_message_over_the_limit_is_refused_with_1009() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1000).await;
    peer.write_all(&client_frame(TEXT, &[b'x'; 1000])).await.unwrap();
    peer.write_all(&frame(TEXT, MASK, &[b'x'; 600])).await.unwrap();
    peer.write_all(&frame(0x80 | CONTINUE, MASK, &[b'x'; 400])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(message(&mut server).await.bytes().len(), 1000);
    }
    let announced = [&[0x82, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    for (what, bytes) in [
        ("one frame", client_frame(TEXT, &[b'x'; 1001])),
        ("the head of one", client_frame(TEXT, &[b'x'; 1001])[..8].to_vec()),
        ("the largest that can be announced", announced),
        ("two fragments", [frame(TEXT, MASK, &[b'x'; 600]), frame(CONTINUE, MASK, &[b'x'; 401])].concat()),
    ] {
        let (reason, sent) = reaction(bytes, 1000).await;
        assert!(matches!(reason, CloseReason::TooLarge), "{what}: {reason:?}");
        assert_eq!(sent, Some(1009), "{what}");
    }
}

/// Proves that a message in a million fragments of no or one byte is refused long before its end.
#[tokio::test]
async fn case_088_a_million_tiny_fragments_are_refused() {
    for payload in [&b""[..], b"x"] {
        let mut bytes = frame(TEXT, MASK, payload);
        let fragment = frame(CONTINUE, MASK, payload);
        bytes.extend(fragment.iter().cycle().take(fragment.len() * 1_000_000));
        let (reason, sent) = reaction(bytes, 64 * 1024 * 1024).await;
        assert!(matches!(reason, CloseReason::TooLarge), "{reason:?}");
        assert_eq!(sent, Some(1009));
    }
    let mut bytes = frame(TEXT, MASK, b"x");
    for _ in 2..MAX_FRAGMENTS {
        bytes.extend(frame(CONTINUE, MASK, b"x"));
    }
    bytes.extend(frame(0x80 | CONTINUE, MASK, b"x"));
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024 * 1024).await;
    let writing = tokio::spawn(async move {
        peer.write_all(&bytes).await.unwrap();
        peer
    });
    assert_eq!(message(&mut server).await.bytes().len(), MAX_FRAGMENTS, "at the limit a message is received");
    soon(writing).await.unwrap();
}

/// Proves that ten pings at once get their ten answers, in order.
#[tokio::test]
async fn every_ping_is_answered_while_little_waits() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    let pings: Vec<u8> = (0..10).flat_map(|number: u8| client_frame(PING, &[number])).collect();
    peer.write_all(&pings).await.unwrap();
    peer.write_all(&client_frame(TEXT, b"end")).await.unwrap();
    assert_eq!(message(&mut server).await, text("end"));
    soon(poll_fn(|cx| server.poll_flush(cx))).await.unwrap();
    for number in 0..10 {
        let pong = soon(read_frame(&mut peer)).await.unwrap();
        assert_eq!((pong.opcode, pong.payload), (PONG, vec![number]));
    }
}

/// Proves that a peer that floods with pings and reads nothing makes no queue grow: what it finds when it reads at
/// last is what the kernel held, a bounded rest, and the answer to its latest ping.
#[tokio::test]
async fn case_089_a_ping_flood_from_a_peer_that_never_reads_queues_one_pong() {
    const PINGS: u32 = 200_000;
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    // Until the kernel takes no more.
    loop {
        assert!(poll_now(|cx| server.poll_ready(cx)).is_ready());
        server.send(binary(1024));
        if poll_now(|cx| server.poll_flush(cx)).is_pending() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let (mut reading, mut writing) = peer.split();
    let flood = async {
        let mut bytes = Vec::new();
        for number in 0..PINGS {
            bytes.extend(client_frame(PING, &number.to_be_bytes()));
        }
        bytes.extend(client_frame(TEXT, b"end"));
        writing.write_all(&bytes).await.unwrap();
    };
    let ((), received) = soon(async { tokio::join!(flood, message(&mut server)) }).await;
    assert_eq!(received, text("end"), "reading goes on while writing is blocked");
    server.close(1000, "");
    let flushing = poll_fn(|cx| server.poll_flush(cx));
    let draining = async {
        let mut pongs = Vec::new();
        loop {
            match read_frame(&mut reading).await.unwrap() {
                frame if frame.opcode == PONG => pongs.push(frame.payload),
                frame if frame.opcode == CLOSE => return pongs,
                _ => {}
            }
        }
    };
    let (flushed, pongs) = soon(async { tokio::join!(flushing, draining) }).await;
    flushed.unwrap();
    assert!(pongs.len() < 1000, "{} pongs were queued", pongs.len());
    assert_eq!(pongs.last().unwrap().as_slice(), (PINGS - 1).to_be_bytes(), "the latest ping is answered");
}

/// Proves that a peer that never reads makes the sender wait, with a bounded write buffer, for either role.
#[tokio::test]
async fn case_089_a_peer_that_never_reads_makes_the_sender_wait() {
    for role in [Role::Server, Role::Client] {
        let (mut connection, mut peer) = with_raw_peer(role, 1024).await;
        let mut sent = 0;
        // The kernel's buffers on loopback are far below this.
        while sent < 256 * 1024 * 1024 {
            if poll_now(|cx| connection.poll_ready(cx)).is_pending() {
                break;
            }
            connection.send(binary(1024 * 1024));
            sent += 1024 * 1024;
            tokio::task::yield_now().await;
        }
        assert!(sent < 256 * 1024 * 1024, "{role:?}: nothing ever said stop");
        let waiting = tokio::spawn(async move {
            poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
            connection
        });
        let mut discarded = vec![0; 64 * 1024];
        let reading = async { while peer.read(&mut discarded).await.unwrap() > 0 {} };
        soon(async {
            tokio::select! {
                connection = waiting => drop(connection.unwrap()),
                () = reading => {}
            }
        })
        .await;
    }
}

/// Proves that a peer that vanishes in the middle of a message is an end, and not a message.
#[tokio::test]
async fn case_090_a_connection_cut_in_a_message_is_an_end() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    peer.write_all(&client_frame(TEXT, b"whole")).await.unwrap();
    peer.write_all(&client_frame(TEXT, b"cut")[..7]).await.unwrap();
    drop(peer);
    assert_eq!(message(&mut server).await, text("whole"));
    let closed = soon(server.receive()).await.unwrap_err();
    assert!(matches!(closed.reason, CloseReason::Ended), "{closed:?}");
    assert!(matches!(poll_now(|cx| server.poll_ready(cx)), Poll::Ready(Err(_))), "nothing more can be sent");
}

/// Proves that liveness can count on every byte: framing, control frames and half messages.
#[tokio::test]
async fn every_byte_counts_as_received() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    let bytes =
        [client_frame(PONG, b""), frame(TEXT, MASK, b"half"), client_frame(PING, b""), vec![0x80]].concat();
    peer.write_all(&bytes).await.unwrap();
    drop(peer.shutdown().await);
    assert_eq!(soon(server.receive()).await.unwrap(), Received::Pong);
    end_of(&mut server).await;
    assert_eq!(server.bytes_received(), bytes.len() as u64);
}
