use crate::support::{binary, pair, tcp_pair};
use afield_transport::{Connection, FRAGMENT, Message, Received};
use futures_util::{SinkExt, StreamExt};
use std::{future::poll_fn, task::Poll, time::Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, protocol::Role},
};

/// Measures, and proves nothing: one connection over loopback, messages of 256 KiB, in either direction.
/// `cargo test --release -p afield-transport -- --ignored --nocapture throughput`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput_of_one_connection() {
    for (what, size, total) in
        [("256 KiB", FRAGMENT, 8 << 30), ("16 KiB", 16 * 1024, 2 << 30), ("64 bytes", 64, 128 << 20)]
    {
        for from_client in [false, true] {
            let (client, server) = pair(1024 * 1024).await;
            let (sender, receiver) = if from_client { (client, server) } else { (server, client) };
            let started = Instant::now();
            let sending = tokio::spawn(send(sender, binary(size), total / size));
            let receiving = tokio::spawn(receive(receiver, total / size));
            sending.await.unwrap();
            receiving.await.unwrap();
            let seconds = started.elapsed().as_secs_f64();
            let direction = if from_client { "client to server, masked" } else { "server to client" };
            println!(
                "{what}, {direction}: {:.0} MiB/s, {:.0} messages/s",
                total as f64 / seconds / 1_048_576.0,
                (total / size) as f64 / seconds
            );
        }
    }
}

async fn send(mut connection: impl Connection, message: Message, count: usize) {
    let mut sent = 0;
    poll_fn(|cx| {
        while sent < count && connection.poll_ready(cx).is_ready() {
            connection.send(message.clone());
            sent += 1;
        }
        match connection.poll_flush(cx) {
            Poll::Ready(_) if sent == count => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    let _ = connection.receive().await;
}

async fn receive(mut connection: impl Connection, count: usize) {
    for _ in 0..count {
        assert!(matches!(connection.receive().await, Ok(Received::Message(_))));
    }
}

/// Measures what the same messages cost bare TCP and `tokio-tungstenite`, to compare with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput_of_others() {
    const TOTAL: usize = 4 << 30;
    let payload = binary(FRAGMENT).bytes().clone();

    let (mut sender, mut receiver) = tcp_pair().await;
    let started = Instant::now();
    let bytes = payload.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..TOTAL / FRAGMENT {
            sender.write_all(&bytes).await.unwrap();
        }
    });
    let mut buffer = vec![0; FRAGMENT];
    for _ in 0..TOTAL / FRAGMENT {
        receiver.read_exact(&mut buffer).await.unwrap();
    }
    sending.await.unwrap();
    println!("256 KiB, bare TCP: {:.0} MiB/s", 4096.0 / started.elapsed().as_secs_f64());

    for (what, role, peer_role) in [
        ("server to client", Role::Server, Role::Client),
        ("client to server, masked", Role::Client, Role::Server),
    ] {
        let (sender, receiver) = tcp_pair().await;
        let mut sender = WebSocketStream::from_raw_socket(sender, role, None).await;
        let mut receiver = WebSocketStream::from_raw_socket(receiver, peer_role, None).await;
        let started = Instant::now();
        let bytes = payload.clone();
        let sending = tokio::spawn(async move {
            for _ in 0..TOTAL / FRAGMENT {
                sender.feed(tungstenite::Message::Binary(bytes.clone())).await.unwrap();
            }
            sender.flush().await.unwrap();
            sender
        });
        for _ in 0..TOTAL / FRAGMENT {
            assert_eq!(receiver.next().await.unwrap().unwrap().len(), FRAGMENT);
        }
        drop(sending.await.unwrap());
        println!("256 KiB, tokio-tungstenite, {what}: {:.0} MiB/s", 4096.0 / started.elapsed().as_secs_f64());
    }
}
