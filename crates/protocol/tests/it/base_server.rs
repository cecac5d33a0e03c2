use afield_exchange::{Buffered, Error, Head};
use afield_protocol::{
    server::{BaseServer, BaseServerConfig, CallId, Encoded, Event, Reply, decode},
    wire::{Capabilities, EnvironmentInfo, Features, InitializeResult, Shell},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub fn environment() -> EnvironmentInfo {
    EnvironmentInfo {
        shell: Shell { name: "sh".into(), path: "/bin/sh".into() },
        cwd: "file:///".into(),
        executor_version: Some("0".into()),
        platform_os: Some("linux".into()),
        capabilities: Capabilities {
            http_header_env_vars: true,
            http_header_secrets: true,
            http_request_cancel: true,
            environment_config_read: false,
        },
    }
}

pub fn config() -> BaseServerConfig {
    BaseServerConfig {
        session_requests: 4,
        body_message_bytes: 1000,
        queued_bytes: 10_000,
        request_body_bytes: 100,
        environment: environment(),
    }
}

pub fn session() -> InitializeResult {
    InitializeResult {
        session_id: "s".into(),
        environment_info: environment(),
        dialect: None,
        window_bytes: None,
        resumed: None,
        features: Features::default(),
        instance: None,
        limits: None,
    }
}

struct Peer {
    server: BaseServer,
    now: Instant,
}

impl Peer {
    fn new() -> Self {
        Self { server: BaseServer::new(config()), now: Instant::now() }
    }

    fn ready() -> Self {
        let mut peer = Self::new();
        peer.send(r#"{"id":1,"method":"initialize","params":{"clientName":"t"}}"#);
        let Some(Event::Initialize { id, .. }) = peer.server.poll_event() else { panic!("no initialize") };
        peer.server.accept(&id, &session());
        peer.send(r#"{"method":"initialized"}"#);
        peer.said();
        peer
    }

    fn send(&mut self, text: &str) {
        self.server.handle(self.now, decode(text));
    }

    fn call(&mut self, id: u64, request_id: &str, streamed: bool) -> Option<(CallId, Reply)> {
        self.send(&format!(
            r#"{{"id":{id},"method":"http/request","params":{{"method":"GET","url":"http://h/","requestId":"{request_id}","streamResponse":{streamed}}}}}"#
        ));
        match self.server.poll_event() {
            Some(Event::Start { call, reply, .. }) => Some((call, reply)),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    fn stream(&mut self, id: u64, request_id: &str) -> CallId {
        let (call, reply) = self.call(id, request_id, true).expect("the call is admitted");
        self.server.head(call, reply.head(&head()));
        call
    }

    /// Everything that can be sent now.
    fn said(&mut self) -> Vec<Value> {
        let mut said = Vec::new();
        while let Some(outgoing) = self.server.poll_transmit(self.now) {
            said.push(match outgoing.encode() {
                Encoded::Text(text) => serde_json::from_slice(&text).unwrap(),
                Encoded::Body(_) => panic!("a body message in the base dialect"),
            });
        }
        said
    }

    fn later(&mut self, duration: Duration) {
        self.now += duration;
        self.server.handle_timeout(self.now);
    }
}

pub fn head() -> Head {
    Head::new(200, Vec::new())
}

fn message(said: &Value) -> &str {
    said["error"]["message"].as_str().unwrap_or_default()
}

/// Proves the order of the handshake: every call out of turn is told what is missing, and a failed `initialize` may be
/// tried again.
#[test]
fn case_097_calls_out_of_turn_are_told_what_is_missing() {
    let mut peer = Peer::new();
    let call = r#"{"id":9,"method":"http/request","params":{"method":"GET","url":"u","requestId":"r"}}"#;
    peer.send(call);
    peer.send(r#"{"id":2,"method":"initialize","params":{}}"#);
    peer.send(r#"{"id":3,"method":"initialize","params":{"clientName":"t","resumeSessionId":"x"}}"#);
    assert!(!peer.server.wants_input(), "nothing is read while initialize is being decided");
    let Some(Event::Initialize { id, .. }) = peer.server.poll_event() else { panic!("no initialize") };
    peer.server.reject(&id, &afield_protocol::RpcError::new(-32600, "unknown session id x"));
    peer.send(r#"{"id":4,"method":"initialize","params":{"clientName":"t"}}"#);
    let Some(Event::Initialize { id, .. }) = peer.server.poll_event() else { panic!("no initialize") };
    peer.server.accept(&id, &session());
    peer.send(call);
    peer.send(r#"{"id":5,"method":"initialize","params":{"clientName":"t"}}"#);
    peer.send(r#"{"method":"initialized"}"#);
    peer.send(r#"{"id":6,"method":"environment/status"}"#);
    peer.send(r#"{"id":7,"method":"process/read","params":{}}"#);
    let said = peer.said();
    assert_eq!(message(&said[0]), "client must call initialize before using http methods");
    assert_eq!(said[1]["error"]["code"], -32602);
    assert_eq!(message(&said[2]), "unknown session id x");
    assert_eq!(said[3]["result"]["sessionId"], "s");
    assert_eq!(message(&said[4]), "client must send initialized before using http methods");
    assert_eq!(message(&said[5]), "initialize may only be sent once per connection");
    assert_eq!(said[6]["result"], json!({"status": "ready"}));
    assert_eq!((&said[7]["id"], &said[7]["error"]["code"]), (&json!(7), &json!(-32601)));
    assert_eq!(said.len(), 8);
}

/// Proves that a malformed message is answered under id -1 and harms nothing.
#[test]
fn case_091_a_malformed_message_is_answered_and_the_connection_lives() {
    let mut peer = Peer::ready();
    for text in ["x", "[]", "{}", "1", r#"{"id":1,"id":2,"method":"m"}"#] {
        peer.send(text);
    }
    peer.server.handle_malformed();
    let said = peer.said();
    assert_eq!(said.len(), 6);
    assert!(said.iter().all(|said| said["id"] == -1 && said["error"]["code"] == -32600));
    assert!(peer.call(2, "r", false).is_some());
}

/// Proves that what is unknown and wants no answer is ignored, and counted.
#[test]
fn case_095_098_unknown_notifications_and_answers_to_nothing_are_ignored() {
    let mut peer = Peer::ready();
    for text in [
        r#"{"method":"later/thing","params":{"x":1}}"#,
        r#"{"id":77,"result":{}}"#,
        r#"{"id":"x","error":{"code":1,"message":"m"}}"#,
        r#"{"method":"initialized"}"#,
        r#"{"method":"http/request/cancel","params":{"requestId":"nobody"}}"#,
        r#"{"method":"http/request/cancel","params":[]}"#,
    ] {
        peer.send(text);
    }
    assert_eq!(peer.server.ignored(), 6);
    assert!(peer.said().is_empty());
}

/// Proves that a second call under an active id is refused under id -1 and the first goes on to its answer.
#[test]
fn case_093_an_active_id_is_refused_and_the_first_call_unaffected() {
    let mut peer = Peer::ready();
    let (call, reply) = peer.call(5, "a", false).unwrap();
    assert!(peer.call(5, "b", false).is_none());
    peer.server.answer(call, reply.answer(&Buffered::new(head(), Bytes::new())));
    let said = peer.said();
    assert_eq!((&said[0]["id"], &said[0]["error"]["code"]), (&json!(-1), &json!(-32600)));
    assert_eq!((&said[1]["id"], &said[1]["result"]["status"]), (&json!(5), &json!(200)));
    assert!(peer.call(5, "b", false).is_some(), "the id is free once answered");
}

/// Proves that an id of a stream is reserved from the call on, released by its end or failure, and free before the
/// last frame is written; and that a buffered call may repeat it.
#[test]
fn a_stream_id_is_reserved_until_just_before_its_last_frame() {
    let mut peer = Peer::ready();
    let (first, reply) = peer.call(1, "r", true).unwrap();
    assert!(peer.call(2, "r", true).is_none(), "reserved before the head");
    assert_eq!(message(&peer.said()[0]), "http/request streamResponse requestId `r` is already active");
    assert!(peer.call(3, "r", false).is_some(), "a buffered call may repeat it");
    peer.server.head(first, reply.head(&head()));
    peer.server.finish(peer.now, first);
    assert_eq!(peer.said().len(), 2, "head and last frame");
    let (second, _) = peer.call(4, "r", true).expect("free after the last frame");
    peer.server.fail(peer.now, second, &Error::internal("x"));
    assert!(peer.call(5, "r", true).is_some(), "free after a failure");
}

/// Proves that calls over the limit are refused at once, safely, and that ended calls give their places back.
#[test]
fn case_099_calls_over_the_limit_are_refused_at_once() {
    let mut peer = Peer::ready();
    let calls: Vec<_> = (1..=4).map(|id| peer.call(id, &format!("r{id}"), true).unwrap()).collect();
    assert!(peer.call(5, "r5", false).is_none());
    let said = peer.said();
    assert_eq!(said[0]["error"]["code"], -32603);
    assert_eq!(
        (&said[0]["error"]["data"]["kind"], &said[0]["error"]["data"]["retry"]),
        (&json!("overloaded"), &json!("safe"))
    );
    peer.server.fail(peer.now, calls[0].0, &Error::internal("x"));
    assert!(peer.call(6, "r6", false).is_some());
    assert_eq!(peer.server.active(), 4);
}

/// Proves that the head goes before the first delta, `seq` counts from 1, and exactly one last frame ends the stream.
#[test]
fn a_stream_is_a_head_deltas_in_order_and_one_last_frame() {
    let mut peer = Peer::ready();
    let call = peer.stream(1, "r");
    peer.server.body(peer.now, call, Bytes::from(vec![7; 2500]));
    peer.server.finish(peer.now, call);
    peer.server.finish(peer.now, call);
    peer.server.fail(peer.now, call, &Error::internal("x"));
    let said = peer.said();
    assert_eq!(said[0]["result"], json!({"status": 200, "headers": [], "bodyBase64": ""}));
    let frames: Vec<_> = said[1..].iter().map(|said| &said["params"]).collect();
    assert_eq!(frames.iter().map(|f| f["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(
        frames.iter().map(|f| f["done"].as_bool().unwrap()).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    assert_eq!(
        frames[3],
        &json!({"requestId": "r", "seq": 4, "deltaBase64": "", "done": true, "error": null})
    );
    assert_eq!(peer.server.active(), 0);
    assert_eq!(peer.server.owed(), 0);
    assert_eq!(peer.server.poll_timeout(), None);
}

/// Proves that a body that fails ends with the error in its one last frame, after the bytes that came.
#[test]
fn a_failed_body_ends_with_its_error() {
    let mut peer = Peer::ready();
    let call = peer.stream(1, "r");
    peer.server.body(peer.now, call, "abc".into());
    peer.server.fail(peer.now, call, &Error::internal("why"));
    let said = peer.said();
    assert_eq!(said[1]["params"]["deltaBase64"], "YWJj");
    assert_eq!(
        said[2]["params"],
        json!({"requestId": "r", "seq": 2, "deltaBase64": "", "done": true, "error": "why"})
    );
}

/// Proves that the first bytes after a pause leave at once, a burst is gathered for 5 ms, and the end flushes.
#[test]
fn a_burst_of_small_events_is_not_a_burst_of_deltas() {
    let mut peer = Peer::ready();
    let call = peer.stream(1, "r");
    peer.said();
    peer.server.body(peer.now, call, "first".into());
    assert_eq!(peer.said().len(), 1, "the first leaves at once");
    for _ in 0..100 {
        peer.server.body(peer.now, call, "event".into());
    }
    assert!(peer.said().is_empty(), "the rest waits for company");
    assert_eq!(peer.server.poll_timeout(), Some(peer.now + Duration::from_millis(5)));
    peer.later(Duration::from_millis(4));
    assert!(peer.said().is_empty());
    peer.later(Duration::from_millis(1));
    assert_eq!(peer.said().len(), 1, "a hundred events, one delta");
    peer.later(Duration::from_millis(100));
    peer.server.body(peer.now, call, "after a pause".into());
    assert_eq!(peer.said().len(), 1);
    peer.server.body(peer.now, call, Bytes::from(vec![0; 1000]));
    assert_eq!(peer.said().len(), 1, "a full delta does not wait");
    peer.server.body(peer.now, call, "last".into());
    peer.server.finish(peer.now, call);
    assert_eq!(peer.said().len(), 2, "the end flushes");
}

/// Proves that bodies take turns, one message each, and that control goes out ahead of all of them.
#[test]
fn bodies_take_turns_and_control_goes_ahead() {
    let mut peer = Peer::ready();
    let (a, b) = (peer.stream(1, "a"), peer.stream(2, "b"));
    let (c, reply) = peer.call(3, "c", false).unwrap();
    peer.said();
    peer.server.body(peer.now, a, Bytes::from(vec![0; 3000]));
    peer.server.body(peer.now, b, Bytes::from(vec![0; 2000]));
    peer.server.answer(c, reply.answer(&Buffered::new(head(), Bytes::new())));
    let said = peer.said();
    assert_eq!(said[0]["id"], 3, "a small answer does not wait behind bodies");
    let turns: Vec<_> = said[1..].iter().map(|said| said["params"]["requestId"].as_str().unwrap()).collect();
    assert_eq!(turns, ["a", "b", "a", "b", "a"]);
}

/// Proves that what is owed is bounded: bodies wait at the cap, the connection is not read beyond it, and both go on
/// when room is made.
#[test]
fn what_is_owed_is_bounded() {
    let mut peer = Peer::ready();
    let calls: Vec<_> = (0..4).map(|n| peer.stream(n, &format!("r{n}"))).collect();
    peer.said();
    assert!(peer.server.body(peer.now, calls[0], Bytes::from(vec![0; 1999])));
    assert!(!peer.server.body(peer.now, calls[0], Bytes::from(vec![0; 1])), "a stream holds two deltas");
    assert!(
        !peer.server.body(peer.now, calls[1], Bytes::from(vec![0; 9000])),
        "all together hold what may be owed"
    );
    assert!(!peer.server.body(peer.now, calls[2], Bytes::from(vec![0; 1])));
    assert!(!peer.server.wants_input());
    assert!(peer.server.poll_event().is_none());
    let said = peer.said().len();
    assert!(said >= 11, "{said}");
    let mut writable = Vec::new();
    while let Some(Event::Writable(call)) = peer.server.poll_event() {
        writable.push(call);
    }
    writable.sort();
    assert_eq!(writable, calls[..3], "each that waited is told once");
    assert!(peer.server.wants_input());
}

/// Proves that a cancel ends a stream with one last frame that says so, a pending call with kind `cancelled`, and
/// that what the call says afterwards is nothing.
#[test]
fn case_104_a_cancelled_call_has_exactly_one_end() {
    let mut peer = Peer::ready();
    let stream = peer.stream(1, "s");
    let (pending, reply) = peer.call(2, "p", false).unwrap();
    peer.server.body(peer.now, stream, Bytes::from(vec![0; 5000]));
    peer.said();
    peer.server.body(peer.now, stream, Bytes::from(vec![0; 5000]));
    for name in ["s", "p", "s"] {
        peer.send(&format!(r#"{{"method":"http/request/cancel","params":{{"requestId":"{name}"}}}}"#));
    }
    let mut cancelled = Vec::new();
    while let Some(event) = peer.server.poll_event() {
        if let Event::Cancel(call) = event {
            cancelled.push(call);
        }
    }
    assert_eq!(cancelled, [stream, pending]);
    peer.server.body(peer.now, stream, "late".into());
    peer.server.finish(peer.now, stream);
    peer.server.answer(pending, reply.answer(&Buffered::new(head(), Bytes::new())));
    let said = peer.said();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0]["error"]["data"]["kind"], "cancelled");
    assert_eq!(
        (&said[1]["params"]["done"], &said[1]["params"]["error"]),
        (&json!(true), &json!("cancelled"))
    );
    assert_eq!((peer.server.active(), peer.server.owed()), (0, 0));
}

/// Proves that an executor that stops ends every call once: what waits for a head by an answer, a stream by its last
/// frame, with what had not gone out forgotten; and that a stream that has ended already keeps its own end.
#[test]
fn case_108_stopping_ends_every_call_once() {
    let mut peer = Peer::ready();
    let (ended, open) = (peer.stream(1, "ended"), peer.stream(2, "open"));
    let (pending, _) = peer.call(3, "pending", false).unwrap();
    peer.said();
    peer.server.body(peer.now, ended, "whole".into());
    peer.server.finish(peer.now, ended);
    peer.server.body(peer.now, open, Bytes::from(vec![0; 1500]));
    for _ in 0..2 {
        peer.server.stop_all(peer.now, &Error::internal("stopped"));
    }
    let mut cancelled = Vec::new();
    while let Some(event) = peer.server.poll_event() {
        if let Event::Cancel(call) = event {
            cancelled.push(call);
        }
    }
    assert_eq!(cancelled, [open, pending]);
    let said = peer.said();
    assert_eq!((&said[0]["id"], &said[0]["error"]["data"]["kind"]), (&json!(3), &json!("internal")));
    let frames: Vec<_> =
        said[1..].iter().map(|said| (&said["params"]["requestId"], &said["params"]["error"])).collect();
    let (ended, open, null) = (json!("ended"), json!("open"), json!(null));
    assert_eq!(frames, [(&ended, &null), (&open, &json!("stopped")), (&ended, &null)]);
    assert_eq!((peer.server.active(), peer.server.owed()), (0, 0));
}

/// Proves that a last frame counts as output though it owes no bytes, and so does what waits for company.
#[test]
fn a_last_frame_and_a_waiting_delta_are_output() {
    let mut peer = Peer::ready();
    assert!(!peer.server.has_output());
    let call = peer.stream(1, "r");
    peer.server.body(peer.now, call, "first".into());
    peer.said();
    assert!(!peer.server.has_output());
    peer.server.body(peer.now, call, "second".into());
    assert!(peer.said().is_empty());
    assert!(peer.server.has_output(), "it waits for company");
    peer.later(Duration::from_millis(5));
    peer.said();
    peer.server.finish(peer.now, call);
    assert_eq!(peer.server.owed(), 0);
    assert!(peer.server.has_output());
    peer.said();
    assert!(!peer.server.has_output());
}

/// Proves that a request body over the limit is refused by name.
#[test]
fn case_053_a_request_body_over_the_limit_is_refused() {
    let mut peer = Peer::ready();
    for (length, admitted) in [(100, true), (101, false)] {
        let mut body = Vec::new();
        afield_protocol::wire::encode_base64(&vec![0; length], &mut body);
        let body = String::from_utf8(body).unwrap();
        peer.send(&format!(
            r#"{{"id":{length},"method":"http/request","params":{{"method":"GET","url":"http://h/","requestId":"r","bodyBase64":"{body}"}}}}"#
        ));
        assert_eq!(peer.server.poll_event().is_some(), admitted);
    }
    assert!(message(&peer.said()[0]).starts_with("http/request body is too large: "));
}
