use crate::{
    raw::{BINARY, CLOSE, CONTINUE, PING, TEXT, read_frame},
    support::{binary, message, pair, poll_now, soon, text, with_raw_peer},
};
use afield_transport::{Connection, FRAGMENT, Message, Received, Role};
use bytes::Bytes;
use std::future::poll_fn;

/// Proves that a ping queued while a message of 10 MiB is under way goes out between two of its fragments, for either role.
#[tokio::test]
async fn a_ping_overtakes_the_rest_of_a_large_message() {
    for role in [Role::Server, Role::Client] {
        let (mut connection, mut peer) = with_raw_peer(role, 1024).await;
        let large = binary(10 * 1024 * 1024);
        assert!(poll_now(|cx| connection.poll_ready(cx)).is_ready());
        connection.send(large.clone());
        let _ = poll_now(|cx| connection.poll_flush(cx));
        connection.ping();
        let writing = tokio::spawn(async move {
            poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
            connection
        });
        let (mut payload, mut ping_after) = (Vec::new(), None);
        loop {
            let frame = soon(read_frame(&mut peer)).await.unwrap();
            assert_eq!(frame.masked, role == Role::Client);
            if frame.opcode == PING {
                ping_after = Some(payload.len());
                continue;
            }
            assert_eq!(frame.opcode, if payload.is_empty() { BINARY } else { CONTINUE });
            assert!(frame.payload.len() <= FRAGMENT);
            payload.extend(frame.payload);
            if frame.last {
                break;
            }
        }
        soon(writing).await.unwrap();
        assert!(payload == *large.bytes(), "the message arrived as another");
        assert!(ping_after.unwrap() < payload.len(), "the ping came {ping_after:?} bytes in");
    }
}

/// Proves where a message is first cut: a body message of 256 KiB and its header stays whole.
#[tokio::test]
async fn a_body_message_stays_in_one_frame_and_a_longer_one_is_cut() {
    for (length, fragments) in [
        (0, vec![0]),
        (FRAGMENT + 18, vec![FRAGMENT + 18]),
        (FRAGMENT + 64, vec![FRAGMENT + 64]),
        (FRAGMENT + 65, vec![FRAGMENT, 65]),
        (2 * FRAGMENT + 64, vec![FRAGMENT, FRAGMENT + 64]),
        (2 * FRAGMENT + 65, vec![FRAGMENT, FRAGMENT, 65]),
    ] {
        let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
        let sending = tokio::spawn(async move { server.send_all(binary(length)).await.map(|()| server) });
        let mut seen = Vec::new();
        loop {
            let frame = soon(read_frame(&mut peer)).await.unwrap();
            seen.push(frame.payload.len());
            if frame.last {
                break;
            }
        }
        soon(sending).await.unwrap().unwrap();
        assert_eq!(seen, fragments);
    }
}

/// Proves that messages given one after the other, small and large, leave in that order and before the close frame.
#[tokio::test]
async fn order_is_kept_and_the_close_comes_last() {
    let (mut server, mut peer) = with_raw_peer(Role::Server, 1024).await;
    let sending = tokio::spawn(async move {
        for message in [text("first"), binary(100_000), text("third"), binary(300_000), text("fifth")] {
            poll_fn(|cx| server.poll_ready(cx)).await.unwrap();
            server.send(message);
        }
        server.close(4000, "done");
        poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
        server
    });
    let mut seen = Vec::new();
    loop {
        let frame = soon(read_frame(&mut peer)).await.unwrap();
        seen.push((frame.opcode, frame.payload.len()));
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload, b"\x0f\xa0done");
            break;
        }
    }
    soon(sending).await.unwrap();
    assert_eq!(
        seen,
        [
            (TEXT, 5),
            (BINARY, 100_000),
            (TEXT, 5),
            (BINARY, FRAGMENT),
            (CONTINUE, 300_000 - FRAGMENT),
            (TEXT, 5),
            (CLOSE, 6)
        ]
    );
}

/// Proves that both ends can send 32 MiB at once: neither stops reading while its writing is blocked.
#[tokio::test]
async fn both_directions_flow_at_once() {
    let (client, server) = pair(1024 * 1024).await;
    let (first, second) = (tokio::spawn(exchange(client)), tokio::spawn(exchange(server)));
    soon(first).await.unwrap();
    soon(second).await.unwrap();
}

/// Sends 32 messages of 1 MiB and receives as many, in one task, as a driver does.
async fn exchange(mut connection: impl Connection) {
    const COUNT: usize = 32;
    let large = binary(1024 * 1024);
    let (mut sent, mut received) = (0, 0);
    poll_fn(|cx| {
        while let std::task::Poll::Ready(next) = connection.poll_receive(cx) {
            match next {
                Ok(Received::Message(message)) => {
                    assert!(message == large);
                    received += 1;
                }
                Ok(_) => {}
                Err(closed) => {
                    assert_eq!((sent, received), (COUNT, COUNT), "{closed}");
                    return std::task::Poll::Ready(());
                }
            }
        }
        while sent < COUNT && connection.poll_ready(cx).is_ready() {
            connection.send(large.clone());
            sent += 1;
        }
        let flushed = connection.poll_flush(cx).is_ready();
        if flushed && (sent, received) == (COUNT, COUNT) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// Proves that a ping is answered by a peer that does nothing but receive, and that the answer is told.
#[tokio::test]
async fn a_ping_brings_a_pong() {
    let (mut client, mut server) = pair(1024).await;
    client.ping();
    let receiving = tokio::spawn(async move { server.receive().await });
    soon(poll_fn(|cx| client.poll_flush(cx))).await.unwrap();
    assert_eq!(soon(client.receive()).await.unwrap(), Received::Pong);
    receiving.abort();
}

/// Proves that messages arrive as they were sent, at every size where the framing changes.
#[tokio::test]
async fn messages_of_every_size_keep_their_bytes() {
    let (mut client, mut server) = pair(4 * 1024 * 1024).await;
    let sizes = [0, 1, 125, 126, 65_535, 65_536, 16_384, 16_385, FRAGMENT, FRAGMENT + 65, 3 * 1024 * 1024];
    let sending = tokio::spawn(async move {
        for size in sizes {
            client.send_all(binary(size)).await.unwrap();
            client.send_all(Message::Text(Bytes::from("t".repeat(size)))).await.unwrap();
        }
        client
    });
    for size in sizes {
        assert!(message(&mut server).await == binary(size), "{size} bytes");
        assert_eq!(message(&mut server).await, Message::Text(Bytes::from("t".repeat(size))));
    }
    soon(sending).await.unwrap();
}
