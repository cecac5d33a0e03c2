//! What a client makes of an executor in afield/1 that a test plays, at moments that a real one meets rarely.

use crate::support::{
    Played, any, config, head_only, lost, next_call, played, played_resumable, result, resumption, session,
};
use afield_client::{ConnectionState, HttpClient, Remote, RemoteConfig};
use afield_exchange::{Kind, RequestBody, Response, Retry};
use afield_testkit::{Origin, Peer, PeerServer, Toxic, pattern, toxic::Cut, within};
use bytes::Bytes;
use futures_util::{poll, stream};
use serde_json::{Value, json};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, sync::watch};

async fn state(watch: &mut watch::Receiver<ConnectionState>, wanted: impl FnMut(&ConnectionState) -> bool) {
    within("the connection's state", watch.wait_for(wanted)).await.unwrap();
}

/// A streamed call whose head has come. Returns the call as the executor saw it, too.
async fn open(remote: &Remote, executor: &mut Peer) -> (Response, Value) {
    let (response, call) = tokio::join!(remote.stream(any()), async {
        let call = next_call(executor).await;
        executor.send_json(&head_only(&call)).await;
        call
    });
    (response.unwrap(), call)
}

/// A piece of a response body, or its end.
fn body(call: &Value, end: bool, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![1, u8::from(end)];
    message.extend_from_slice(&call["id"].as_u64().unwrap().to_be_bytes());
    message.extend_from_slice(&offset.to_be_bytes());
    message.extend_from_slice(bytes);
    message
}

/// Proves the rows of docs/protocol.md about a session's connection: after which close codes, and ends without one, the session is
/// sought again, and after which it is lost: on the next connection this side would say the same, and so on for ever.
#[tokio::test]
async fn close_codes_of_a_session_mean_what_the_table_says() {
    let is_final = [4001, 4401, 1002, 1003, 1007, 1008, 1009, 1010].map(|code| (Some(code), false));
    let is_passing = [1000, 1001, 1011, 1012, 1013, 1014, 3000, 4000, 4999].map(|code| (Some(code), true));
    for (code, passing) in is_final.into_iter().chain(is_passing).chain([(None, true)]) {
        let Played { server, remote, mut executor } = played_resumable().await;
        let call = tokio::spawn(async move { remote.call(any()).await });
        next_call(&mut executor).await;
        match code {
            Some(code) => drop(executor.close(code, "no").await),
            None => executor.reset(),
        }
        if passing {
            resumption(&server).await;
            assert!(!call.is_finished(), "{code:?}");
            call.abort();
        } else {
            let error = within("the call fails", call).await.unwrap().unwrap_err();
            assert_eq!(lost(&error), (Kind::SessionLost, Retry::Unknown, None), "{code:?}: {error:?}");
            assert!(poll!(pin!(server.accept())).is_pending(), "{code:?}");
        }
    }
}

/// Proves that a request that is kept for a shorter time than its session ends here too when the connection is away for so long, at
/// its head as in its body, while others wait; and that it goes on where the connection is back in time.
#[tokio::test]
async fn request_that_is_kept_ends_with_its_time_while_the_executor_is_away() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let kept = |millis| {
        let mut request = any();
        request.keep = Some(Duration::from_millis(millis));
        request
    };
    let (short, waiting) = (remote.clone(), remote.clone());
    let short = tokio::spawn(async move { short.call(kept(200)).await });
    let first = next_call(&mut executor).await;
    assert_eq!(first["params"]["keepMs"], 200);
    let long = tokio::spawn(async move { waiting.call(kept(600_000)).await });
    next_call(&mut executor).await;
    let mut streamed = {
        let (response, _) = tokio::join!(remote.stream(kept(200)), async {
            let call = next_call(&mut executor).await;
            executor.send_json(&head_only(&call)).await;
        });
        response.unwrap()
    };
    executor.reset();
    drop(server);
    let error = within("the request ends", short).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown), "{error:?}");
    let error = within("the body ends", streamed.body.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown), "{error:?}");
    assert!(!long.is_finished());

    let Played { server, remote, mut executor } = played_resumable().await;
    let call = tokio::spawn(async move { remote.call(kept(30_000)).await });
    next_call(&mut executor).await;
    executor.reset();
    resumption(&server).await;
    assert!(!call.is_finished());
    call.abort();
}

/// Proves the rows of docs/protocol.md about a connection that ends before `initialize` is answered: what did not end by the
/// executor's will is tried again (case 151).
#[tokio::test]
async fn close_codes_before_a_session_mean_what_the_table_says() {
    let is_passing = [1000, 1001, 1008, 1011, 1013, 4000].map(|code| (Some(code), true));
    for (code, passing) in
        [(Some(4001), false), (Some(4401), false), (None, true)].into_iter().chain(is_passing)
    {
        let server = PeerServer::start().await;
        let waiting = RemoteConfig { wait: true, ..config(server.url()) };
        let connecting = tokio::spawn(Remote::connect(waiting));
        let mut executor = server.accept().await;
        executor.asked("initialize").await;
        match code {
            Some(code) => drop(executor.close(code, "no").await),
            None => executor.reset(),
        }
        if passing {
            let _executor = session(&server, true).await;
            within("it connects", connecting).await.unwrap().unwrap();
        } else {
            assert!(within("it is refused", connecting).await.unwrap().is_err(), "{code:?}");
            assert!(poll!(pin!(server.accept())).is_pending(), "{code:?}");
        }
    }
}

/// Proves that an executor that resumes the session and ends the connection at once is not asked again at once: without
/// anything heard on it, a connection counts as an attempt that has failed.
#[tokio::test]
async fn a_connection_on_which_nothing_is_heard_is_a_failed_attempt() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let (_response, call) = open(&remote, &mut executor).await;
    let mut watch = remote.watch();
    executor.reset();
    for failed in 1..=3 {
        let (mut executor, sync) = resumption(&server).await;
        let known =
            json!({ "requestId": call["id"], "state": "known", "bodyReceived": 0, "bodyConsumed": 0 });
        let answer = json!({ "lastRequestId": call["id"], "requests": [known] });
        executor.send_json(&json!({ "id": sync["id"], "result": answer })).await;
        executor.close(1011, "again").await;
        state(
            &mut watch,
            |state| matches!(state, ConnectionState::Reconnecting { attempts, .. } if *attempts >= failed),
        )
        .await;
    }
}

/// Proves that the end of an older connection, which may take a moment, does not hide that there is a newer one.
#[tokio::test]
async fn a_watcher_is_told_of_the_newest_connection() {
    let Played { server, remote, executor: older } = played(true).await;
    let closing = {
        let remote = remote.clone();
        tokio::spawn(async move { remote.close().await })
    };
    within("the older connection is given up", async {
        while remote.connected().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut call = remote.call(any());
    let _newer = tokio::select! {
        _ = &mut call => panic!("nobody has answered"),
        newer = session(&server, true) => newer,
    };
    let watch = remote.watch();
    within("the newer connection", async {
        while remote.connected().is_none() {
            assert!(poll!(&mut call).is_pending());
            tokio::task::yield_now().await;
        }
    })
    .await;
    older.reset();
    closing.await.unwrap();
    assert!(matches!(*watch.borrow(), ConnectionState::Connected { .. }), "{watch:?}");
}

/// Proves that a producer that has nothing to say for now is let go as soon as no more is wanted, though the answer goes on.
#[tokio::test]
async fn a_producer_that_waits_is_let_go_when_no_more_is_wanted() {
    let Played { server: _server, remote, mut executor } = played_resumable().await;
    let held = Arc::new(());
    let waiting = held.clone();
    let stream = stream::poll_fn(move |_| {
        let _ = &waiting;
        std::task::Poll::Pending::<Option<Result<Bytes, _>>>
    });
    let request = any().body(RequestBody::Stream { length: None, stream: Box::pin(stream) });
    let (response, call) = tokio::join!(remote.stream(request), async {
        let call = next_call(&mut executor).await;
        executor.send_json(&head_only(&call)).await;
        call
    });
    let mut response = response.unwrap();
    let no_more = json!({ "requestId": call["id"], "offset": 0, "final": true });
    executor.notify("http/request/consumed", no_more).await;
    within("the producer is let go", async {
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    executor.send_binary(body(&call, true, 0, b"the rest")).await;
    assert_eq!(response.body.next().await.unwrap().unwrap(), "the rest");
}

/// Proves that a session is given up as soon as nobody needs it: when the last body, which has come whole, is read to its
/// end while a connection is sought.
#[tokio::test]
async fn a_connection_is_not_sought_for_a_body_that_is_read() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let (mut response, call) = open(&remote, &mut executor).await;
    executor.send_binary(body(&call, true, 0, b"all")).await;
    let mut watch = remote.watch();
    // What comes behind it says that it has come.
    let first = response.body.next().await.unwrap().unwrap();
    assert_eq!(first, "all");
    executor.reset();
    state(&mut watch, |state| matches!(state, ConnectionState::Reconnecting { .. })).await;
    let mut socket = server.accept_socket().await;
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        within("the upgrade is asked for", socket.read_buf(&mut asked)).await.unwrap();
    }
    assert!(response.body.next().await.is_none());
    state(&mut watch, |state| *state == ConnectionState::Idle).await;
}

/// Proves that a connection is sought also by those who would wait for it for ever.
#[tokio::test]
async fn a_timeout_without_end_is_no_defect() {
    let (origin, executor) = tokio::join!(Origin::start(), crate::support::Running::start());
    let toxic = Toxic::start(executor.address).await;
    let endless =
        RemoteConfig { connect_timeout: Duration::MAX, ..config(format!("ws://{}", toxic.address())) };
    let remote = Remote::connect(endless).await.unwrap();
    let mut response =
        remote.stream(afield_exchange::Request::get(origin.url("/half/1000?then=rest"))).await.unwrap();
    toxic.cut(Cut::Reset);
    toxic.wait_accepted(2).await;
    origin.open_gate("rest");
    let mut read = Vec::new();
    while let Some(bytes) = within("the body", response.body.next()).await {
        read.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(read, pattern::bytes(0, 1000));
}

/// Proves that an executor of another version that comes in the place of the old one, and knows only base, ends what was
/// under way, and serves what comes next.
#[tokio::test]
async fn a_session_is_not_resumed_by_an_executor_that_cannot() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let (mut response, _) = open(&remote, &mut executor).await;
    executor.reset();
    let mut other = server.accept().await;
    let asked = other.asked("initialize").await;
    assert_eq!(asked["params"]["resumeSessionId"], "s");
    other.send_json(&json!({ "id": asked["id"], "result": result(true) })).await;
    let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown), "{error:?}");
    let mut call = remote.call(any());
    let mut newest = tokio::select! {
        _ = &mut call => panic!("nobody has answered"),
        newest = session(&server, true) => newest,
    };
    let (answer, ()) = tokio::join!(call, async {
        let call = next_call(&mut newest).await;
        newest.send_json(&crate::support::done(&call, 200, "base")).await;
    });
    assert_eq!(answer.unwrap().body, "base");
}

/// Proves that an executor that does not let this client in any more is not asked again.
#[tokio::test]
async fn a_refusal_ends_the_session_at_once() {
    for refusal in ["401 No", "401 No\r\nafield-refusal: credential_wrong"] {
        let Played { server, remote, mut executor } = played_resumable().await;
        let (mut response, _) = open(&remote, &mut executor).await;
        executor.reset();
        let refusal = format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        server.answer_with(refusal).await;
        let error = within("the body fails", response.body.next()).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown), "{error:?}");
    }
}

/// Proves that the end of an upload is said again after a loss to an executor that never says `final` about uploads it has taken, that
/// the answer is whole only then, and that it is acknowledged.
#[tokio::test]
async fn upload_to_an_older_executor_is_ended_again_after_a_loss() {
    let Played { server, remote, mut executor } = played_resumable().await;
    let pieces = [Ok(Bytes::from_static(&[b'x'; 5000]))];
    let body = RequestBody::Stream { length: None, stream: Box::pin(stream::iter(pieces)) };
    let request = afield_exchange::Request::new("POST", "http://h/").body(body);
    let call = tokio::spawn(async move { remote.call(request).await });
    let asked = next_call(&mut executor).await;
    while executor.binary().await[1] & 1 == 0 {}
    let consumed = json!({ "requestId": asked["id"], "offset": 5000 });
    executor.notify("http/request/consumed", consumed).await;
    executor.settle().await;
    executor.reset();
    let (mut executor, sync) = resumption(&server).await;
    let known =
        json!({ "requestId": asked["id"], "state": "known", "bodyReceived": 5000, "bodyConsumed": 5000 });
    let answer = json!({ "lastRequestId": asked["id"], "requests": [known] });
    executor.send_json(&json!({ "id": sync["id"], "result": answer })).await;
    let end = executor.binary().await;
    assert_eq!((end[1] & 1, end.len()), (1, 18), "its end, and nothing else");
    let result = json!({ "status": 200, "headers": [], "bodyBase64": "b2s=", "bodyComplete": true });
    executor.send_json(&json!({ "id": asked["id"], "result": result })).await;
    let response = within("the call ends", call).await.unwrap().unwrap();
    assert_eq!(response.body, "ok");
    let last = executor.json().await;
    assert_eq!((&last["method"], &last["params"]["final"]), (&json!("http/request/consumed"), &json!(true)));
}
