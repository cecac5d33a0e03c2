//! Request bodies: whole or produced while they are sent, to the origin they arrive the same.

use crate::support::{Played, Running, any, config, connect, next_call, played, played_resumable, session};
use afield_client::{Exchange, HttpClient, Local, Remote};
use afield_egress::EgressConfig;
use afield_exchange::{BodyError, Buffered, Error, Kind, Phase, Request, RequestBody, Retry, detail};
use afield_testkit::{Origin, PeerServer, RawOrigin, Script, pattern, within};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

fn produced(length: Option<u64>, pieces: Vec<Result<Bytes, BodyError>>) -> RequestBody {
    RequestBody::Stream { length, stream: Box::pin(stream::iter(pieces)) }
}

async fn both() -> (Running, Vec<Box<dyn HttpClient>>) {
    let executor = Running::start().await;
    let remote = connect(executor.url()).await;
    (executor, vec![Box::new(Local::new(EgressConfig::default()).unwrap()), Box::new(remote)])
}

/// Proves that a body arrives byte for byte, in one piece or many, of known length or not, empty or large.
#[tokio::test]
async fn a_body_arrives_whole() {
    let origin = Origin::start().await;
    let (_executor, clients) = both().await;
    for client in &clients {
        for total in [0_usize, 1, 100_000, 3_000_000] {
            let whole = pattern::bytes(0, total);
            let pieces = || whole.chunks(70_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            for body in [
                RequestBody::Bytes(whole.clone()),
                produced(None, pieces()),
                produced(Some(total as u64), pieces()),
            ] {
                let described = format!("{body:?}");
                let request = Request::new("POST", origin.url("/upload")).body(body);
                let answer = client.call(request).await.unwrap();
                let seen: Value = serde_json::from_slice(&answer.body).unwrap();
                let expected = json!({ "bytes": total, "sha256": pattern::sha256(total as u64) });
                assert_eq!(seen, expected, "{described} of {total}");
            }
        }
    }
}

/// Proves that a body that fails, or is not of the length announced, fails the call alike; only that `Remote`, which has
/// then sent nothing at all, knows that a retry is safe.
#[tokio::test]
async fn a_body_that_fails_is_the_caller_s_error() {
    let origin = Origin::start().await;
    let (_executor, clients) = both().await;
    let bytes = || Ok(Bytes::from_static(b"ten bytes."));
    let broken = || Err(BodyError::from("the disk is gone"));
    for (what, body) in [
        ("broken", &(|| produced(None, vec![bytes(), broken()])) as &dyn Fn() -> RequestBody),
        ("longer", &|| produced(Some(15), vec![bytes(), bytes()])),
        ("shorter", &|| produced(Some(15), vec![bytes()])),
    ] {
        let mut errors = Vec::new();
        for client in &clients {
            let request = Request::new("POST", origin.url("/upload")).body(body());
            errors.push(client.call(request).await.unwrap_err());
        }
        let [local, remote] = &errors[..] else { panic!("two clients") };
        assert_eq!(local.phase(), Some(Phase::Request), "{what}: {local:?}");
        let expected =
            if what == "broken" { (Kind::Cancelled, Retry::Safe) } else { (Kind::InvalidRequest, Retry::No) };
        assert_eq!((remote.kind(), remote.retry()), expected, "{what}: {remote:?}");
        assert_eq!(without_log(local).with_retry(remote.retry()), *remote, "{what}");
    }
}

fn without_log(error: &Error) -> Error {
    let mut bare = Error::new(error.kind(), error.blame(), error.retry(), error.message().to_owned());
    if let Some(word) = error.detail() {
        bare = bare.with_detail(word.to_owned());
    }
    if let Some(phase) = error.phase() {
        bare = bare.with_phase(phase);
    }
    if let Some(hop) = error.hop() {
        bare = bare.with_hop(hop);
    }
    bare
}

async fn refused(call: Exchange<'_, Buffered>) -> Error {
    within("the call is refused", call).await.unwrap_err()
}

/// Proves that a request body over the limit is refused here, at the limit and not one byte before, announced or not,
/// and that nothing of it is sent.
#[tokio::test]
async fn a_body_over_the_limit_is_not_sent() {
    let server = PeerServer::start().await;
    let mut config = config(server.url());
    config.limits.buffered_body_bytes = 1000;
    let (remote, mut executor) = tokio::join!(Remote::connect(config), session(&server, true));
    let remote = remote.unwrap();
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 64])));
    for body in [
        RequestBody::Bytes(vec![0; 1001].into()),
        produced(Some(1001), Vec::new()),
        produced(None, vec![Ok(vec![0; 1001].into())]),
        RequestBody::Stream { length: None, stream: Box::pin(endless) },
    ] {
        let error = refused(remote.call(any().body(body))).await;
        assert_eq!(
            (error.kind(), error.retry(), error.detail()),
            (Kind::TooLarge, Retry::No, Some(detail::REQUEST_BODY)),
            "{error:?}"
        );
    }
    executor.settle().await;
    assert_eq!(executor.kept(), 0);
    let mut call = remote.call(any().body(RequestBody::Bytes(vec![0; 1000].into())));
    tokio::select! {
        _ = &mut call => panic!("nobody has answered"),
        sent = next_call(&mut executor) => assert!(sent["params"]["bodyBase64"].as_str().unwrap().len() >= 1000),
    }
}

/// Proves that a request larger than the executor's limit on messages is refused here: sent, it would end the connection
/// for every other call.
#[tokio::test]
async fn a_request_over_the_executor_s_message_limit_is_not_sent() {
    let server = PeerServer::start().await;
    let mut answer = crate::support::result(true);
    answer["limits"] = json!({ "messageBytes": 10_000 });
    let (remote, mut executor) = tokio::join!(connect(server.url()), async {
        let mut executor = server.accept().await;
        executor.accept_session(answer).await;
        executor
    });
    let error = refused(remote.call(any().header("a", vec![b'x'; 10_000]))).await;
    assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::HEADERS)), "{error:?}");
    let error = refused(remote.call(any().body(RequestBody::Bytes(vec![0; 10_000].into())))).await;
    assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::REQUEST_BODY)), "{error:?}");
    executor.settle().await;
    assert_eq!(executor.kept(), 0);
}

/// Proves that header bytes and what completes them reach the executor as they are.
#[tokio::test]
async fn headers_are_carried_as_bytes() {
    let Played { remote, mut executor, server: _server } = played(true).await;
    let mut request = any().header("A", "text").header("a", &b"caf\xe9\x80"[..]);
    request.headers[0].env_var = Some("VARIABLE".to_owned());
    let mut call = remote.call(request);
    let sent = tokio::select! {
        _ = &mut call => panic!("nobody has answered"),
        sent = next_call(&mut executor) => sent,
    };
    let headers = &sent["params"]["headers"];
    assert_eq!((&headers[0]["name"], &headers[0]["value"]), (&"A".into(), &"text".into()));
    assert_eq!(headers[0]["valueEnvVar"], "VARIABLE");
    assert_eq!((&headers[1]["name"], &headers[1]["valueBase64"]), (&"a".into(), &"Y2Fm6YA=".into()));
}

/// Proves that an origin which answers whole and goes on reading gets the upload whole: a call that succeeds has not cut its
/// own upload.
#[tokio::test]
async fn upload_goes_on_after_an_answer_that_is_whole() {
    const PIECES: usize = 30;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let script = Script::new().expect_head().send(answer).expect_text("0\r\n\r\n").hang();
    for is_streamed in [false, true] {
        let origin = RawOrigin::always(script.clone()).await;
        let executor = Running::start().await;
        let remote = connect(executor.url()).await;
        // Each piece is made when the answer has long come.
        let pieces = stream::unfold(0, |number| async move {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            (number < PIECES).then(|| (Ok(Bytes::from_static(&[b'~'; 1000])), number + 1))
        });
        let body = RequestBody::Stream { length: None, stream: Box::pin(pieces) };
        let request = Request::new("POST", origin.url("/")).body(body);
        let received = if is_streamed {
            let response = within("the head", remote.stream(request)).await.unwrap();
            within("the end", response.body.collect(10)).await.unwrap()
        } else {
            within("the answer", remote.call(request)).await.unwrap().body
        };
        assert_eq!(received, "ok");
        let taken = origin.connection(0).await.wait_text("0\r\n\r\n").await;
        let taken = taken.iter().filter(|byte| **byte == b'~').count();
        assert_eq!(taken, PIECES * 1000, "streamed: {is_streamed}");
    }
}

/// Proves that an executor which says `final` only of uploads that it wants no more of, as those before protocol 4.4 required it
/// of every one, is not waited for: the upload is over when its end was sent and all of it was taken, and not before.
#[tokio::test]
async fn upload_to_an_older_executor_ends_when_it_was_taken() {
    for length in [0, 5000] {
        let Played { remote, mut executor, .. } = played_resumable().await;
        let body = produced(None, vec![Ok(Bytes::from(vec![b'x'; length]))]);
        let call = remote.call(Request::new("POST", "http://h/").body(body));
        let answer = async {
            let call = next_call(&mut executor).await;
            let result = json!({ "status": 200, "headers": [], "bodyBase64": "b2s=", "bodyComplete": true });
            executor.send_json(&json!({ "id": call["id"], "result": result })).await;
            let mut taken = 0;
            loop {
                let message = executor.binary().await;
                taken += message.len() - 18;
                if message[1] & 1 == 1 {
                    break;
                }
            }
            assert_eq!(taken, length);
            if length > 0 {
                let consumed = json!({ "requestId": call["params"]["requestId"], "offset": length });
                executor.notify("http/request/consumed", consumed).await;
            }
        };
        let (response, ()) = within("the call ends", async { tokio::join!(call, answer) }).await;
        assert_eq!(response.unwrap().body, "ok", "{length}");
    }
}
