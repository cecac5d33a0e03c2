use crate::{
    raw::{BINARY, CONTINUE, PING, TEXT, frame},
    support::{soon, tcp_pair, with_raw_peer},
};
use afield_transport::{Connection, Message, Received, Role, WebSocket};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use proptest::{collection::vec, prelude::*};
use tokio::io::{AsyncWriteExt, duplex};
use tokio_tungstenite::{WebSocketStream, tungstenite, tungstenite::protocol::Role as PeerRole};

const LIMIT: usize = 8 * 1024 * 1024;

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let size = prop_oneof![4 => 0..300usize, 2 => 0..70_000usize, 1 => 200_000..600_000usize];
    let one = (any::<bool>(), size, any::<u8>()).prop_map(|(is_text, size, seed)| {
        if is_text {
            Message::Text(Bytes::from(
                "aé😀z".chars().cycle().skip(usize::from(seed) % 4).take(size).collect::<String>(),
            ))
        } else {
            Message::Binary((0..size).map(|at| (at as u8).wrapping_mul(seed)).collect::<Vec<_>>().into())
        }
    });
    vec(one, 0..8)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(soon(future))
}

async fn receive_all(connection: &mut impl Connection, count: usize) -> Vec<Message> {
    let mut all = Vec::new();
    while all.len() < count {
        if let Received::Message(message) = connection.receive().await.unwrap() {
            all.push(message);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that any messages survive any fragmentation, any cutting into reads, and pings in between.
    #[test]
    fn messages_survive_any_fragmentation(
        messages in messages(),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
        pings in any::<bool>(),
        pipe in prop_oneof![1..64usize, 1000..100_000usize],
    ) {
        let mut bytes = Vec::new();
        for message in &messages {
            let payload = message.bytes();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            ends.sort_unstable();
            ends.push(payload.len());
            let (mut start, mut opcode) = (0, if matches!(message, Message::Text(_)) { TEXT } else { BINARY });
            for (at, end) in ends.iter().enumerate() {
                let last = if at + 1 == ends.len() { 0x80 } else { 0 };
                if pings {
                    bytes.extend(frame(0x80 | PING, Some([1; 4]), b"?"));
                }
                bytes.extend(frame(last | opcode, Some([7, 0, 255, at as u8]), &payload[start..*end]));
                (start, opcode) = (*end, CONTINUE);
            }
        }
        let received = run(async {
            // A narrow pipe cuts the bytes into reads of its own; few messages are too long for the narrowest.
            let (mut peer, ours) = duplex(pipe.max(bytes.len() / 1000));
            let mut server = WebSocket::new(ours, BytesMut::new(), Role::Server, LIMIT);
            let (mut read, mut write) = tokio::io::split(&mut peer);
            let mut ignored = tokio::io::sink();
            tokio::select! {
                received = async { tokio::join!(write.write_all(&bytes), receive_all(&mut server, messages.len())).1 } => received,
                _ = tokio::io::copy(&mut read, &mut ignored) => unreachable!("the server has not ended"),
            }
        });
        prop_assert!(received == messages);
    }

    /// Proves that what either role sends is what an independent implementation receives, and the other way round.
    #[test]
    fn an_independent_implementation_understands_and_is_understood(messages in messages(), client in any::<bool>()) {
        let echoed = run(async {
            let (theirs, ours) = tcp_pair().await;
            let (role, peer_role) =
                if client { (Role::Client, PeerRole::Server) } else { (Role::Server, PeerRole::Client) };
            let mut ours = WebSocket::new(ours, BytesMut::new(), role, LIMIT);
            let mut theirs = WebSocketStream::from_raw_socket(theirs, peer_role, None).await;
            let peer = tokio::spawn(async move {
                while let Some(Ok(message)) = theirs.next().await {
                    if message.is_close() {
                        break;
                    }
                    theirs.send(message).await.unwrap();
                }
                // What was answered automatically still wants to be flushed.
                let _ = theirs.close(None).await;
                while let Some(Ok(_)) = theirs.next().await {}
            });
            let mut echoed = Vec::new();
            for message in &messages {
                ours.send_all(message.clone()).await.unwrap();
                ours.ping();
                echoed.extend(receive_all(&mut ours, 1).await);
            }
            ours.close(1000, "");
            ours.closed().await;
            drop(ours);
            peer.await.unwrap();
            echoed
        });
        prop_assert!(echoed == messages);
    }
}

/// Proves that the oracle is what it says: it refuses what this crate refuses.
#[tokio::test]
async fn the_independent_implementation_enforces_masking_too() {
    let (mut server, raw) = with_raw_peer(Role::Server, 1024).await;
    let mut unmasked = WebSocketStream::from_raw_socket(raw, PeerRole::Server, None).await;
    unmasked.send(tungstenite::Message::text("from a server")).await.unwrap();
    assert!(soon(server.receive()).await.is_err());
}

/// Proves that a binary message in two parts arrives as one, masked or not, whatever its size.
#[test]
fn a_message_in_two_parts_arrives_as_one() {
    run(async {
        for sender in [Role::Client, Role::Server] {
            let receiver = if sender == Role::Client { Role::Server } else { Role::Client };
            let (ours, theirs) = duplex(50_000);
            let mut from = WebSocket::new(ours, BytesMut::new(), sender, LIMIT);
            let mut to = WebSocket::new(theirs, BytesMut::new(), receiver, LIMIT);
            let prefix: [u8; 18] = std::array::from_fn(|at| at as u8);
            for size in [0, 1, 5000, 16 * 1024 + 1, 256 * 1024, 600_000] {
                let payload: Bytes = (0..size).map(|at| (at * 7) as u8).collect::<Vec<_>>().into();
                std::future::poll_fn(|cx| from.poll_ready(cx)).await.unwrap();
                from.send_binary(prefix, payload.clone());
                let flushed = std::future::poll_fn(|cx| from.poll_flush(cx));
                let (flushed, mut received) = tokio::join!(flushed, receive_all(&mut to, 1));
                flushed.unwrap();
                let expected = Message::Binary([&prefix[..], &payload].concat().into());
                assert!(received.pop() == Some(expected), "{size} bytes from {sender:?}");
            }
        }
    });
}
