use crate::base_server::{environment, head, session};
use afield_exchange::{BodyFrame, Head, Header, Limits};
use afield_protocol::{
    json::RpcId,
    resumable::{BodyKind, BodyMessage, End, ResumableServer, ServerConfig, ServerEvent, Transmit},
    server::{Reply, decode},
    wire::Features,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Instant;

const WINDOW: u64 = 64 * 1024;
const SESSION_BODIES: u64 = 128 * 1024;

struct Peer {
    server: ResumableServer,
    now: Instant,
    started: Vec<(u64, Reply)>,
    cancelled: Vec<u64>,
    broken: Option<&'static str>,
}

impl Peer {
    fn new() -> Self {
        let limits = Limits::default();
        let config = ServerConfig {
            session_requests: 4,
            body_message_bytes: limits.body_message_bytes,
            queued_bytes: limits.queued_bytes,
            window_bytes: WINDOW,
            client_window_bytes: WINDOW,
            session_body_bytes: SESSION_BODIES,
            session_head_bytes: limits.session_head_bytes,
            features: Features::ALL,
            environment: environment(),
            share: None,
        };
        let mut peer = Self {
            server: ResumableServer::new(config),
            now: Instant::now(),
            started: Vec::new(),
            cancelled: Vec::new(),
            broken: None,
        };
        peer.server.attach(&RpcId::Integer(1), 0, &session()).unwrap();
        peer.says();
        peer
    }

    fn live() -> Self {
        let mut peer = Self::new();
        peer.send(&json!({"method": "initialized"}));
        peer
    }

    fn resume(&mut self) {
        let mut resumed = session();
        resumed.resumed = Some(true);
        self.server.attach(&RpcId::Integer(1), 1, &resumed).unwrap();
        self.says();
        self.send(&json!({"method": "initialized"}));
    }

    fn send(&mut self, message: &Value) -> Vec<Value> {
        self.server.handle(self.now, decode(&message.to_string()));
        self.says()
    }

    fn body(&mut self, id: u64, offset: u64, payload: &[u8], end: bool, abort: bool) -> Vec<Value> {
        let payload = Bytes::copy_from_slice(payload);
        let message = BodyMessage {
            kind: BodyKind::Request,
            end,
            abort,
            trailers: false,
            request_id: id,
            offset,
            payload,
        };
        self.server.handle_body(message);
        self.says()
    }

    fn says(&mut self) -> Vec<Value> {
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Start { call, reply, .. } => self.started.push((call, reply)),
                ServerEvent::Cancel(call) => self.cancelled.push(call),
                ServerEvent::ConfigRead { id, .. } => self.server.reply(&id, "{}".into()),
                ServerEvent::Broken(why) => self.broken = Some(why),
                ServerEvent::Writable(_) | ServerEvent::UploadReadable(_) => {}
            }
        }
        let said = std::iter::from_fn(|| self.server.poll_transmit());
        let said = said.map(|transmit| match transmit {
            Transmit::Text(text) => serde_json::from_slice(&text).unwrap(),
            Transmit::Body(body) => json!({"body": body.request_id, "at": body.offset, "bytes": body.payload.len(), "end": body.end}),
        });
        said.collect()
    }

    fn ids(&self) -> Vec<u64> {
        self.started.iter().map(|(id, _)| *id).collect()
    }

    /// What the origin reads of an upload: its bytes, and how it ends if it does.
    fn upload(&mut self, id: u64) -> (String, Option<Result<(), String>>) {
        let mut bytes = Vec::new();
        loop {
            match self.server.read_upload(self.now, id) {
                Some(Some(Ok(BodyFrame::Data(more)))) => bytes.extend_from_slice(&more),
                Some(Some(Ok(BodyFrame::Trailers(_)))) => {}
                Some(Some(Err(why))) => {
                    return (String::from_utf8(bytes).unwrap(), Some(Err(why.message().to_owned())));
                }
                Some(None) => return (String::from_utf8(bytes).unwrap(), Some(Ok(()))),
                None => return (String::from_utf8(bytes).unwrap(), None),
            }
        }
    }
}

fn call(id: impl Into<Value>) -> Value {
    let id = id.into();
    json!({"id": id, "method": "http/request", "params": {"method": "GET", "url": "http://h/", "requestId": id}})
}

fn upload(id: u64, length: Value) -> Value {
    let body = json!({"stream": true, "length": length});
    json!({"id": id, "method": "http/request", "params": {"method": "PUT", "url": "http://h/", "requestId": id, "body": body}})
}

fn code(said: &[Value]) -> (i64, Value) {
    let [one] = said else { panic!("{said:?}") };
    (one["error"]["code"].as_i64().unwrap(), one["id"].clone())
}

/// Proves that ids of any size and order are taken for what the specification says, and execute at most once.
#[test]
fn ids_are_taken_in_order_and_once() {
    let mut peer = Peer::live();
    assert!(peer.send(&call(5)).is_empty(), "gaps are no matter");
    for repeated in [5, 4, 1] {
        assert!(peer.send(&call(repeated)).is_empty(), "ignored");
    }
    for bad in [json!(0), json!(-1), json!(1_u64 << 53), json!(i64::MAX), json!("7")] {
        assert_eq!(code(&peer.send(&call(bad.clone()))), (-32600, bad));
    }
    for unusable in [json!(u64::MAX), json!(1.5), json!(null)] {
        assert_eq!(code(&peer.send(&call(unusable))), (-32600, json!(-1)));
    }
    peer.send(&call((1_u64 << 53) - 1));
    assert_eq!(peer.ids(), [5, (1 << 53) - 1]);
    assert_eq!(peer.server.ignored(), 3);
    assert!(peer.broken.is_none());
}

/// Proves that a request of the wrong shape is answered once, holds its answer until that is acknowledged, and uses up
/// its id.
#[test]
fn a_request_of_the_wrong_shape_is_answered_and_kept() {
    let mut peer = Peer::live();
    let mut wrong = call(1);
    wrong["params"]["requestId"] = json!(2);
    assert_eq!(code(&peer.send(&wrong)), (-32602, json!(1)));
    for (id, name) in [(2, json!("2")), (3, json!(-3)), (4, json!(null))] {
        let mut wrong = call(id);
        wrong["params"]["requestId"] = name;
        assert_eq!(code(&peer.send(&wrong)), (-32602, json!(id)));
    }
    assert_eq!((peer.server.active(), peer.ids()), (4, Vec::new()));
    for id in 1..=4 {
        peer.send(&json!({"method": "http/request/consumed", "params": {"requestId": id, "offset": 0, "final": true}}));
    }
    assert_eq!(peer.server.active(), 0);
    assert!(peer.send(&call(4)).is_empty() && peer.ids().is_empty());
}

/// Proves that what comes before its time is refused or ignored, and that a refused request has not used up its id.
#[test]
fn what_comes_too_soon_has_no_effect() {
    let mut peer = Peer::new();
    assert_eq!(code(&peer.send(&call(1))), (-32600, json!(1)));
    peer.body(1, 0, b"x", false, false);
    peer.send(&json!({"method": "initialized"}));
    assert!(peer.send(&call(1)).is_empty());
    let sync = json!({"id": "s", "method": "session/sync", "params": {"requests": []}});
    assert_eq!(code(&peer.send(&sync)).0, -32600, "it was not resumed");
    peer.resume();
    assert_eq!(code(&peer.send(&call(2))), (-32600, json!(2)));
    peer.send(&json!({"method": "http/request/cancel", "params": {"requestId": 1}}));
    assert_eq!(peer.server.active(), 1, "ignored before the sync");
    let bad = json!({"id": "s", "method": "session/sync", "params": {"requests": [{"requestId": -1}]}});
    assert_eq!(code(&peer.send(&bad)), (-32602, json!("s")));
    assert_eq!(peer.send(&sync)[0]["result"]["lastRequestId"], 1);
    assert_eq!((peer.server.active(), peer.cancelled.as_slice()), (0, &[1][..]), "it was not named");
    assert_eq!(code(&peer.send(&sync)).0, -32600, "once is enough");
    assert!(peer.send(&call(2)).is_empty());
    assert_eq!(peer.ids(), [1, 2]);
}

/// Proves that a sync that names sixty thousand requests, some of them twice, is answered for each once, and that
/// claims beyond what was sent get a peer neither bytes nor room.
#[test]
fn a_sync_may_name_anything() {
    let mut peer = Peer::live();
    peer.send(&call(3));
    let (id, reply) = peer.started[0].clone();
    peer.server.head(id, reply.head(&head()));
    assert!(!peer.server.body(id, vec![0; 100_000].into()), "it is more than the window");
    peer.server.finish(id, End::Complete);
    assert_eq!(peer.says().len(), 2);
    peer.resume();
    let lie = |id| json!({"requestId": id, "headReceived": true, "received": u64::MAX, "consumed": u64::MAX});
    let many: Vec<_> = (1..=60_000_u64).chain([3, 3]).map(lie).collect();
    let said = peer.send(&json!({"id": "s", "method": "session/sync", "params": {"requests": many}}));
    let requests = said[0]["result"]["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 60_000);
    let states: Vec<_> = requests[..5].iter().map(|request| request["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["gone", "gone", "known", "new", "new"]);
    assert_eq!(
        said[1],
        json!({"body": 3, "at": 65_536, "bytes": 34_464, "end": true}),
        "it goes on where it was"
    );
    assert_eq!(said.len(), 2);
    assert_eq!(peer.server.kept_bodies(), 100_000 - WINDOW);
}

/// Proves that credit for what was never sent counts as credit for what was.
#[test]
fn consumed_beyond_what_was_sent_is_not_believed() {
    let mut peer = Peer::live();
    peer.send(&call(1));
    let (id, reply) = peer.started[0].clone();
    peer.server.head(id, reply.head(&head()));
    peer.server.body(id, vec![0; 200_000].into());
    peer.says();
    for bad in [json!(-1), json!(1.5), json!("9"), json!(null)] {
        let said =
            peer.send(&json!({"method": "http/request/consumed", "params": {"requestId": 1, "offset": bad}}));
        assert!(said.is_empty());
    }
    let said = peer
        .send(&json!({"method": "http/request/consumed", "params": {"requestId": 1, "offset": u64::MAX}}));
    assert_eq!(said, [json!({"body": 1, "at": 65_536, "bytes": 65_536, "end": false})]);
    assert_eq!(peer.server.kept_bodies(), 200_000 - WINDOW);
}

/// Proves that `final` before the head is a cancel, and that a second one and a cancel after it do nothing.
#[test]
fn final_before_the_head_is_a_cancel() {
    let mut peer = Peer::live();
    peer.send(&call(1));
    let last =
        json!({"method": "http/request/consumed", "params": {"requestId": 1, "offset": 0, "final": true}});
    assert!(peer.send(&last).is_empty());
    assert!(peer.send(&last).is_empty());
    assert!(peer.send(&json!({"method": "http/request/cancel", "params": {"requestId": 1}})).is_empty());
    let (id, reply) = peer.started[0].clone();
    peer.server.head(id, reply.head(&head()));
    peer.server.body(id, vec![0; 100].into());
    peer.server.finish(id, End::Complete);
    assert!(peer.says().is_empty());
    assert_eq!((peer.cancelled.as_slice(), peer.server.active(), peer.server.ignored()), (&[1][..], 0, 2));
}

/// Proves that an upload that breaks its rules fails alone, at once, with an error that names the fault and blames the
/// orchestrator, and never seems to be whole; what merely repeats, and what follows the end, is skipped (cases 177, 180).
#[test]
fn upload_that_breaks_its_rules_fails_alone() {
    type Messages = &'static [(u64, &'static str, bool, bool)];
    let whole = Some(Ok(()));
    let fails = |why: &str| Some(Err(why.to_owned()));
    let length = |bytes| fails(&format!("the body is not of the length that was announced: {bytes} bytes"));
    type Case = (Value, Messages, &'static str, Option<Result<(), String>>);
    let cases: [Case; 14] = [
        (json!(3), &[(0, "abc", true, false)], "abc", whole.clone()),
        (
            json!(null),
            &[(0, "ab", false, false), (1, "bc", true, false), (0, "abc", true, false)],
            "abc",
            whole.clone(),
        ),
        (json!(null), &[(0, "a", true, false), (1, "", true, true)], "a", whole.clone()),
        (json!(null), &[(0, "a", true, false), (1, "b", false, false)], "a", whole.clone()),
        (json!(null), &[(0, "a", true, false), (9, "b", true, false)], "a", whole.clone()),
        (json!(1), &[(0, "a", true, false), (0, "ab", true, false)], "a", whole.clone()),
        (json!(null), &[(2, "a", true, false)], "", fails("body bytes are missing before offset 2")),
        (
            json!(null),
            &[(u64::MAX >> 1, "", true, false)],
            "",
            fails("body bytes are missing before offset 9223372036854775807"),
        ),
        (
            json!(null),
            &[(0, "abc", false, false), (0, "a", true, false)],
            "abc",
            fails("the body ends at offset 1, after 3 bytes of it have come"),
        ),
        (json!(2), &[(0, "abc", false, false)], "", length(2)),
        (json!(4), &[(0, "abc", true, false)], "", length(4)),
        (
            json!(null),
            &[(0, "abc", false, false), (3, "{}", true, true)],
            "abc",
            fails("the request body was aborted"),
        ),
        (json!(null), &[(5, "", true, true)], "", fails("body bytes are missing before offset 5")),
        (json!(null), &[(0, "abc", false, false)], "abc", None),
    ];
    let mut peer = Peer::live();
    for (id, (length, messages, bytes, end)) in (1..).zip(cases) {
        peer.send(&upload(id, length.clone()));
        let mut said = Vec::new();
        for (offset, payload, is_end, abort) in messages {
            said.extend(peer.body(id, *offset, payload.as_bytes(), *is_end, *abort));
        }
        let is_breach =
            matches!(&end, Some(Err(why)) if why.starts_with("body bytes") || why.starts_with("the body"));
        if is_breach {
            let [answer] = &said[..] else { panic!("{messages:?}: {said:?}") };
            let error = &answer["error"];
            let why = end.clone().unwrap().unwrap_err();
            assert_eq!(
                (&error["code"], error["message"].as_str()),
                (&json!(-32602), Some(&*format!("http/request body is invalid: {why}")))
            );
            let data = json!({"kind": "invalid_request", "blame": "caller", "retry": "no", "phase": "request", "detail": "request_body"});
            assert_eq!(error["data"], data);
            assert!(peer.cancelled.contains(&id), "what performs it ends");
        } else {
            assert!(said.is_empty(), "{messages:?}: {said:?}");
        }
        let (got, how) = peer.upload(id);
        // What came before the breach may have been read or not.
        assert!(bytes.starts_with(&got), "{messages:?}: {got}");
        assert_eq!(how, end, "{length} {messages:?}");
        let again = peer.upload(id).1;
        assert_eq!(again, end, "{messages:?}: it ends otherwise when it is read again");
        // That its end has been read before what follows it makes no difference.
        peer.body(id, 50, b"late", true, false);
        if end.is_some() {
            assert_eq!(peer.upload(id).1, end, "{messages:?}");
        }
        peer.send(&json!({"method": "http/request/cancel", "params": {"requestId": id}}));
    }
    assert!(peer.broken.is_none());
}

/// Proves that an upload beyond its window fails, that one nobody announced or wants is ignored, and that a body of the
/// wrong kind closes the connection.
#[test]
fn what_nobody_asked_for_is_not_kept() {
    let mut peer = Peer::live();
    peer.send(&upload(1, json!(null)));
    peer.body(1, 0, &vec![b'x'; WINDOW as usize], false, false);
    peer.body(1, WINDOW, b"x", false, false);
    assert_eq!(
        peer.upload(1).1,
        Some(Err(
            "the body overruns its window: bytes before offset 65536 may be sent, and some before 65537 came"
                .to_owned()
        ))
    );
    peer.send(&call(2));
    peer.body(2, 0, b"x", true, false);
    peer.body(9, 0, b"x", true, false);
    assert_eq!(peer.server.ignored(), 2);
    assert!(peer.broken.is_none());
    let kind = BodyKind::Response;
    let payload = Bytes::new();
    peer.server.handle_body(BodyMessage {
        kind,
        end: true,
        abort: false,
        trailers: false,
        request_id: 1,
        offset: 0,
        payload,
    });
    peer.says();
    assert!(peer.broken.is_some());
}

/// Proves that a client that acknowledges nothing is refused beyond the limit, and in the end cut off.
#[test]
fn a_client_that_acknowledges_nothing_is_cut_off() {
    let mut peer = Peer::live();
    for id in 1..=16 {
        let said = peer.send(&call(id));
        assert_eq!(said.len(), usize::from(id > 4), "{id}");
        assert!(said.iter().all(|answer| answer["error"]["data"]["kind"] == "overloaded"));
        assert!(peer.broken.is_none());
    }
    peer.send(&call(17));
    assert!(peer.broken.is_some());
    assert_eq!((peer.ids().len(), peer.server.active()), (4, 16));
}

/// Proves that what was owed about requests that are forgotten is not owed any more.
#[test]
fn nothing_is_owed_about_what_is_forgotten() {
    let mut peer = Peer::live();
    for id in 1..=1000 {
        peer.server.handle(peer.now, decode(&call(id).to_string()));
        while let Some(event) = peer.server.poll_event() {
            if let ServerEvent::Start { call, reply, .. } = event {
                peer.server.head(call, reply.head(&head()));
                peer.server.body(call, vec![0; 100].into());
            }
        }
        assert!(peer.server.owed() > 0 && peer.server.has_output());
        let cancel = json!({"method": "http/request/cancel", "params": {"requestId": id}});
        peer.server.handle(peer.now, decode(&cancel.to_string()));
        assert_eq!((peer.server.owed(), peer.server.kept_bodies()), (0, 0));
        assert!(!peer.server.has_output(), "nothing stays in line");
    }
}

/// Proves that origins that wait since their session keeps too much go on as soon as it does not, and each of them as soon
/// as its own consumer has taken nearly everything.
#[test]
fn origins_that_wait_for_the_session_all_go_on() {
    let mut peer = Peer::live();
    for id in 1..=4 {
        peer.send(&call(id));
        let (call, reply) = peer.started[id as usize - 1].clone();
        peer.server.head(call, reply.head(&head()));
        while peer.server.body(call, vec![0; 10_000].into()) {}
    }
    assert_eq!(
        peer.server.kept_bodies(),
        2 * 70_000 + 2 * 40_000,
        "two windows, and two that are kept short"
    );
    peer.says();
    let mut go_on = |id: u64| -> Vec<u64> {
        let told = json!({"method": "http/request/consumed", "params": {"requestId": id, "offset": 40_000}});
        peer.server.handle(peer.now, decode(&told.to_string()));
        let events = std::iter::from_fn(|| peer.server.poll_event());
        events
            .map(|event| match event {
                ServerEvent::Writable(call) => call,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(go_on(3), [3], "its own consumer has taken everything");
    assert_eq!(go_on(1), [1]);
    assert_eq!(go_on(2), [2, 4], "now there is room for all");
}

/// Proves that of a flood of informational responses the first are kept, up to their bounds in number and in bytes, until
/// the client has the final one; and that nothing is passed on after that, or to a client that did not ask (case 129).
#[test]
fn informational_responses_are_kept_within_bounds() {
    let mut peer = Peer::live();
    let wanting = |id: u64| {
        let mut call = call(id);
        call["params"]["informational"] = json!(true);
        call
    };
    peer.send(&wanting(1));
    peer.send(&wanting(2));
    peer.send(&call(3));
    for _ in 0..100 {
        peer.server.inform(1, &Head::new(103, Vec::new()));
        peer.server.inform(2, &Head::new(103, vec![Header::new("n", vec![b'x'; 20_000])]));
        peer.server.inform(3, &Head::new(103, Vec::new()));
    }
    let said: Vec<_> =
        peer.says().iter().map(|message| message["params"]["requestId"].as_u64().unwrap()).collect();
    assert_eq!([1, 2, 3].map(|id| said.iter().filter(|said| **said == id).count()), [16, 3, 0]);
    assert!(peer.server.kept_answers() > 60_000);
    for id in 1..=3 {
        let text = peer.started.iter().find(|(call, _)| *call == id).unwrap().1.head(&head());
        peer.server.head(id, text);
        peer.server.inform(id, &Head::new(103, Vec::new()));
    }
    assert_eq!(peer.says().len(), 3, "the heads alone");
    peer.resume();
    let held = json!({"requestId": 2, "headReceived": true, "received": 0, "consumed": 0});
    let said = peer.send(&json!({"id": "s", "method": "session/sync", "params": {"requests": [held]}}));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(peer.server.kept_answers() < 1000, "{}", peer.server.kept_answers());
}

/// Proves that trailers of an upload are read once, after its bytes, and that such as cannot be read, or as come before
/// bytes that came, fail it: it never ends well without them (case 131).
#[test]
fn trailers_of_an_upload_end_it_or_fail_it() {
    let message = |offset, payload: &str, trailers| BodyMessage {
        kind: BodyKind::Request,
        end: true,
        abort: false,
        trailers,
        request_id: 1,
        offset,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    };
    for (payload, is_whole) in [
        (r#"{"trailers":[{"name":"a","value":"b"}]}"#, true),
        (r#"{"trailers":[]}"#, true),
        ("", false),
        ("[]", false),
        (r#"{"trailers":{}}"#, false),
    ] {
        let mut peer = Peer::live();
        peer.send(&upload(1, Value::Null));
        peer.body(1, 0, b"abc", false, false);
        peer.server.handle_body(message(3, payload, true));
        peer.server.handle_body(message(3, payload, true));
        let (bytes, end) = peer.upload(1);
        assert_eq!((&*bytes, end.unwrap().is_ok()), ("abc", is_whole), "{payload}");
        assert!(peer.upload(1).1.unwrap().is_ok() == is_whole, "said again: {payload}");
        assert!(peer.broken.is_none());
    }
}
