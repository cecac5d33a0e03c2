//! An executor that misbehaves: the right call fails, or what it says is ignored. Nothing hangs.

use crate::support::{any, config, delta, done, end, head_only, lost, next_call, played, session};
use afield_client::{HttpClient, Remote};
use afield_exchange::{Blame, Kind, Phase, Retry};
use afield_testkit::{PeerServer, peer::End, within};
use serde_json::{Value, json};

/// Proves that what is not of the protocol is ignored, and that the call under way is answered all the same.
#[tokio::test]
async fn what_is_not_of_the_protocol_is_ignored() {
    let mut played = played(true).await;
    let executor = &mut played.executor;
    let (answer, ()) = tokio::join!(played.remote.call(any()), async {
        let call = next_call(executor).await;
        for garbage in
            ["", "x", "{", "[]", "null", "7", "{}", "{\"id\":{}}", "{\"id\":1.5,\"result\":1}", "\u{feff}{}"]
        {
            executor.send_text(garbage).await;
        }
        executor.send_text("[".repeat(100_000)).await;
        executor.send_binary(&b"\x00\xff\xfe garbage"[..]).await;
        executor.send_binary(vec![0x80; 100_000]).await;
        for message in [
            json!({ "id": 1, "result": { "sessionId": "again" } }),
            json!({ "id": 9999, "result": { "status": 200 } }),
            json!({ "id": "text", "error": { "code": 1, "message": "m" } }),
            json!({ "id": null, "error": { "code": -32600, "message": "m" } }),
            json!({ "id": -1, "error": { "code": -32600, "message": "m" } }),
            json!({ "id": 3, "method": "http/request", "params": {} }),
            json!({ "method": "unknown" }),
            json!({ "method": "http/request/bodyDelta" }),
            json!({ "method": "http/request/bodyDelta", "params": [] }),
            json!({ "method": "http/request/bodyDelta", "params": { "requestId": 5 } }),
            json!({ "method": "http/request/cancel", "params": { "requestId": "r-2" } }),
        ] {
            executor.send_json(&message).await;
        }
        for name in ["", "r-", "r-x", "r-1", "r-9999", "r-99999999999999999999", "buffered-request"] {
            let stranger = json!({ "params": { "requestId": name } });
            executor.send_json(&delta(&stranger, 1, "x")).await;
            executor.send_json(&end(&stranger, 1, Value::Null)).await;
        }
        // This call has no stream: deltas for it are as strange.
        executor.send_json(&delta(&call, 1, "x")).await;
        executor.send_json(&done(&call, 299, "at last")).await;
        executor.send_json(&done(&call, 500, "twice")).await;
    });
    let answer = answer.unwrap();
    assert_eq!((answer.head.status, &answer.body[..]), (299, &b"at last"[..]));
    let (answer, ()) = tokio::join!(played.remote.call(any()), async {
        let call = next_call(executor).await;
        executor.send_json(&done(&call, 200, "")).await;
    });
    assert_eq!(answer.unwrap().head.status, 200, "the connection serves on");
}

/// Proves that an answer of the wrong shape fails the call that it answers, buffered or streamed.
#[tokio::test]
async fn an_answer_of_the_wrong_shape_fails_its_call() {
    let mut played = played(true).await;
    for wrong in [
        json!({}),
        json!({ "result": null }),
        json!({ "result": 7 }),
        json!({ "result": { "headers": [], "bodyBase64": "" } }),
        json!({ "result": { "status": 70_000, "headers": [], "bodyBase64": "" } }),
        json!({ "result": { "status": "200", "headers": [], "bodyBase64": "" } }),
        json!({ "result": { "status": 200, "headers": {}, "bodyBase64": "" } }),
        json!({ "result": { "status": 200, "headers": [{ "name": 1 }], "bodyBase64": "" } }),
        json!({ "result": { "status": 200, "headers": [{ "name": "a", "value": "", "valueBase64": "?" }] } }),
        json!({ "result": { "status": 200, "headers": [], "bodyBase64": "!" } }),
        json!({ "error": "text" }),
        json!({ "error": { "code": "text" } }),
        json!({ "error": { "message": "no code" } }),
    ] {
        for streamed in [false, true] {
            let executor = &mut played.executor;
            let ask = async {
                match streamed {
                    false => played.remote.call(any()).await.map(drop),
                    true => played.remote.stream(any()).await.map(drop),
                }
            };
            let (result, ()) = tokio::join!(within("the call fails", ask), async {
                let call = next_call(executor).await;
                let mut answer = wrong.clone();
                answer["id"] = call["id"].clone();
                executor.send_json(&answer).await;
            });
            let error = result.expect_err(&wrong.to_string());
            assert_eq!(
                (error.kind(), error.blame(), error.retry()),
                (Kind::OriginProtocol, Blame::Executor, Retry::Unknown),
                "{wrong}: {error:?}"
            );
            if streamed && wrong.get("result").is_some() {
                let cancel = executor.json().await;
                assert_eq!(cancel["method"], "http/request/cancel", "what it goes on with is given up");
            }
        }
    }
}

/// Proves that a body before its head fails the call, and that the head behind it is ignored.
#[tokio::test]
async fn case_101_a_body_before_its_head_fails_the_call() {
    let mut played = played(true).await;
    let executor = &mut played.executor;
    let (result, ()) = tokio::join!(within("the call fails", played.remote.stream(any())), async {
        let call = next_call(executor).await;
        executor.send_json(&delta(&call, 1, "early")).await;
        executor.send_json(&head_only(&call)).await;
        executor.send_json(&delta(&call, 2, "more")).await;
        assert_eq!(executor.json().await["method"], "http/request/cancel");
    });
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.blame()), (Kind::OriginProtocol, Blame::Executor), "{error:?}");
}

/// Proves that errors of an executor that sends no data with them are still typed.
#[tokio::test]
async fn an_error_without_data_is_typed() {
    let mut played = played(true).await;
    for (code, message, kind, retry) in [
        (-32602, "http/request url is invalid: x", Kind::InvalidRequest, Retry::No),
        (-32603, "http/request failed: error sending request", Kind::OriginProtocol, Retry::Unknown),
        (-32603, "http/request failed: operation timed out", Kind::Timeout, Retry::Unknown),
        (-32021, "http/request denied: x", Kind::PolicyDenied, Retry::No),
        (-32022, "http/request response body is too large: x", Kind::TooLarge, Retry::No),
        (-32601, "method not found", Kind::Internal, Retry::Safe),
        (7, "whatever", Kind::Internal, Retry::Unknown),
    ] {
        let executor = &mut played.executor;
        let (result, ()) = tokio::join!(played.remote.call(any()), async {
            let call = next_call(executor).await;
            let error = json!({ "code": code, "message": message });
            executor.send_json(&json!({ "id": call["id"], "error": error })).await;
        });
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{message}");
    }
}

/// Proves that a message over the limit ends the connection with 1009, that every call on it fails as lost, and that the
/// next has a new one.
#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let server = PeerServer::start().await;
    let mut config = config(server.url());
    config.limits.message_bytes = 1 << 20;
    let (remote, mut executor) = tokio::join!(Remote::connect(config), session(&server, true));
    let remote = remote.unwrap();
    let (one, other, end) = tokio::join!(remote.call(any()), remote.stream(any()), async {
        next_call(&mut executor).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, &"x".repeat(1 << 20))).await;
        within("the connection ends", executor.end()).await
    });
    assert!(matches!(end, End::Closed(1009, _)), "{end:?}");
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, None), "{error:?}");
        assert!(error.message().contains("size limit"), "{error}");
    }
    let (answer, ()) = tokio::join!(remote.call(any()), async {
        let mut executor = session(&server, true).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "")).await;
    });
    assert!(answer.is_ok());
}

/// Proves that bytes that are no WebSocket frames, and text that is not UTF-8, end the connection, not the process.
#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection() {
    for bytes in [
        &b"\x83\x00"[..],
        b"\xc1\x00",
        b"\x81\x02\xff\xfe",
        b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let mut played = played(true).await;
        let (result, ()) = tokio::join!(within("the call fails", played.remote.call(any())), async {
            next_call(&mut played.executor).await;
            played.executor.send_raw(bytes).await.unwrap();
        });
        let error = result.unwrap_err();
        assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, None), "{bytes:?}: {error:?}");
    }
}

/// Proves that an executor's words in an error never bring control characters along.
#[tokio::test]
async fn an_executor_s_last_words_are_escaped() {
    let mut played = played(true).await;
    let (result, ()) = tokio::join!(played.remote.stream(any()), async {
        next_call(&mut played.executor).await;
        played.executor.close(1011, "\u{1b}[31m over").await;
    });
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (Kind::SessionLost, None::<Phase>));
    assert!(error.message().contains("1011") && error.message().contains("over"), "{error}");
    assert!(!error.message().contains('\u{1b}'), "{error}");
}
