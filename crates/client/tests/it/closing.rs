//! A connection ends with the last who needs it, and says what it has to say before.

use crate::support::{Played, any, delta, done, end, head_only, next_call, played, session};
use afield_client::HttpClient;
use afield_exchange::{Kind, RequestBody, Retry};
use afield_testkit::{Toxic, peer::End, toxic::Way, within};
use futures_util::{future::join_all, poll};
use serde_json::Value;

/// Waits until this runtime has no more tasks than it had.
async fn wait_tasks(before: usize) {
    let metrics = tokio::runtime::Handle::current().metrics();
    within("the connection's task ends", async {
        while metrics.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Proves that the connection closes in good order, and its task ends, when the last clone is dropped.
#[tokio::test]
async fn dropping_the_last_clone_closes() {
    let Played { server, remote, mut executor } = played(true).await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let clone = remote.clone();
    drop(remote);
    let (answer, ()) = tokio::join!(clone.call(any()), async {
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 200, "")).await;
    });
    answer.unwrap();
    drop(clone);
    assert_eq!(within("the connection ends", executor.end()).await, End::Closed(1000, String::new()));
    wait_tasks(tasks - 1).await;
    drop(server);
}

/// Proves that a body outlives the client it came from, and that the connection ends with it.
#[tokio::test]
async fn a_body_keeps_its_connection() {
    let Played { remote, mut executor, .. } = played(true).await;
    let (response, call) = tokio::join!(remote.stream(any()), async {
        let call = next_call(&mut executor).await;
        executor.send_json(&head_only(&call)).await;
        call
    });
    let mut response = response.unwrap();
    drop(remote);
    executor.send_json(&delta(&call, 1, "on")).await;
    assert_eq!(within("the body goes on", response.body.next()).await.unwrap().unwrap(), "on");
    executor.settle().await;
    assert_eq!(executor.kept(), 0, "nothing is cancelled");
    executor.send_json(&end(&call, 2, Value::Null)).await;
    assert!(within("the body ends", response.body.next()).await.is_none());
    // The body has ended and is still held: it needs no connection.
    assert_eq!(within("the connection ends", executor.end()).await, End::Closed(1000, String::new()));
    drop(response);
}

/// Proves that dropping the last body cancels it before the connection closes.
#[tokio::test]
async fn the_last_body_is_cancelled_before_the_connection_closes() {
    let Played { remote, mut executor, .. } = played(true).await;
    let (response, call) = tokio::join!(remote.stream(any()), async {
        let call = next_call(&mut executor).await;
        executor.send_json(&head_only(&call)).await;
        call
    });
    drop(remote);
    drop(response);
    let cancel = executor.json().await;
    assert_eq!(cancel["method"], "http/request/cancel");
    assert_eq!(cancel["params"]["requestId"], call["params"]["requestId"]);
    assert_eq!(within("the connection ends", executor.end()).await, End::Closed(1000, String::new()));
}

/// Proves that closing writes the cancels that are queued, ends what is under way, and that the next call connects anew.
#[tokio::test]
async fn closing_writes_cancels_first() {
    let Played { server, remote, mut executor } = played(true).await;
    let mut streams = Vec::new();
    // More than the driver writes at a time.
    for _ in 0..100 {
        let (response, call) = tokio::join!(remote.stream(any()), async {
            let call = next_call(&mut executor).await;
            executor.send_json(&head_only(&call)).await;
            call
        });
        streams.push((response.unwrap(), call));
    }
    let (mut kept, _) = streams.pop().unwrap();
    let (given_up, calls): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
    drop(given_up);
    let listen = async {
        for call in &calls {
            let cancel = executor.json().await;
            assert_eq!(cancel["method"], "http/request/cancel");
            assert_eq!(cancel["params"]["requestId"], call["params"]["requestId"]);
        }
        assert_eq!(within("the connection ends", executor.end()).await, End::Closed(1000, String::new()));
    };
    tokio::join!(within("the connection is closed", remote.close()), listen);
    let error = kept.body.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown));
    assert!(remote.connected().is_none());
    remote.close().await;

    let (answer, _executor) = tokio::join!(remote.call(any()), async {
        let mut executor = session(&server, true).await;
        let call = next_call(&mut executor).await;
        executor.send_json(&done(&call, 201, "")).await;
        executor
    });
    assert_eq!(answer.unwrap().head.status, 201);
    assert!(remote.connected().is_some());
}

/// Proves that a call that is queued when the connection is closed is not sent any more, and is said to be safe to
/// retry.
#[tokio::test]
async fn closing_does_not_send_what_is_queued() {
    let Played { remote, mut executor, .. } = played(true).await;
    let mut queued: Vec<_> = (0..10).map(|_| remote.call(any())).collect();
    for call in &mut queued {
        assert!(poll!(call).is_pending(), "queued: the driver has had no turn");
    }
    let (results, (), end) =
        tokio::join!(join_all(queued), remote.close(), within("the connection ends", executor.end()));
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Safe), "{error:?}");
    }
    assert_eq!(end, End::Closed(1000, String::new()));
}

/// Proves that closing does not wait for an executor that has stopped reading.
#[tokio::test]
async fn closing_ends_though_the_executor_does_not_read() {
    let Played { server, remote, executor } = played(true).await;
    drop((remote, executor));
    let toxic = Toxic::start(server.address()).await;
    let url = format!("ws://{}", toxic.address());
    let (remote, mut executor) = tokio::join!(crate::support::connect(url), session(&server, true));
    let (response, ()) = tokio::join!(remote.stream(any()), async {
        let call = next_call(&mut executor).await;
        executor.send_json(&head_only(&call)).await;
    });
    toxic.stall(Way::Up);
    let large = || any().body(RequestBody::Bytes(vec![7; 24 << 20].into()));
    let mut calls = [remote.call(large()), remote.call(large())];
    for call in &mut calls {
        assert!(poll!(call).is_pending());
    }
    // The driver has its turn: the first is under way and stuck, the second waits behind it.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    // So does this cancel, which closing would write first.
    drop(response);
    within("the connection is closed", remote.close()).await;
    let [first, second] = calls;
    let error = within("the first call fails", first).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown));
    let error = within("the second call fails", second).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Safe));
}
