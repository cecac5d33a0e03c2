//! HTTP as it is, towards an executor in afield/1 that a test plays: trailers, informational responses, reason phrases,
//! timings, uploads that wait to be asked for, and bodies that go both ways at once.

use crate::support::{Played, any, connect, next_call, played_resumable, resumable, resumption};
use afield_client::HttpClient;
use afield_exchange::{
    Header, HttpVersion, OnInformational, Request, RequestBody, Trailers, VersionPreference,
};
use afield_testkit::{Peer, PeerServer, peer::Message, within};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

const END: u8 = 1;
const END_WITH_TRAILERS: u8 = 1 | 4;

/// A piece of a response body.
fn body(call: &Value, flags: u8, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![1, flags];
    message.extend_from_slice(&call["id"].as_u64().unwrap().to_be_bytes());
    message.extend_from_slice(&offset.to_be_bytes());
    message.extend_from_slice(bytes);
    message
}

async fn head(executor: &mut Peer, call: &Value) {
    let result = json!({ "status": 200, "headers": [], "bodyBase64": "" });
    executor.send_json(&json!({ "id": call["id"], "result": result })).await;
}

async fn whole(executor: &mut Peer, call: &Value) {
    let result = json!({ "status": 200, "headers": [], "bodyBase64": "", "bodyComplete": true });
    executor.send_json(&json!({ "id": call["id"], "result": result })).await;
}

/// Says that a call's upload has been read to its end.
async fn read_whole(executor: &mut Peer, call: &Value) {
    let consumed = json!({ "requestId": call["id"], "offset": 0, "final": true });
    executor.notify("http/request/consumed", consumed).await;
}

/// Answers a `session/sync`: everything that was asked is known.
async fn in_step(executor: &mut Peer, sync: &Value) {
    let asked = sync["params"]["requests"].as_array().unwrap();
    let known = asked.iter().map(|request| {
        json!({ "requestId": request["requestId"], "state": "known", "bodyReceived": 0, "bodyConsumed": 0 })
    });
    let result = json!({ "lastRequestId": 99, "requests": known.collect::<Vec<_>>() });
    executor.send_json(&json!({ "id": sync["id"], "result": result })).await;
}

/// Flags and payload of the next piece of an upload.
async fn piece(executor: &mut Peer) -> (u8, Vec<u8>) {
    let message = executor.find(|message| match message {
        Message::Binary(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let message = message.await;
    assert_eq!(message[0], 2);
    (message[1], message[18..].to_vec())
}

fn uploading(body: RequestBody) -> Request {
    Request::new("POST", "http://h/").body(body)
}

/// A body of unknown length that a test feeds.
fn fed() -> (mpsc::Sender<Bytes>, RequestBody) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let stream = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|bytes| (Ok(bytes), receiver))
    });
    (sender, RequestBody::Stream { length: None, stream: Box::pin(stream) })
}

/// Proves that the trailers of a body arrive though the connection is lost between its last byte and them (case 131).
#[tokio::test]
async fn trailers_survive_a_connection_lost_before_them() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let (response, call) = tokio::join!(remote.stream(any()), async {
        let call = next_call(&mut executor).await;
        head(&mut executor, &call).await;
        executor.send_binary(body(&call, 0, 0, b"all")).await;
        call
    });
    let mut response = response.unwrap();
    assert_eq!(within("the bytes", response.body.next()).await.unwrap().unwrap(), "all");
    assert!(response.body.trailers().is_empty(), "none before the end");
    executor.reset();
    let (mut executor, sync) = resumption(&server).await;
    assert_eq!(sync["params"]["requests"][0]["received"], 3, "{sync}");
    in_step(&mut executor, &sync).await;
    let trailers = json!({ "trailers": [{ "name": "grpc-status", "value": "0" }] }).to_string();
    executor.send_binary(body(&call, END_WITH_TRAILERS, 3, trailers.as_bytes())).await;
    assert!(within("the end", response.body.next()).await.is_none());
    assert_eq!(response.body.take_trailers(), [Header::new("grpc-status", "0")]);
}

/// Proves that trailers that cannot be read fail the body: it never seems whole without them.
#[tokio::test]
async fn trailers_that_cannot_be_read_fail_the_body() {
    let Played { server: _server, remote, mut executor } = played_resumable().await;
    let (response, ()) = tokio::join!(remote.call(any()), async {
        let call = next_call(&mut executor).await;
        head(&mut executor, &call).await;
        executor.send_binary(body(&call, END_WITH_TRAILERS, 0, b"{\"trailers\":7}")).await;
    });
    assert_eq!(response.unwrap_err().kind(), afield_exchange::Kind::OriginProtocol);
}

/// Proves that a request's trailers end its upload, set as late as the body's end (case 131); and that an executor that
/// does not know of them gets an ordinary end.
#[tokio::test]
async fn request_trailers_end_the_upload_where_they_are_known() {
    for known in [true, false] {
        let server = PeerServer::start().await;
        let accept = async {
            let mut executor = server.accept().await;
            let mut result = resumable(false);
            if !known {
                result.as_object_mut().unwrap().remove("features");
            }
            executor.accept_session(result).await;
            executor
        };
        let (remote, mut executor) = tokio::join!(connect(server.url()), accept);
        let (feed, stream) = fed();
        let mut request = uploading(stream);
        let trailers = Trailers::new();
        request.trailers = Some(trailers.clone());
        let (answer, ()) = tokio::join!(remote.call(request), async {
            let call = next_call(&mut executor).await;
            assert_eq!(call["params"]["body"], json!({ "stream": true, "trailers": true }));
            feed.send("abc".into()).await.unwrap();
            assert_eq!(piece(&mut executor).await, (0, b"abc".to_vec()));
            trailers.set(vec![Header::new("x-sum", "1f")]);
            drop(feed);
            let (flags, payload) = piece(&mut executor).await;
            if known {
                assert_eq!(flags, END_WITH_TRAILERS);
                let fields: Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(fields, json!({ "trailers": [{ "name": "x-sum", "value": "1f" }] }));
            } else {
                assert_eq!((flags, payload), (END, Vec::new()));
            }
            read_whole(&mut executor, &call).await;
            whole(&mut executor, &call).await;
        });
        answer.unwrap();
    }
}

fn hint(call: &Value, seq: u64) -> Value {
    let headers = json!([{ "name": "n", "value": seq.to_string() }]);
    let params = json!({ "requestId": call["id"], "seq": seq, "status": 103, "headers": headers });
    json!({ "method": "http/request/informational", "params": params })
}

/// Proves that informational responses are called each once, in order and before the answer, whatever comes twice and
/// though the connection is lost between them; and that those past the bounds are dropped (case 129).
#[tokio::test]
async fn informational_responses_are_called_once_in_order() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let heads = Arc::new(Mutex::new(Vec::new()));
    let mut request = any();
    let kept = heads.clone();
    request.on_informational = Some(OnInformational::new(move |head| kept.lock().unwrap().push(head)));
    let (answer, ()) = tokio::join!(within("the answer", remote.call(request)), async {
        let call = next_call(&mut executor).await;
        assert_eq!(call["params"]["informational"], true, "{call}");
        for seq in [1, 1, 2] {
            executor.send_json(&hint(&call, seq)).await;
        }
        // What was read before the loss is known from what the client holds.
        within("they are heard", async {
            while heads.lock().unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        executor.reset();
        let (mut executor, sync) = resumption(&server).await;
        assert_eq!(sync["params"]["requests"][0]["informationalReceived"], 2, "{sync}");
        in_step(&mut executor, &sync).await;
        for seq in 2..=20 {
            executor.send_json(&hint(&call, seq)).await;
        }
        whole(&mut executor, &call).await;
        executor.send_json(&hint(&call, 21)).await;
        std::mem::forget(executor);
    });
    answer.unwrap();
    let heads = heads.lock().unwrap();
    let numbers: Vec<_> =
        heads.iter().map(|head| head.headers[0].text().unwrap().parse::<u64>().unwrap()).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    assert!(heads.iter().all(|head| head.status == 103));
}

/// Proves that reason phrase, timings and the trailers of an inline answer arrive, read whole or as a stream.
#[tokio::test]
async fn an_inline_answer_has_all_of_http() {
    let Played { server: _server, remote, mut executor } = played_resumable().await;
    let result = json!({
        "status": 200, "reason": "Fine", "headers": [], "bodyBase64": "aGk=", "bodyComplete": true,
        "timings": { "httpVersion": "2", "remoteAddress": "192.0.2.7", "remotePort": 443, "headUs": 1500 },
        "trailers": [{ "name": "t", "value": "v" }],
    });
    let trailers = [Header::new("t", "v")];
    for streamed in [false, true] {
        let play = async {
            let call = executor.asked("http/request").await;
            executor.send_json(&json!({ "id": call["id"], "result": result })).await;
        };
        let head = if streamed {
            let (response, ()) = tokio::join!(remote.stream(any()), play);
            let response = response.unwrap();
            let (body, fields) = response.body.collect_with_trailers(10).await.unwrap();
            assert_eq!((&body[..], &fields[..]), (&b"hi"[..], &trailers[..]));
            response.head
        } else {
            let (answer, ()) = tokio::join!(remote.call(any()), play);
            let answer = answer.unwrap();
            assert_eq!((&answer.body[..], &answer.trailers[..]), (&b"hi"[..], &trailers[..]));
            answer.head
        };
        assert_eq!(head.reason.as_deref(), Some(&b"Fine"[..]));
        let timings = head.timings.unwrap();
        assert_eq!(timings.http_version, Some(HttpVersion::Http2));
        assert_eq!(timings.remote_address, Some("192.0.2.7".parse().unwrap()));
        assert_eq!((timings.remote_port, timings.head), (Some(443), Some(Duration::from_micros(1500))));
    }
}

/// Proves that a version and a connect deadline travel with their request, rounded up to whole milliseconds.
#[tokio::test]
async fn version_and_connect_deadline_travel_with_the_request() {
    let Played { server: _server, remote, mut executor } = played_resumable().await;
    let mut request = any();
    request.http_version = VersionPreference::Http2PriorKnowledge;
    request.connect_timeout = Some(Duration::from_micros(1));
    let (answer, ()) = tokio::join!(remote.call(request), async {
        let call = next_call(&mut executor).await;
        assert_eq!(call["params"]["httpVersion"], "2-prior-knowledge");
        assert_eq!(call["params"]["connectTimeoutMs"], 1);
        whole(&mut executor, &call).await;
    });
    answer.unwrap();
}

/// Proves that the body of a request that expects `100-continue` is not even read before the executor asks for it, asked
/// again after a lost connection; and is never read if the origin answers without it (case 130).
#[tokio::test]
async fn an_upload_that_expects_continue_waits_to_be_asked_for() {
    for wanted in [true, false] {
        let Played { server, remote, mut executor } = played_resumable().await;
        let (feed, stream) = fed();
        let request = uploading(stream).header("Expect", "100-Continue");
        let (answer, ()) = tokio::join!(within("the answer", remote.call(request)), async {
            let call = next_call(&mut executor).await;
            assert_eq!(call["params"]["body"], json!({ "stream": true, "hold": true }));
            executor.reset();
            let (mut executor, sync) = resumption(&server).await;
            in_step(&mut executor, &sync).await;
            assert!(feed.try_send("early".into()).is_ok(), "there is one place");
            assert!(feed.try_send("late".into()).is_err(), "nothing is read before it is asked for");
            let asks = json!({ "requestId": call["id"], "offset": 0, "final": !wanted });
            executor.notify("http/request/consumed", asks).await;
            if wanted {
                assert_eq!(piece(&mut executor).await, (0, b"early".to_vec()));
                drop(feed);
                assert_eq!(piece(&mut executor).await, (END, Vec::new()));
                read_whole(&mut executor, &call).await;
            }
            whole(&mut executor, &call).await;
            std::mem::forget(executor);
        });
        answer.unwrap();
    }
}

/// Proves that the head and the body of an answer reach the caller while its upload goes on, and the other way round: each
/// piece is sent only when the one before has come back.
#[tokio::test]
async fn bodies_go_both_ways_at_once() {
    let Played { server: _server, remote, mut executor } = played_resumable().await;
    let (feed, stream) = fed();
    let (response, call) = tokio::join!(remote.stream(uploading(stream)), async {
        let call = next_call(&mut executor).await;
        head(&mut executor, &call).await;
        call
    });
    let mut response = response.unwrap();
    let mut offset = 0;
    for number in 0..10 {
        let question = Bytes::from(format!("question {number}"));
        feed.send(question.clone()).await.unwrap();
        assert_eq!(within("the upload goes on", piece(&mut executor)).await, (0, question.to_vec()));
        let answer = format!("answer {number}");
        executor.send_binary(body(&call, 0, offset, answer.as_bytes())).await;
        offset += answer.len() as u64;
        assert_eq!(within("the body goes on", response.body.next()).await.unwrap().unwrap(), answer);
    }
    drop(feed);
    assert_eq!(piece(&mut executor).await, (END, Vec::new()));
    read_whole(&mut executor, &call).await;
    executor.send_binary(body(&call, END, offset, b"")).await;
    assert!(within("the end", response.body.next()).await.is_none());
}
