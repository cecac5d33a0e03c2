use afield_exchange::{BodyFrame, Kind, Request, RequestBody, Retry};
use afield_protocol::{
    client::{HeadPoll, decode},
    resumable::{
        BodyKind, BodyMessage, CallText, ClientConfig, ClientEvent, Drained, ResumableClient, Transmit,
    },
    wire::Features,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Instant;

struct Peer {
    client: ResumableClient,
    now: Instant,
    broken: Option<&'static str>,
}

impl Peer {
    fn new() -> Self {
        let config = ClientConfig {
            window_bytes: 1000,
            server_window_bytes: 1000,
            body_message_bytes: 0,
            features: Features::ALL,
            ends_uploads: true,
        };
        let mut peer = Self { client: ResumableClient::new(config), now: Instant::now(), broken: None };
        peer.says();
        peer
    }

    fn call(&mut self) -> u64 {
        let request = Request::new("GET", "http://h/");
        let id = self.client.call(CallText::new(&request), false);
        self.says();
        id
    }

    fn upload(&mut self) -> u64 {
        let body = RequestBody::Bytes(vec![0; 100_000].into());
        let id = self.client.call(CallText::new(&Request::new("PUT", "http://h/").body(body)), true);
        self.client.upload(id, vec![7; 1500].into());
        self.says();
        id
    }

    fn hear(&mut self, message: &Value) -> Vec<Value> {
        self.client.handle(decode(&message.to_string().into()));
        self.says()
    }

    fn head(&mut self, id: u64) {
        self.hear(&json!({"id": id, "result": {"status": 200, "headers": [], "bodyBase64": ""}}));
    }

    fn body(&mut self, id: u64, offset: u64, payload: &str, end: bool, abort: bool) -> Vec<Value> {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let message = BodyMessage {
            kind: BodyKind::Response,
            end,
            abort,
            trailers: false,
            request_id: id,
            offset,
            payload,
        };
        self.client.handle_body(message);
        self.says()
    }

    fn says(&mut self) -> Vec<Value> {
        while let Some(event) = self.client.poll_event() {
            if let ClientEvent::Broken(why) = event {
                self.broken = Some(why);
            }
        }
        let said = std::iter::from_fn(|| self.client.poll_transmit());
        let said = said.map(|transmit| match transmit {
            Transmit::Text(text) => serde_json::from_slice(&text).unwrap(),
            Transmit::Body(body) => json!({"body": body.request_id, "at": body.offset}),
        });
        said.collect()
    }

    /// The body as it comes, and the error that it ends with, if it does.
    fn read(&mut self, id: u64) -> (usize, Option<Option<Kind>>) {
        let mut bytes = 0;
        loop {
            match self.client.poll_body(self.now, id) {
                None => return (bytes, None),
                Some(None) => return (bytes, Some(None)),
                Some(Some(Ok(BodyFrame::Data(more)))) => bytes += more.len(),
                Some(Some(Ok(BodyFrame::Trailers(_)))) => {}
                Some(Some(Err(error))) => return (bytes, Some(Some(error.kind()))),
            }
        }
    }

    fn sync(&mut self) -> Value {
        self.client.detach();
        self.client.attach();
        self.says().pop().unwrap()
    }
}

/// Proves that a body before its head fails the call, and cancels it, and no other.
#[test]
fn a_body_before_its_head_fails_its_call() {
    let mut peer = Peer::new();
    let (bad, good) = (peer.call(), peer.call());
    let said = peer.body(bad, 0, "x", false, false);
    assert_eq!(said, [json!({"method": "http/request/cancel", "params": {"requestId": bad}})]);
    let HeadPoll::Failed(error) = peer.client.poll_answer(peer.now, bad) else { panic!("it goes on") };
    assert_eq!((error.kind(), error.retry()), (Kind::OriginProtocol, Retry::Unknown));
    peer.head(good);
    peer.body(good, 0, "x", true, false);
    assert_eq!(peer.read(good), (1, Some(None)));
}

/// Proves that a body that breaks its rules fails its call alone, after the bytes that came, and never seems to be whole;
/// what merely repeats is skipped.
#[test]
fn a_body_that_breaks_its_rules_fails_its_call() {
    type Messages = &'static [(u64, &'static str, bool, bool)];
    let fails = Some(Some(Kind::OriginProtocol));
    let cases: [(Messages, usize, Option<Option<Kind>>); 9] = [
        (&[(0, "abc", true, false)], 3, Some(None)),
        (&[(0, "abc", false, false), (1, "bcd", true, false), (0, "abcd", true, false)], 4, Some(None)),
        (&[(0, "abc", true, false), (3, "{}", true, true)], 3, Some(None)),
        (&[(1, "abc", true, false)], 0, fails),
        (&[(u64::MAX >> 1, "", true, false)], 0, fails),
        (&[(0, "abc", false, false), (0, "a", true, false)], 3, fails),
        (&[(0, "abc", false, false), (3, "nonsense", true, true)], 3, fails),
        (&[(0, "abc", false, false), (9, "{}", true, true)], 3, fails),
        (&[(0, "abc", false, false)], 3, None),
    ];
    let mut peer = Peer::new();
    for (messages, bytes, end) in cases {
        let id = peer.call();
        peer.head(id);
        assert!(matches!(peer.client.poll_answer(peer.now, id), HeadPoll::Answer(_)));
        for (offset, payload, is_end, abort) in messages {
            peer.body(id, *offset, payload, *is_end, *abort);
        }
        assert_eq!(peer.read(id), (bytes, end), "{messages:?}");
        peer.client.cancel(id);
    }
    let id = peer.call();
    peer.head(id);
    peer.body(id, 0, &"x".repeat(1001), false, false);
    assert_eq!(peer.read(id).1, fails, "it is more than the window");
    peer.says();
    assert_eq!(peer.client.active(), 0);
    assert!(peer.broken.is_none());
}

/// Proves that answers and bodies about nothing are ignored, a second answer too, and that a body of the wrong kind
/// closes the connection.
#[test]
fn what_nobody_asked_for_is_ignored() {
    let mut peer = Peer::new();
    let id = peer.call();
    for nothing in [json!(0), json!(-1), json!(i64::MAX), json!("sync-0"), json!("x")] {
        peer.hear(&json!({"id": nothing, "result": {}}));
    }
    peer.body(id + 1, 0, "x", false, false);
    peer.head(id);
    peer.head(id);
    peer.hear(
        &json!({"method": "http/request/consumed", "params": {"requestId": id, "offset": 7, "final": true}}),
    );
    peer.hear(&json!({"method": "http/request/consumed", "params": {"requestId": u64::MAX, "offset": 7}}));
    peer.hear(&json!({"method": "http/request/consumed", "params": {"requestId": -1, "offset": -7}}));
    assert_eq!(peer.client.ignored(), 10);
    assert!(matches!(peer.client.poll_answer(peer.now, id), HeadPoll::Answer(_)));
    assert!(peer.broken.is_none());
    let (kind, payload) = (BodyKind::Request, Bytes::new());
    peer.client.handle_body(BodyMessage {
        kind,
        end: true,
        abort: false,
        trailers: false,
        request_id: id,
        offset: 0,
        payload,
    });
    peer.says();
    assert!(peer.broken.is_some());
}

/// Proves that nothing an executor says about a request that it cannot know has any effect.
#[test]
fn what_was_not_sent_cannot_be_answered() {
    let mut peer = Peer::new();
    peer.client.detach();
    let id = peer.upload();
    let sync = {
        peer.client.attach();
        peer.says().pop().unwrap()
    };
    peer.head(id);
    peer.body(id, 0, "x", true, false);
    peer.hear(
        &json!({"method": "http/request/consumed", "params": {"requestId": id, "offset": 7, "final": true}}),
    );
    let said = peer.hear(&json!({"id": sync["id"], "result": {"lastRequestId": 0, "requests": []}}));
    assert_eq!(said[0]["method"], "http/request");
    assert_eq!((said.len(), peer.client.queued()), (1 + 1000, 0), "and all of its body, within its credit");
    assert!(matches!(peer.client.poll_answer(peer.now, id), HeadPoll::Pending));
}

/// Proves that credit for what was never sent counts as credit for what was, and that `final` stops an upload for good,
/// a lost connection included.
#[test]
fn an_upload_is_sent_within_its_credit_and_as_long_as_it_is_wanted() {
    let mut peer = Peer::new();
    let id = peer.upload();
    assert_eq!(peer.client.upload_room(id), Drained::Full);
    let said = peer
        .hear(&json!({"method": "http/request/consumed", "params": {"requestId": id, "offset": u64::MAX}}));
    assert_eq!(said.len(), 500, "a message may be as short as the executor asks");
    peer.hear(
        &json!({"method": "http/request/consumed", "params": {"requestId": id, "offset": 0, "final": true}}),
    );
    assert_eq!(peer.client.upload_room(id), Drained::Unwanted);
    peer.client.upload(id, "more".into());
    let sync = peer.sync();
    let known = json!({"requestId": id, "state": "known", "bodyReceived": 0, "bodyConsumed": 0});
    let said = peer.hear(&json!({"id": sync["id"], "result": {"lastRequestId": id, "requests": [known]}}));
    assert_eq!(said, [] as [Value; 0], "not even an end");
}

/// Proves that an answer to the sync that is an error, of the wrong shape or impossible closes the connection.
#[test]
fn an_impossible_answer_to_the_sync_closes_the_connection() {
    for bad in [
        json!({"error": {"code": -32600, "message": "no"}}),
        json!({"result": {}}),
        json!({"result": {"lastRequestId": -1, "requests": []}}),
        json!({"result": {"lastRequestId": 1_u64 << 53, "requests": []}}),
        json!({"result": {"lastRequestId": u64::MAX, "requests": []}}),
        json!({"result": {"lastRequestId": 1, "requests": [{"requestId": 1, "state": "lost", "bodyReceived": 0, "bodyConsumed": 0}]}}),
    ] {
        let mut peer = Peer::new();
        peer.call();
        let mut answer = bad.clone();
        answer["id"] = peer.sync()["id"].clone();
        peer.hear(&answer);
        assert!(peer.broken.is_some(), "{bad}");
        assert!(!peer.client.is_live());
    }
}

/// Proves that what the answer to the sync does not name is lost, what it names without having been asked is nothing,
/// and that new ids go on above the greatest that the executor has seen.
#[test]
fn what_the_answer_to_the_sync_does_not_name_is_lost() {
    let mut peer = Peer::new();
    let (unnamed, kept) = (peer.call(), peer.call());
    let sync = peer.sync();
    let known = |id: u64| json!({"requestId": id, "state": "known", "bodyReceived": 9, "bodyConsumed": 9});
    let requests = [known(kept), known(77), known(kept)];
    let said = peer.hear(&json!({"id": sync["id"], "result": {"lastRequestId": 90, "requests": requests}}));
    assert!(said.is_empty(), "{said:?}");
    let HeadPoll::Failed(error) = peer.client.poll_answer(peer.now, unnamed) else { panic!("it goes on") };
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown));
    assert!(matches!(peer.client.poll_answer(peer.now, kept), HeadPoll::Pending));
    assert_eq!(peer.call(), 91);
    let late = peer.hear(&json!({"id": sync["id"], "result": {"lastRequestId": 0, "requests": []}}));
    assert!(late.is_empty() && peer.client.is_active(kept), "an answer that comes twice is ignored");
}

/// Proves that informational responses are taken in order, each once, up to their bounds in number and in bytes, and only
/// before the answer; that others are ignored and end nothing (case 129).
#[test]
fn informational_responses_are_bounded() {
    let hint = |id: u64, seq: u64, value: &str| {
        let headers = json!([{"name": "n", "value": value}]);
        let params = json!({"requestId": id, "seq": seq, "status": 103, "headers": headers});
        json!({"method": "http/request/informational", "params": params})
    };
    let mut peer = Peer::new();
    let (many, large) = (peer.call(), peer.call());
    for seq in [1, 2, 2, 1, 4, 3, 16, 17, u64::MAX] {
        peer.hear(&hint(many, seq, "x"));
    }
    peer.hear(&hint(77, 1, "x"));
    let heads = std::iter::from_fn(|| peer.client.poll_informational(many));
    assert_eq!(heads.count(), 4, "1, 2, 4 and 16");
    assert_eq!(peer.client.ignored(), 6);
    for seq in 1..10 {
        peer.hear(&hint(large, seq, &"x".repeat(20_000)));
    }
    assert_eq!(std::iter::from_fn(|| peer.client.poll_informational(large)).count(), 3);
    peer.head(large);
    peer.hear(&hint(large, 15, "x"));
    assert_eq!(peer.client.poll_informational(large), None);
    assert!(peer.broken.is_none());
}
