//! Giving a call up is said once, and only to an executor that understands it.

use crate::support::{Played, Running, any, config, delta, done, end, head_only, next_call, played, session};
use afield_client::{HttpClient, Remote};
use afield_exchange::{Kind, Request, Response};
use afield_testkit::{Origin, Peer, origin::Outcome, peer::End, within};
use serde_json::Value;

/// Everything the client says up to its next call, which is made for the purpose and answered.
async fn said(remote: &Remote, executor: &mut Peer) -> Vec<Value> {
    let marker = Request::get("http://marker.test/");
    let listen = async {
        let mut said = Vec::new();
        loop {
            let message = executor.json().await;
            if message["params"]["url"] == "http://marker.test/" {
                executor.send_json(&done(&message, 200, "")).await;
                return said;
            }
            said.push(message);
        }
    };
    let (answer, said) = tokio::join!(remote.call(marker), listen);
    assert_eq!(answer.unwrap().head.status, 200);
    said
}

async fn open(played: &mut Played) -> (Response, Value) {
    let Played { remote, executor, .. } = played;
    let answer = async {
        let call = next_call(executor).await;
        executor.send_json(&head_only(&call)).await;
        call
    };
    let (response, call) = tokio::join!(remote.stream(any()), answer);
    (response.unwrap(), call)
}

/// Starts a call that is not answered; returns it with what the executor got.
async fn pending(played: &mut Played) -> (tokio::task::JoinHandle<()>, Value) {
    let remote = played.remote.clone();
    let waiting = tokio::spawn(async move { drop(remote.call(any()).await) });
    (waiting, next_call(&mut played.executor).await)
}

async fn give_up(waiting: tokio::task::JoinHandle<()>) {
    waiting.abort();
    let _ = waiting.await;
}

fn assert_is_cancel(said: &[Value], call: &Value) {
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["method"], "http/request/cancel");
    assert_eq!(said[0]["params"]["requestId"], call["params"]["requestId"]);
    assert!(said[0].get("id").is_none(), "a notification: {}", said[0]);
}

/// Proves that dropping a call before its head, and a body before its end, says so exactly once, and that dropping what
/// has ended, read or not, says nothing.
#[tokio::test]
async fn case_103_giving_up_is_said_exactly_once() {
    let mut played = played(true).await;
    let (waiting, call) = pending(&mut played).await;
    give_up(waiting).await;
    assert_is_cancel(&said(&played.remote, &mut played.executor).await, &call);

    let (response, call) = open(&mut played).await;
    drop(response);
    assert_is_cancel(&said(&played.remote, &mut played.executor).await, &call);

    let (mut response, call) = open(&mut played).await;
    played.executor.send_json(&delta(&call, 1, "x")).await;
    assert!(within("bytes come", response.body.next()).await.unwrap().is_ok());
    drop(response);
    assert_is_cancel(&said(&played.remote, &mut played.executor).await, &call);

    let (response, call) = open(&mut played).await;
    played.executor.send_json(&delta(&call, 1, "x")).await;
    played.executor.send_json(&end(&call, 2, Value::Null)).await;
    // The marker's answer comes behind the end: it is queued, unread, when the body is dropped.
    assert!(said(&played.remote, &mut played.executor).await.is_empty());
    drop(response);
    assert!(said(&played.remote, &mut played.executor).await.is_empty(), "it had ended");
}

/// Proves that a stream that fails here is given up at the executor, once, and not again when it is dropped.
#[tokio::test]
async fn a_stream_that_fails_here_is_given_up_once() {
    let mut played = played(true).await;
    let (mut response, call) = open(&mut played).await;
    played.executor.send_json(&delta(&call, 7, "x")).await;
    assert!(within("the body fails", response.body.next()).await.unwrap().is_err());
    drop(response);
    assert_is_cancel(&said(&played.remote, &mut played.executor).await, &call);
}

/// Proves that a call given up before it was sent is not sent.
#[tokio::test]
async fn a_call_given_up_before_it_is_sent_never_is() {
    let mut played = played(true).await;
    {
        let call = played.remote.call(any());
        tokio::pin!(call);
        // One poll queues it; the driver has had no turn on this thread.
        assert!(futures_util::poll!(&mut call).is_pending());
    }
    assert!(said(&played.remote, &mut played.executor).await.is_empty());
}

/// Proves that an executor that does not understand cancels hears nothing at all, that the connection serves on while a
/// call is under way, and that it is replaced as soon as none is.
#[tokio::test]
async fn case_103_an_executor_that_understands_no_cancel_hears_nothing_and_is_left_once_idle() {
    let mut played = played(false).await;
    let (mut kept, kept_call) = open(&mut played).await;
    let (response, given_up) = open(&mut played).await;
    let (waiting, _) = pending(&mut played).await;
    drop(response);
    give_up(waiting).await;
    // What still comes of it is thrown away.
    played.executor.send_json(&delta(&given_up, 1, "late")).await;
    assert!(said(&played.remote, &mut played.executor).await.is_empty());

    played.executor.send_json(&end(&kept_call, 1, Value::Null)).await;
    assert!(within("the body that was kept ends", kept.body.next()).await.is_none());
    assert_eq!(
        within("the connection ends", played.executor.end()).await,
        End::Closed(1000, String::new()),
        "idle, it is closed"
    );

    let (answer, ()) = tokio::join!(played.remote.call(any()), async {
        let mut executor = session(&played.server, false).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 204, "")).await;
    });
    assert_eq!(answer.unwrap().head.status, 204, "the next call has a connection of its own");
}

/// Proves that calls that were given up and have ended meanwhile are no reason to replace the connection.
#[tokio::test]
async fn a_connection_is_kept_when_what_was_given_up_has_ended() {
    let mut played = played(false).await;
    let (mut kept, kept_call) = open(&mut played).await;
    let (response, streamed) = open(&mut played).await;
    let (waiting, buffered) = pending(&mut played).await;
    drop(response);
    give_up(waiting).await;
    played.executor.send_json(&end(&streamed, 1, "whatever")).await;
    played.executor.send_json(&done(&buffered, 200, "late")).await;
    played.executor.send_json(&end(&kept_call, 1, Value::Null)).await;
    assert!(within("the body that was kept ends", kept.body.next()).await.is_none());
    assert!(said(&played.remote, &mut played.executor).await.is_empty(), "on the same connection");
    // Idle now, it stays open.
    played.executor.settle().await;
    assert!(said(&played.remote, &mut played.executor).await.is_empty(), "still on the same connection");
}

/// Proves that dropping reaches the origin through an executor of ours: before the head, and in the body.
#[tokio::test]
async fn dropping_closes_the_origin_s_socket() {
    let (origin, executor) = tokio::join!(Origin::start(), Running::start());
    let remote = Remote::connect(config(executor.url())).await.unwrap();
    let waiting = {
        let (remote, url) = (remote.clone(), origin.url("/slow-head"));
        tokio::spawn(async move { remote.call(Request::get(url)).await.map(drop) })
    };
    let request = origin.request(0).await;
    waiting.abort();
    assert_eq!(request.wait_ended().await, Outcome::Abandoned);

    let mut response = remote.stream(Request::get(origin.url("/endless"))).await.unwrap();
    assert!(response.body.next().await.unwrap().is_ok());
    drop(response);
    assert_eq!(origin.request(1).await.wait_ended().await, Outcome::Abandoned);

    let error = remote.call(Request::get("http://nowhere.invalid/")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Dns, "and the connection serves on");
}
