//! Many calls over one connection.

use crate::support::{Running, any, config, connect, connect_base, done, next_call, session};
use afield_client::{HttpClient, Remote};
use afield_exchange::{Kind, Request, RequestBody, detail};
use afield_testkit::{Origin, PeerServer, Toxic, origin::Outcome, pattern, within};
use futures_util::future::join_all;

/// Proves that five hundred calls of every kind at once each have their own answer, exact, over one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_calls_at_once_are_each_answered() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let toxic = Toxic::start(executor.address).await;
    let remote = connect(format!("ws://{}", toxic.address())).await;
    let calls = (0..500_u64).map(|index| {
        let (remote, origin_url) = (remote.clone(), |path: &str| origin.url(path));
        let (length, kind) = (index * 37 % 20_000, index % 5);
        let url = match kind {
            0 => origin_url(&format!("/bytes/{length}")),
            1 => origin_url(&format!("/chunked/{length}")),
            2 => origin_url("/mirror"),
            3 => "http://nowhere.invalid/".to_owned(),
            _ => origin_url("/sse?n=20"),
        };
        tokio::spawn(async move {
            let request = Request::get(url);
            match kind {
                0 => {
                    let answer = remote.call(request).await.unwrap();
                    assert_eq!(answer.body, pattern::bytes(0, length as usize));
                }
                1 => {
                    let response = remote.stream(request).await.unwrap();
                    let body = response.body.collect(1 << 20).await.unwrap();
                    assert_eq!(body, pattern::bytes(0, length as usize));
                }
                2 => {
                    let sent = pattern::bytes(index, length as usize);
                    let request = Request { method: "POST".to_owned(), ..request };
                    let answer = remote.call(request.body(RequestBody::Bytes(sent.clone()))).await.unwrap();
                    assert_eq!(answer.body, sent);
                }
                3 => assert_eq!(remote.call(request).await.unwrap_err().kind(), Kind::Dns),
                _ => {
                    let mut response = remote.stream(request).await.unwrap();
                    let first = response.body.next().await.unwrap().unwrap();
                    assert!(first.starts_with(b"id: 1\n"));
                    if index % 2 == 0 {
                        let rest = response.body.collect(1 << 20).await.unwrap();
                        assert!([first, rest].concat().ends_with(b"data: event 20\n\n"));
                    }
                }
            }
        })
    });
    for call in within("every call is answered", join_all(calls)).await {
        call.unwrap();
    }
    assert_eq!(toxic.accepted(), 1);
}

/// Proves that no more than the limit of exchanges are under way, that the others wait their turn, and that a body holds
/// its place until it ends.
#[tokio::test]
async fn exchanges_under_way_are_bounded() {
    let server = PeerServer::start().await;
    let mut config = config(server.url());
    config.limits.session_requests = 3;
    let (remote, mut executor) = tokio::join!(Remote::connect(config), session(&server, true));
    let remote = remote.unwrap();
    let calls = join_all((0..10).map(|_| remote.call(any())));
    let serve = async {
        let mut waiting = std::collections::VecDeque::new();
        for _ in 0..3 {
            waiting.push_back(next_call(&mut executor).await);
        }
        for _ in 3..10 {
            executor.settle().await;
            assert_eq!(executor.kept(), 0, "three are under way, the others wait");
            executor.send_json(&done(&waiting.pop_front().unwrap(), 200, "")).await;
            waiting.push_back(next_call(&mut executor).await);
        }
        for call in waiting {
            executor.send_json(&done(&call, 200, "")).await;
        }
    };
    let (answers, ()) = tokio::join!(calls, serve);
    assert!(answers.iter().all(Result::is_ok));

    let mut bodies = Vec::new();
    for _ in 0..3 {
        let (response, ()) = tokio::join!(remote.stream(any()), async {
            let call = next_call(&mut executor).await;
            executor.send_json(&done(&call, 200, "")).await;
        });
        bodies.push(response.unwrap().body);
    }
    let mut fourth = remote.call(any());
    assert!(futures_util::poll!(&mut fourth).is_pending());
    executor.settle().await;
    assert_eq!(executor.kept(), 0, "three bodies hold the three places");
    bodies.pop();
    let (answer, ()) = tokio::join!(fourth, async {
        assert_eq!(executor.json().await["method"], "http/request/cancel");
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "")).await;
    });
    assert!(answer.is_ok());
}

/// Proves that, in base, a stream nobody reads fails alone when 16 MiB of it wait, through to the origin's socket, and that others
/// go on meanwhile and after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_left_unread_fails_alone() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let remote = connect_base(executor.url()).await;
    let unread = remote.stream(Request::get(origin.url("/endless"))).await.unwrap();
    let endless = origin.request(0).await;
    let mut read = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    let mut given_up = std::pin::pin!(endless.wait_ended());
    let outcome = loop {
        tokio::select! {
            outcome = &mut given_up => break outcome,
            answer = remote.call(Request::get(origin.url("/bytes/1000"))) => {
                assert_eq!(answer.unwrap().body.len(), 1000);
            }
        }
    };
    assert_eq!(outcome, Outcome::Abandoned);
    let (mut body, mut bytes) = (unread.body, 0_u64);
    let error = loop {
        match within("the body goes on", body.next()).await.expect("it is no clean end") {
            Ok(piece) => {
                assert_eq!(piece, pattern::bytes(bytes, piece.len()));
                bytes += piece.len() as u64;
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::UNREAD)), "{error:?}");
    assert!((15 << 20..=16 << 20).contains(&bytes), "{bytes}");
    assert!(body.next().await.is_none());
    assert!(remote.call(Request::get(origin.url("/status/200"))).await.is_ok());
    assert!(futures_util::poll!(std::pin::pin!(read.body.next())).is_pending(), "the other stream is open");
}

/// Proves that streams that never pause do not starve short calls, nor each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_streams_starve_nobody() {
    const MIB: usize = 1 << 20;
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let remote = connect(executor.url()).await;
    let streams: Vec<_> = (0..8)
        .map(|_| {
            let (remote, url) = (remote.clone(), origin.url("/endless"));
            tokio::spawn(async move {
                let mut body = remote.stream(Request::get(url)).await.unwrap().body;
                let mut bytes = 0;
                while bytes < 4 * MIB {
                    bytes += body.next().await.unwrap().unwrap().len();
                }
            })
        })
        .collect();
    for _ in 0..100 {
        let answer =
            within("a short call is answered", remote.call(Request::get(origin.url("/bytes/10")))).await;
        assert_eq!(answer.unwrap().body.len(), 10);
    }
    for stream in streams {
        within("every stream goes on", stream).await.unwrap();
    }
}
