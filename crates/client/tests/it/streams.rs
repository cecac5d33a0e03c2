//! A streamed body is whole, or it ends with one error.

use crate::support::{Played, any, delta, end, head_only, lost, next_call, played};
use afield_client::HttpClient;
use afield_exchange::{Blame, Kind, Phase, Response, Retry, detail};
use afield_testkit::within;
use serde_json::{Value, json};

/// Opens a stream: the client has its head, the executor knows the call.
async fn open(played: &mut Played) -> (Response, Value) {
    let Played { remote, executor, .. } = played;
    let answer = async {
        let call = next_call(executor).await;
        assert_eq!(call["params"]["streamResponse"], true);
        executor.send_json(&head_only(&call)).await;
        call
    };
    let (response, call) = tokio::join!(remote.stream(any()), answer);
    (response.unwrap(), call)
}

async fn text(response: &mut Response) -> String {
    let bytes = within("bytes of the body come", response.body.next()).await.unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Proves that pieces come in order, and that the clean end comes from the last frame alone.
#[tokio::test]
async fn a_body_is_read_whole() {
    let mut played = played(true).await;
    let (mut response, call) = open(&mut played).await;
    played.executor.send_json(&delta(&call, 1, "one")).await;
    assert_eq!(text(&mut response).await, "one");
    played.executor.send_json(&delta(&call, 2, "two")).await;
    assert_eq!(text(&mut response).await, "two");
    played.executor.send_json(&end(&call, 3, Value::Null)).await;
    assert!(within("the body ends", response.body.next()).await.is_none());
    assert!(response.body.next().await.is_none());
}

/// Proves that a gap, a repeat, a restart and a piece that cannot be read fail their stream, alone, with one error.
#[tokio::test]
async fn case_101_a_body_with_a_piece_missing_fails_alone() {
    let mut played = played(true).await;
    let (mut other, other_call) = open(&mut played).await;
    let unreadable = |call: &Value, params: Value| {
        let mut params = params;
        params["requestId"] = call["params"]["requestId"].clone();
        json!({ "method": "http/request/bodyDelta", "params": params })
    };
    let wrong: [fn(&Value) -> Value; 4] = [
        |call| delta(call, 3, "x"),
        |call| delta(call, 1, "x"),
        |call| delta(call, 0, "x"),
        |call| end(call, 1, Value::Null),
    ];
    let mut broken = Vec::new();
    for wrong in wrong {
        let (response, call) = open(&mut played).await;
        broken.push((response, wrong(&call), call));
    }
    for params in [
        json!({ "seq": 2, "deltaBase64": "!" }),
        json!({ "deltaBase64": "" }),
        json!({ "seq": -1 }),
        json!({ "seq": 2, "deltaBase64": 7 }),
        json!({ "seq": 2, "deltaBase64": "", "done": "yes" }),
    ] {
        let (response, call) = open(&mut played).await;
        broken.push((response, unreadable(&call, params), call));
    }
    for (mut response, wrong, call) in broken {
        played.executor.send_json(&delta(&call, 1, "good")).await;
        played.executor.send_json(&wrong).await;
        assert_eq!(text(&mut response).await, "good", "{wrong}");
        let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
        let of = (error.kind(), error.blame(), error.retry(), error.phase());
        let expected = (Kind::OriginProtocol, Blame::Executor, Retry::Unknown, Some(Phase::Body));
        assert_eq!(of, expected, "{wrong}: {error:?}");
        assert!(response.body.next().await.is_none(), "one error, then the end: {wrong}");
    }
    played.executor.send_json(&delta(&other_call, 1, "whole")).await;
    played.executor.send_json(&end(&other_call, 2, Value::Null)).await;
    assert_eq!(text(&mut other).await, "whole");
    assert!(within("the other body ends", other.body.next()).await.is_none());
}

/// Proves that a lost connection, however it is lost, is never a clean end, and that what came before is still read.
#[tokio::test]
async fn case_105_a_lost_connection_is_an_error_never_an_end() {
    for way in ["close", "vanish", "reset", "garbage"] {
        let mut played = played(true).await;
        let (mut response, call) = open(&mut played).await;
        let (mut unread, unread_call) = open(&mut played).await;
        let Played { remote, mut executor, .. } = played;
        executor.send_json(&delta(&call, 1, "some")).await;
        executor.send_json(&delta(&unread_call, 1, "queued")).await;
        assert_eq!(text(&mut response).await, "some");
        match way {
            "close" => drop(executor.close(1000, "").await),
            "vanish" => executor.vanish(),
            "reset" => executor.reset(),
            _ => executor.send_raw(&[0xff; 16][..]).await.unwrap(),
        }
        let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
        assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, Some(Phase::Body)), "{way}: {error:?}");
        assert!(response.body.next().await.is_none(), "{way}");
        assert_eq!(text(&mut unread).await, "queued", "{way}");
        let error = within("the unread body fails", unread.body.next()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::SessionLost, "{way}");
        drop(remote);
    }
}

/// Proves that what a body failed of is told by its text, for the texts of our own executor and of others.
#[tokio::test]
async fn a_failed_body_says_of_what() {
    let mut played = played(true).await;
    for (text, kind, word) in [
        ("the origin cut the response body short", Kind::OriginProtocol, None),
        ("the deadline passed before the end of the response body", Kind::Timeout, Some(detail::TOTAL)),
        ("no byte of the response body for 1.5s", Kind::Timeout, Some(detail::IDLE)),
        ("cancelled", Kind::Cancelled, None),
        ("operation timed out", Kind::Timeout, None),
        ("error decoding response body", Kind::OriginProtocol, None),
    ] {
        let (mut response, call) = open(&mut played).await;
        played.executor.send_json(&end(&call, 1, text)).await;
        let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.detail(), error.message()), (kind, word, text));
        assert_eq!((error.phase(), error.retry()), (Some(Phase::Body), Retry::Unknown));
    }
}

/// Proves that many small pieces nobody reads come out as few large ones, with every byte in its place.
#[tokio::test]
async fn small_pieces_that_wait_are_read_together() {
    let mut played = played(true).await;
    let (response, call) = open(&mut played).await;
    let mut expected = String::new();
    for seq in 1..=1000 {
        let piece = format!("event {seq}\n");
        played.executor.send_json(&delta(&call, seq, &piece)).await;
        expected.push_str(&piece);
    }
    played.executor.send_json(&end(&call, 1001, Value::Null)).await;
    let body = within("the body ends", response.body.collect(1 << 20)).await.unwrap();
    assert_eq!(body, expected);
}

/// Proves that a body that is read slowly arrives whole where its call is alone, however large: the executor is held back.
#[tokio::test]
async fn a_large_body_that_is_read_slowly_arrives_whole() {
    const PIECES: u64 = 40;
    const PIECE: usize = 1024 * 1024;
    let mut played = played(true).await;
    let (mut response, call) = open(&mut played).await;
    let sending = async {
        for seq in 1..=PIECES {
            played.executor.send_json(&delta(&call, seq, &"x".repeat(PIECE))).await;
        }
        played.executor.send_json(&end(&call, PIECES + 1, Value::Null)).await;
    };
    let reading = async {
        // A client that is not held back has everything by now; one that is has not, however long this takes.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let mut read = 0;
        while let Some(bytes) = within("bytes of the body come", response.body.next()).await {
            read += bytes.unwrap().len();
        }
        read
    };
    let ((), read) = tokio::join!(sending, reading);
    assert_eq!(read as u64, PIECES * PIECE as u64);
}
