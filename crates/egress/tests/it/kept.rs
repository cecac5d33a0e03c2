//! What an egress keeps for a principal is counted in that principal's share.

use crate::support::World;
use afield_egress::{CaPolicy, Kept};
use afield_exchange::{Budget, Kind, Phase, Request, Retry};
use afield_testkit::{Origin, RawOrigin, Script, tls::Ca, within};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

const KIB: usize = 1024;

fn kept(bytes: usize, idle: usize) -> Kept {
    Kept { bytes: Budget::new(bytes, 1).share(), idle: Budget::new(idle, 1).share() }
}

/// An origin that speaks HTTP/2, and who asks it.
async fn over_http2() -> (Origin, World) {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["h2"]).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    (origin, World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into())))
}

/// Proves that an unused connection counts while it is kept, that one for which there is no room is closed and nobody is
/// refused for it, and that the place is given back with the connection (case 140).
#[tokio::test]
async fn case_140_unused_connections_count_while_they_are_kept() {
    let origins = [Origin::start().await, Origin::start().await];
    let kept = kept(1024 * KIB, 1);
    let egress = World::new().egress.within(kept.clone());
    for _ in 0..3 {
        for origin in &origins {
            egress.call(Request::get(origin.url("/echo"))).await.unwrap();
        }
    }
    assert_eq!(origins.each_ref().map(Origin::accepted), [1, 3]);
    assert_eq!((kept.idle.used(), kept.bytes.used()), (1, 32 * KIB));
    drop(egress);
    assert_eq!((kept.idle.used(), kept.bytes.used()), (0, 0));
}

/// Proves that what an HTTP/2 origin may send ahead of its reader counts while the body is not read, and that an answer for
/// which there is no room is refused (case 138).
#[tokio::test]
async fn case_138_windows_of_http2_origins_count_while_nobody_reads() {
    let (origin, world) = over_http2().await;
    let kept = kept(1100 * KIB, 8);
    let egress = world.egress.within(kept.clone());
    let get = || egress.send(Request::get(origin.url("/bytes/1048576")));
    let (first, mut second) = (get().await.unwrap(), get().await.unwrap());
    assert_eq!(kept.bytes.used(), (2 * 512 + 32) * KIB);
    let refused = get().await.err().unwrap();
    assert_eq!((refused.kind(), refused.retry()), (Kind::Overloaded, Retry::Unknown));
    assert_eq!(refused.phase(), Some(Phase::Head));
    drop(first);
    let third = get().await.unwrap();
    while second.body.next().await.transpose().unwrap().is_some() {}
    assert_eq!(kept.bytes.used(), (512 + 32) * KIB);
    drop((second, third));
    assert_eq!((kept.bytes.used(), kept.idle.used(), origin.accepted()), (32 * KIB, 1, 1));
}

/// Proves that a stream whose reader waits for more takes nothing, so that there may be many that are silent, and that one
/// for which there is no room any more when something comes is ended (case 138).
#[tokio::test]
async fn case_138_silent_streams_over_http2_take_no_window() {
    let (origin, world) = over_http2().await;
    let kept = kept(600 * KIB, 8);
    let egress = world.egress.within(kept.clone());
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = egress.send(Request::get(origin.url("/half/2?then=more"))).await.unwrap();
        assert_eq!(stream.body.next().await.unwrap().unwrap().len(), 1);
        poll_fn(|cx| {
            assert!(pin!(stream.body.next()).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        streams.push(stream);
    }
    assert_eq!(kept.bytes.used(), 32 * KIB);
    origin.open_gate("more");
    let mut ends = Vec::new();
    for stream in &mut streams {
        ends.push(within("something comes", stream.body.next()).await.unwrap());
    }
    let refused = ends.iter().filter_map(|end| end.as_ref().err());
    assert!(ends[0].is_ok() && refused.clone().count() == 9, "{ends:?}");
    assert!(refused.clone().all(|error| error.kind() == Kind::Overloaded), "{ends:?}");
    drop(streams);
    assert_eq!(kept.bytes.used(), 32 * KIB);
}

/// Proves that a large head over HTTP/1 counts while it comes, that one for which there is no room is given up, and that what a
/// head took is given back with it (case 138).
#[tokio::test]
async fn case_138_large_heads_count_while_they_come() {
    let beginning = format!("HTTP/1.1 200 OK\r\nx-a: {}", "a".repeat(300 * KIB));
    let origin = RawOrigin::always(Script::new().expect_head().send(beginning).hang()).await;
    let kept = kept(500 * KIB, 8);
    let egress = World::new().egress.within(kept.clone());
    let get = || egress.send(Request::get(origin.url("/")));
    let mut first = Box::pin(get());
    let counted = async {
        while kept.bytes.used() < 268 * KIB {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = &mut first => panic!("the head has no end"),
        () = within("what came of the head counts", counted) => {}
    }
    let refused = within("there is no room for another", get()).await.err().unwrap();
    assert_eq!((refused.kind(), refused.retry()), (Kind::Overloaded, Retry::Unknown));
    assert_eq!(refused.phase(), Some(Phase::Head));
    origin.connection(1).await.wait_closed().await;
    drop(first);
    assert_eq!(kept.bytes.used(), 0);
}
