use crate::support::{dial, rest, until};
use afield_testkit::toxic::{Cut, Toxic, Way};
use afield_testkit::{Origin, RawOrigin, Rng, Script, pattern, within};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GET: &str = "GET /bytes/1000 HTTP/1.1\r\nconnection: close\r\n\r\n";

/// Proves that an untroubled proxy changes nothing, throttled and delayed ways included, and ends when both ends have.
#[tokio::test]
async fn bytes_pass_unchanged() {
    let origin = Origin::start().await;
    let toxic = Toxic::start(origin.address()).await;
    toxic.throttle(Way::Down, 100_000);
    toxic.delay(Way::Up, std::time::Duration::from_millis(1));
    let answer = rest(dial(toxic.address(), GET).await).await;
    assert!(answer.ends_with(&pattern::bytes(0, 1000)));
    assert_eq!(toxic.forwarded(Way::Up), GET.len() as u64);
    assert_eq!(toxic.forwarded(Way::Down), answer.len() as u64);
    origin.wait_active(0).await;
}

/// Proves that a cut falls right behind the byte it was asked for, as an end or a reset, once.
#[tokio::test]
async fn a_cut_falls_where_it_was_asked() {
    let origin = Origin::start().await;
    let toxic = Toxic::start(origin.address()).await;
    for (cut, error) in [(Cut::Reset, Some(ErrorKind::ConnectionReset)), (Cut::Close, None)] {
        toxic.cut_after(Way::Down, 100, cut);
        let mut answer = Vec::new();
        let mut stream = dial(toxic.address(), GET).await;
        let read = within("the answer is cut", stream.read_to_end(&mut answer)).await;
        assert_eq!((answer.len(), read.err().map(|e| e.kind())), (100, error));
    }
    assert_eq!(toxic.cuts(), 2);
    assert!(rest(dial(toxic.address(), GET).await).await.len() > 1000);
}

/// Proves that a stalled way delivers nothing and loses nothing.
#[tokio::test]
async fn a_stalled_way_loses_nothing() {
    let origin = RawOrigin::always(Script::new().send("early").expect_text("up").send("late")).await;
    let toxic = Toxic::start(origin.address()).await;
    toxic.stall(Way::Up);
    let mut stream = dial(toxic.address(), "up").await;
    assert_eq!(until(&mut stream, "early").await, "early");
    assert_eq!(origin.connection(0).await.received_count(), 0);
    toxic.resume(Way::Up);
    assert_eq!(rest(stream).await, b"late");
}

/// Proves that a half-open connection delivers nothing, not even its end, and that others work once healed.
#[tokio::test]
async fn a_swallowed_connection_never_tells() {
    let origin = Origin::start().await;
    let toxic = Toxic::start(origin.address()).await;
    let mut half_open = dial(toxic.address(), "GET /sse-open HTTP/1.1\r\n").await;
    let connection = origin.connection(0).await;
    connection.wait_bytes_read(24).await;
    toxic.swallow();
    half_open.write_all(b"host: o\r\n\r\n").await.unwrap();
    drop(half_open);
    drop(dial(toxic.address(), GET).await);
    toxic.wait_swallowed(11 + GET.len() as u64).await;
    origin.connection(1).await;
    assert_eq!((connection.ending(), origin.received()), (None, 0));
    toxic.heal();
    assert!(rest(dial(toxic.address(), GET).await).await.ends_with(&pattern::bytes(0, 1000)));
}

/// Proves that random cuts come again and again, and stop with their schedule.
#[tokio::test]
async fn random_cuts_follow_their_schedule() {
    let origin = Origin::start().await;
    let toxic = Toxic::start(origin.address()).await;
    let schedule = toxic.cut_at_random(Rng::new(7), 1..5);
    for _ in 0..3 {
        let mut stream = dial(toxic.address(), "GET /endless HTTP/1.1\r\n\r\n").await;
        let mut sink = Vec::new();
        let _ = within("the connection is cut", stream.read_to_end(&mut sink)).await;
    }
    drop(schedule);
    assert!(toxic.cuts() >= 3);
    assert!(rest(dial(toxic.address(), GET).await).await.ends_with(&pattern::bytes(0, 1000)));
}
