//! Calls, downloads, uploads and streams of events through a network that fails all the time.

use crate::support::serve;
use afield_client::{HttpClient, Remote, RemoteConfig};
use afield_exchange::{Request, RequestBody};
use afield_testkit::{
    Origin, Rng, Seed, Toxic, pattern,
    toxic::{Cut, Way},
};
use futures_util::{StreamExt, stream};
use std::{env, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::sleep};

/// How much is done. A longer run asks for more, by variables of the environment.
struct Amount {
    posts: u64,
    megabytes: u64,
    events: u64,
}

impl Amount {
    fn of_environment() -> Self {
        let number =
            |name: &str, short| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(short);
        Self {
            posts: number("AFIELD_CHAOS_POSTS", 1000),
            megabytes: number("AFIELD_CHAOS_MEGABYTES", 50),
            events: number("AFIELD_CHAOS_EVENTS", 1000),
        }
    }
}

/// Cuts, stalls, throttles and half-opens every connection, something every 50 to 500 ms.
async fn trouble(toxic: &Toxic, mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(rng.range(50..500))).await;
        let cut = *rng.pick(&[Cut::Reset, Cut::Close]);
        let a_while = Duration::from_millis(rng.range(20..200));
        match rng.range(0..6) {
            0..3 => toxic.cut(cut),
            3 => {
                let way = *rng.pick(&[Way::Up, Way::Down]);
                toxic.stall(way);
                sleep(a_while).await;
                toxic.resume(way);
            }
            4 => {
                toxic.throttle(Way::Up, 3_000_000);
                toxic.throttle(Way::Down, 3_000_000);
                sleep(a_while).await;
                toxic.heal();
            }
            _ => {
                toxic.swallow();
                sleep(a_while).await;
                toxic.cut(cut);
                toxic.heal();
            }
        }
    }
}

async fn post(remote: &Remote, origin: &Origin, key: u64) {
    let request = Request::new("POST", origin.url(&format!("/count?key=post-{key}")))
        .body(RequestBody::Bytes("{}".into()));
    let answer = remote.call(request).await.unwrap();
    assert_eq!(answer.body, r#"{"executions":1}"#, "post {key}");
}

async fn download(remote: &Remote, origin: &Origin, bytes: u64) {
    let mut body = remote.stream(Request::get(origin.url(&format!("/chunked/{bytes}")))).await.unwrap().body;
    let mut read = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.unwrap();
        assert!(piece == pattern::bytes(read, piece.len()), "the bytes at {read} are others");
        read += piece.len() as u64;
    }
    assert_eq!(read, bytes);
}

async fn upload(remote: &Remote, origin: &Origin, bytes: u64) {
    const PIECE: u64 = 100_000;
    let pieces = stream::iter((0..bytes.div_ceil(PIECE)).map(move |at| {
        let offset = at * PIECE;
        Ok(pattern::bytes(offset, usize::try_from(PIECE.min(bytes - offset)).unwrap()))
    }));
    let body = RequestBody::Stream { length: None, stream: Box::pin(pieces) };
    let answer = remote.call(Request::new("PUT", origin.url("/upload")).body(body)).await.unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(seen, serde_json::json!({ "bytes": bytes, "sha256": pattern::sha256(bytes) }));
}

async fn listen(remote: &Remote, origin: &Origin, events: u64) {
    let url = origin.url(&format!("/sse?n={events}&every_ms=5"));
    let mut body = remote.stream(Request::get(url)).await.unwrap().body;
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await {
        text.extend_from_slice(&bytes.unwrap());
    }
    let expected: String = (1..=events).map(|id| format!("id: {id}\ndata: event {id}\n\n")).collect();
    assert!(text == expected.as_bytes(), "an event is missing, doubled or out of order");
}

/// Proves, with an executor of its own process behind a network that cuts, stalls, throttles and half-opens connections
/// every 50 to 500 ms, that every POST is executed once, that every byte of downloads and uploads arrives once and in
/// order, and that no event of a stream is missing or doubled; and that nobody of those who asked sees anything of it.
/// `AFIELD_CHAOS_POSTS`, `AFIELD_CHAOS_MEGABYTES` and `AFIELD_CHAOS_EVENTS` make it longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_nothing_is_lost_or_repeated_through_a_network_that_fails_all_the_time() {
    let seed = Seed::from_env();
    let amount = Amount::of_environment();
    let (_executor, url) = serve(&[]).await;
    let address = url.trim_start_matches("ws://").parse().unwrap();
    let (origin, toxic) = (Arc::new(Origin::start().await), Toxic::start(address).await);
    let remote = Remote::connect(RemoteConfig::new(format!("ws://{}", toxic.address()))).await.unwrap();

    let mut work = JoinSet::new();
    let bytes = amount.megabytes * 1_000_000;
    {
        let (remote, origin) = (remote.clone(), origin.clone());
        work.spawn(async move {
            let posts = stream::iter(0..amount.posts).map(|key| post(&remote, &origin, key));
            posts.buffer_unordered(8).collect::<()>().await;
        });
    }
    for what in 0..4 {
        let (remote, origin) = (remote.clone(), origin.clone());
        work.spawn(async move {
            match what {
                0 => download(&remote, &origin, bytes).await,
                1 => upload(&remote, &origin, bytes).await,
                _ => listen(&remote, &origin, amount.events).await,
            }
        });
    }
    tokio::select! {
        () = async { while let Some(done) = work.join_next().await { done.unwrap() } } => {}
        () = trouble(&toxic, seed.rng()) => {}
    }

    assert!((0..amount.posts).all(|key| origin.executions(&format!("post-{key}")) == 1));
    assert_eq!(origin.received(), amount.posts + 4, "every request was sent once");
    assert!(toxic.cuts() >= 5, "the network failed {} times only", toxic.cuts());
    eprintln!("{} connections, {} cuts", toxic.accepted(), toxic.cuts());
}
