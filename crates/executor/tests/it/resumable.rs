//! Sessions in afield/1 at the executor: what is kept, for whom, how long, and that nothing is left over.

use crate::support::{Running, kind};
use afield_testkit::{Origin, Peer, origin::Outcome, pattern, peer::End, within};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::Handle;

pub fn hello() -> Value {
    json!({ "clientName": "test", "dialects": ["afield/1"], "windowBytes": 65536 })
}

pub fn again(session: &str, attempt: u64) -> Value {
    let mut params = hello();
    params["resumeSessionId"] = json!(session);
    params["attempt"] = json!(attempt);
    params
}

pub async fn begin(executor: &Running) -> (Peer, String) {
    let mut peer = executor.open().await;
    let result = peer.initialize(hello()).await;
    assert_eq!((&result["dialect"], &result["resumed"]), (&json!("afield/1"), &json!(false)));
    let session = result["sessionId"].as_str().unwrap().to_owned();
    (peer, session)
}

/// Resumes a session, naming these requests as held, of which nothing has come. Returns the executor's view.
pub async fn resume(executor: &Running, session: &str, attempt: u64, held: &[u64]) -> (Peer, Value) {
    let mut peer = executor.open().await;
    let result = peer.initialize(again(session, attempt)).await;
    assert_eq!(result["resumed"], true, "{result}");
    let requests: Vec<Value> = (held.iter())
        .map(|id| json!({ "requestId": id, "headReceived": false, "received": 0, "consumed": 0 }))
        .collect();
    peer.send_json(&json!({ "id": "sync", "method": "session/sync", "params": { "requests": requests } }))
        .await;
    let answer = peer.answer("sync").await;
    (peer, answer["result"].clone())
}

pub async fn ask(peer: &mut Peer, id: u64, url: impl Into<String>) {
    let params = json!({ "method": "GET", "url": url.into(), "requestId": id });
    peer.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
}

pub async fn finished(peer: &mut Peer, id: u64) {
    peer.notify("http/request/consumed", json!({ "requestId": id, "offset": 0, "final": true })).await;
}

/// The response body of a request, from this offset to its end.
async fn rest(peer: &mut Peer, id: u64, mut offset: u64) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let message = peer.binary().await;
        assert_eq!((message[0], &message[2..10]), (1, &id.to_be_bytes()[..]));
        assert_eq!(message[10..18], offset.to_be_bytes());
        all.extend_from_slice(&message[18..]);
        offset += message.len() as u64 - 18;
        if message[1] & 1 == 1 {
            return all;
        }
        peer.notify("http/request/consumed", json!({ "requestId": id, "offset": offset })).await;
    }
}

/// Waits until no more tasks than these are alive.
async fn settle(tasks: usize) {
    within("tasks end", async {
        while Handle::current().metrics().num_alive_tasks() > tasks {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Proves that connections that come and go, each with a session of its own or all with the same, leave no more behind
/// than there may be sessions.
#[tokio::test]
async fn connections_that_come_and_go_leave_no_more_than_the_sessions() {
    let executor = Running::limited(|limits| limits.sessions = 4).await;
    let (first, session) = begin(&executor).await;
    let before = Handle::current().metrics().num_alive_tasks();
    first.reset();
    let mut attempt = 0;
    for _ in 0..20 {
        attempt += 1;
        let (peer, _) = resume(&executor, &session, attempt, &[]).await;
        peer.reset();
    }
    settle(before).await;
    for _ in 0..20 {
        begin(&executor).await.0.reset();
    }
    settle(before + 4).await;
}

/// Proves that after a takeover nothing of the older connection counts: neither what it says, nor how it ends.
#[tokio::test]
async fn an_older_connection_cannot_harm_the_session() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    for code in [1000, 1001, 1008] {
        let (mut older, session) = begin(&executor).await;
        ask(&mut older, 1, origin.url(&format!("/half/1000?then=rest-{code}"))).await;
        older.answer(1).await;
        let (mut newer, view) = resume(&executor, &session, 1, &[1]).await;
        assert_eq!(view["requests"][0]["state"], "known", "{view}");
        // It may be closed already.
        let cancel = json!({ "method": "http/request/cancel", "params": { "requestId": 1 } });
        let _ = older.try_send(afield_testkit::peer::Message::text(cancel.to_string())).await;
        match code {
            1000 => assert_eq!(
                older.end().await,
                End::Closed(4001, "session resumed by another connection".to_owned())
            ),
            code => drop(older.close(code, "").await),
        }
        origin.open_gate(&format!("rest-{code}"));
        newer.answer(1).await;
        assert_eq!(rest(&mut newer, 1, 0).await, pattern::bytes(0, 1000));
        finished(&mut newer, 1).await;
        let late = executor.open().await.call("initialize", again(&session, 0)).await;
        assert_eq!(late["error"]["message"], "session resumed by another connection");
    }
}

/// Asks until there is a place, which is free as soon as the task that had it is gone. Returns the id that got it.
async fn placed(peer: &mut Peer, from: u64, url: &str) -> u64 {
    within("a place comes back", async {
        for id in from.. {
            ask(peer, id, url).await;
            let answer = peer.answer(id).await;
            if answer["result"]["status"] == 200 {
                return id;
            }
            assert_eq!(kind(&answer), "overloaded");
            finished(peer, id).await;
        }
        unreachable!("ids do not end")
    })
    .await
}

/// Proves that every way in which a request can end gives its place in the executor back.
#[tokio::test]
async fn every_end_of_a_request_frees_its_place() {
    let executor = Running::limited(|limits| {
        limits.requests = 1;
        limits.grace = Duration::from_millis(300);
    })
    .await;
    let origin = Origin::start().await;
    let (mut peer, _) = begin(&executor).await;
    // Answered and acknowledged.
    ask(&mut peer, 1, origin.url("/status/200")).await;
    assert_eq!(peer.answer(1).await["result"]["status"], 200);
    ask(&mut peer, 2, origin.url("/status/200")).await;
    assert_eq!(kind(&peer.answer(2).await), "overloaded", "an answer has its place until it is acknowledged");
    finished(&mut peer, 1).await;
    // Failed and acknowledged.
    ask(&mut peer, 3, "ftp://origin.test/").await;
    assert_eq!(kind(&peer.answer(3).await), "invalid_request");
    finished(&mut peer, 3).await;
    // Cancelled before its head, and in its body.
    ask(&mut peer, 4, origin.url("/slow-head")).await;
    origin.request(1).await;
    peer.notify("http/request/cancel", json!({ "requestId": 4 })).await;
    let id = placed(&mut peer, 5, &origin.url("/sse-open")).await;
    peer.notify("http/request/cancel", json!({ "requestId": id })).await;
    // Its client says farewell.
    placed(&mut peer, id + 1, &origin.url("/sse-open")).await;
    peer.close(1000, "").await;
    // Its client goes without a word, and does not come back.
    let (mut peer, _) = begin(&executor).await;
    let mut id = 0;
    within("the place is free", async {
        loop {
            id += 1;
            ask(&mut peer, id, origin.url("/sse-open")).await;
            if peer.answer(id).await["result"]["status"] == 200 {
                return;
            }
        }
    })
    .await;
    peer.reset();
    let (mut peer, _) = begin(&executor).await;
    id = 0;
    within("the place is free", async {
        loop {
            id += 1;
            ask(&mut peer, id, origin.url("/status/200")).await;
            let answer = peer.answer(id).await;
            finished(&mut peer, id).await;
            if answer["result"]["status"] == 200 {
                return;
            }
        }
    })
    .await;
}

/// Proves that a drain waits for what goes on without a connection, lets its client come back for it, and is over once the
/// answer is acknowledged; and that no new session begins meanwhile.
#[tokio::test]
async fn a_drain_waits_for_clients_that_come_back() {
    let origin = Origin::start().await;
    let mut executor = Running::start().await;
    let (mut peer, session) = begin(&executor).await;
    ask(&mut peer, 1, origin.url("/count?key=k&gate=go")).await;
    let request = origin.request(0).await;
    peer.reset();
    executor.stop();
    within("the drain", async { while executor.readyz().await != 503 {} }).await;
    let refused = executor.open().await.call("initialize", hello()).await;
    assert_eq!(kind(&refused), "overloaded");
    origin.open_gate("go");
    request.wait_ended().await;
    let (mut peer, view) = resume(&executor, &session, 1, &[1]).await;
    assert_eq!(view["requests"][0]["state"], "known");
    assert_eq!(peer.answer(1).await["result"]["bodyComplete"], true);
    ask(&mut peer, 2, origin.url("/status/200")).await;
    assert_eq!(kind(&peer.answer(2).await), "overloaded");
    finished(&mut peer, 1).await;
    assert!(matches!(peer.end().await, End::Closed(1001, _)));
    executor.ended().await;
    assert_eq!(origin.executions("k"), 1);
}

/// Proves that when the drain's grace is over, a client is told of each request how it ended, also in the middle of a body
/// that it reads slowly.
#[tokio::test]
async fn what_a_drain_cuts_is_told() {
    let origin = Origin::start().await;
    let mut executor = Running::with(|config| config.grace = Duration::from_millis(200)).await;
    let (mut peer, _) = begin(&executor).await;
    ask(&mut peer, 1, origin.url("/slow-head")).await;
    ask(&mut peer, 2, origin.url("/half/1000?then=never")).await;
    assert_eq!(peer.answer(2).await["result"]["status"], 200);
    assert_eq!(peer.binary().await.len(), 18 + 500);
    executor.stop();
    assert_eq!(kind(&peer.answer(1).await), "session_lost");
    let abort = peer.binary().await;
    assert_eq!((abort[1], &abort[10..18]), (3, &500_u64.to_be_bytes()[..]));
    let error: Value = serde_json::from_slice(&abort[18..]).unwrap();
    assert_eq!(error["data"]["kind"], "session_lost", "{error}");
    assert!(matches!(peer.end().await, End::Closed(1001, _)));
    executor.ended().await;
    for number in [0, 1] {
        assert_eq!(origin.request(number).await.wait_ended().await, Outcome::Abandoned);
    }
}

/// Proves that a request which is not worth keeping is let go, through to the origin, once its connection has been gone for as
/// long as it says, and is `gone` to whoever comes back; and that it costs the others of its session nothing (case 200).
#[tokio::test]
async fn request_that_is_not_kept_is_let_go_with_its_connection() {
    let executor = Running::start().await;
    let origin = Origin::start().await;
    let (mut peer, session) = begin(&executor).await;
    for (id, keep) in [(1, json!(0)), (2, json!(600_000)), (3, Value::Null)] {
        let url = origin.url("/sse-open");
        let params = json!({ "method": "GET", "url": url, "requestId": id, "keepMs": keep });
        peer.send_json(&json!({ "id": id, "method": "http/request", "params": params })).await;
        peer.answer(id).await;
    }
    origin.wait_active(3).await;
    drop(peer);
    origin.wait_active(2).await;
    let (_peer, seen) = resume(&executor, &session, 1, &[1, 2, 3]).await;
    let states: Vec<_> = seen["requests"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["gone", "known", "known"]);
    origin.wait_active(2).await;
}
