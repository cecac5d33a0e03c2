//! Sessions: resumed, taken over, forgotten, limited.

use crate::support::{Base, Running, get, kind, stream};
use crate::unread::flood;
use afield_testkit::{Origin, Peer, Upgrade, origin::Outcome, peer::End};
use afield_transport::{Authenticate, Credentials, Grant, Principal, Unauthorized};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const TAKEN: &str = "session resumed by another connection";

async fn open_session(peer: &mut Peer) -> String {
    let result = peer.initialize(json!({ "clientName": "test", "resumeSessionId": null })).await;
    result["sessionId"].as_str().unwrap().to_owned()
}

fn resume(session: &str) -> Value {
    json!({ "clientName": "test", "resumeSessionId": session })
}

fn assert_unknown(answer: &Value, session: &str) {
    let error = &answer["error"];
    assert_eq!(error["code"], -32600);
    assert_eq!(error["message"], format!("unknown session id {session}"));
    assert_eq!(
        (&error["data"]["kind"], &error["data"]["detail"]),
        (&json!("session_lost"), &json!("session"))
    );
    assert_eq!(error["data"]["instance"].as_str().map(str::len), Some(32), "who says so is told: {error}");
}

/// Proves that an executor names its instance with each session, the same for all of them, and another executor another, in
/// base as in afield/1 (case 149).
#[tokio::test]
async fn instance_is_told_with_each_session() {
    let (executor, other) = (Running::start().await, Running::start().await);
    let mut told = Vec::new();
    for (executor, params) in [
        (&executor, json!({ "clientName": "test" })),
        (&executor, json!({ "clientName": "test", "dialects": ["afield/1"] })),
        (&other, json!({ "clientName": "test" })),
    ] {
        told.push(executor.open().await.initialize(params).await["instance"].as_str().unwrap().to_owned());
    }
    assert!(told[0] == told[1] && told[1] != told[2], "{told:?}");
}

/// Proves that every session has an id of its own, of 128 bits at least.
#[tokio::test]
async fn every_session_has_its_own_id() {
    let executor = Running::start().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..20 {
        let id = open_session(&mut executor.open().await).await;
        assert!(id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(ids.insert(id));
    }
}

/// Proves that the newer connection wins at once: the older is closed with 4001 and says nothing more, its exchanges end
/// at their origins, and the newer one works, under the same ids.
#[tokio::test]
async fn a_newer_connection_takes_the_session_and_the_older_falls_silent() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut older = executor.open().await;
    let session = open_session(&mut older).await;
    older.open_stream(origin.url("/half/1000?then=rest"), "s").await;
    assert_eq!(older.delta("s").await.bytes.len(), 500);
    let pending = older.start("http/request", get(origin.url("/slow-head"))).await;
    let requests = [origin.request(0).await, origin.request(1).await];

    let mut newer = executor.open().await;
    assert_eq!(newer.initialize(resume(&session)).await["sessionId"], session);
    assert_eq!(
        older.message().await,
        Err(End::Closed(4001, TAKEN.to_owned())),
        "nothing, not even {pending}"
    );
    for request in requests {
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    }
    newer.open_stream(origin.url("/bytes/10"), "s").await;
    assert_eq!(newer.rest("s", 1).await.0.len(), 10);
}

/// Proves that a takeover does not wait for an older connection that answers nothing, nor act on what it had sent and
/// nobody had read.
#[tokio::test]
async fn a_takeover_discards_what_the_older_connection_had_sent_unread() {
    let executor = Running::limited(|limits| limits.queued_bytes = 1000).await;
    let origin = Origin::start().await;
    let (mut socket, _) = Upgrade::to(executor.address).receive_buffer(4096).open_socket().await.unwrap();
    let mut probe = executor.connect().await;
    let session = {
        let opened = crate::unread::open(&mut socket).await;
        opened["sessionId"].as_str().unwrap().to_owned()
    };
    let count = |id: u64| json!({ "id": id, "method": "http/request", "params": get(origin.url("/count?key=older")) });
    let sent = flood(&mut socket, count, async || {
        assert_eq!(probe.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    })
    .await;
    // What the executor had read already may still be on its way to the origin.
    let executed =
        crate::unread::standstill(|| origin.executions("older"), &mut probe, &origin.url("/echo")).await;
    assert!(executed < sent, "{executed} of {sent}");

    let mut newer = executor.open().await;
    assert_eq!(newer.initialize(resume(&session)).await["sessionId"], session);
    let rest = crate::unread::read_to_end(&mut socket).await;
    assert!(String::from_utf8_lossy(&rest).ends_with(TAKEN), "the older connection is closed with 4001");
    for _ in 0..20 {
        assert_eq!(newer.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    }
    assert_eq!(origin.executions("older"), executed);
}

/// Proves that of many connections that take the same session, one by one, the last one has it and all others are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_takeovers_the_last_wins() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut first = executor.open().await;
    let session = open_session(&mut first).await;
    let mut peers = vec![first];
    for n in 0..10 {
        peers.last_mut().unwrap().open_stream(origin.url("/sse?every_ms=1"), &format!("s{n}")).await;
        let mut newer = executor.open().await;
        newer.initialize(resume(&session)).await;
        peers.push(newer);
    }
    let mut last = peers.pop().unwrap();
    for mut peer in peers {
        assert_eq!(peer.end().await, End::Closed(4001, TAKEN.to_owned()));
    }
    assert_eq!(last.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    for request in origin.requests().iter().filter(|request| request.target() != "/echo") {
        assert_eq!(request.wait_ended().await, Outcome::Abandoned);
    }
}

/// Proves that a session outlives its connection by the grace and no longer; and that a failed `initialize` may be
/// tried again on the same connection.
#[tokio::test]
async fn a_session_outlives_its_connection_by_the_grace() {
    let executor = Running::start().await;
    let mut first = executor.open().await;
    let session = open_session(&mut first).await;
    first.close(1000, "").await;
    let_pass(59).await;
    let mut second = executor.open().await;
    assert_eq!(second.initialize(resume(&session)).await["sessionId"], session);
    assert_eq!(second.call("environment/status", json!({})).await["result"]["status"], "ready");
    let_pass(61).await;
    second.settle().await;
    second.close(1000, "").await;
    let_pass(60).await;
    let mut third = executor.open().await;
    assert_unknown(&third.call("initialize", resume(&session)).await, &session);
    assert_ne!(open_session(&mut third).await, session);
}

async fn let_pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

struct Tokens;

impl Authenticate for Tokens {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        credentials.bearer.map(|name| Principal::token(name).into()).ok_or(Unauthorized::Missing)
    }

    fn mode(&self) -> String {
        "tokens".to_owned()
    }
}

/// Proves that nobody gets another principal's session, attached or not, that trying does no harm to it, and that the
/// answer does not tell that it exists.
#[tokio::test]
async fn another_principal_does_not_get_the_session() {
    let executor = Running::with(|config| config.authentication = Arc::new(Tokens)).await;
    let origin = Origin::start().await;
    let open = async |token| Upgrade::to(executor.address).bearer(token).open().await.unwrap();
    let mut alice = open("alice").await;
    let session = open_session(&mut alice).await;
    alice.open_stream(origin.url("/half/20?then=rest"), "s").await;
    let mut mallory = open("mallory").await;
    assert_unknown(&mallory.call("initialize", resume(&session)).await, &session);
    origin.open_gate("rest");
    assert_eq!(alice.rest("s", 1).await.0.len(), 20, "the session is untouched");
    alice.close(1000, "").await;
    assert_unknown(&mallory.call("initialize", resume(&session)).await, &session);
    assert_unknown(&mallory.call("initialize", resume("none")).await, "none");
    assert_eq!(open("alice").await.initialize(resume(&session)).await["sessionId"], session);
}

/// Proves that a hostile session id is cut and escaped in the answer.
#[tokio::test]
async fn a_hostile_session_id_is_not_echoed_as_it_is() {
    let executor = Running::start().await;
    let mut peer = executor.open().await;
    let hostile = format!("\u{1b}[2J\n{}", "x".repeat(50_000));
    let answer = peer.call("initialize", resume(&hostile)).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.len() < 200 && !message.contains(['\u{1b}', '\n']), "{message}");
}

/// Proves that sessions are limited: those in use are never ended to make room, and one that is refused may be asked for
/// again. A session that waits for a connection and holds nothing gives way, the one that has waited longest first.
#[tokio::test]
async fn sessions_are_limited() {
    let executor = Running::limited(|limits| limits.sessions = 2).await;
    let mut first = executor.open().await;
    let waiting = open_session(&mut first).await;
    let mut second = executor.open().await;
    let kept = open_session(&mut second).await;
    let mut third = executor.open().await;
    let refused = third.call("initialize", json!({ "clientName": "test" })).await;
    assert_eq!((kind(&refused), &refused["error"]["data"]["retry"]), ("overloaded", &json!("safe")));
    first.close(1000, "").await;
    open_session(&mut third).await;
    second.close(1000, "").await;
    assert_unknown(&executor.open().await.call("initialize", resume(&waiting)).await, &waiting);
    let mut again = executor.open().await;
    assert_eq!(again.initialize(resume(&kept)).await["sessionId"], kept, "a resumed one is no new one");
}

/// Proves that resuming does not bring back what the older connection had active.
#[tokio::test]
async fn in_base_a_resumed_session_starts_afresh() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut first = executor.open().await;
    let session = open_session(&mut first).await;
    first.open_stream(origin.url("/sse-open"), "s").await;
    first.reset();
    assert_eq!(origin.request(0).await.wait_ended().await, Outcome::Abandoned);
    let mut second = executor.open().await;
    assert!(second.initialize(resume(&session)).await["resumed"].is_null());
    let answer = second.request(stream(origin.url("/bytes/3"), "s")).await;
    assert_eq!(answer["result"]["status"], 200, "the id is free");
    assert_eq!(second.rest("s", 1).await.0.len(), 3);
}
