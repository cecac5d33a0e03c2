use super::{WINDOW, counts::Counts, wire::Message};
use afield_protocol::resumable::BodyMessage;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Largest body message of these sessions.
pub const PAYLOAD: usize = 700;

/// Watches the wire between the two ends, and knows nothing of them: that nobody sends beyond its credit, out of order,
/// out of turn, or what the other has.
#[derive(Default)]
pub struct Observer {
    responses: BTreeMap<u64, Stream>,
    uploads: BTreeMap<u64, Stream>,
    /// Uploads that are held back: nothing of them may be sent.
    held: BTreeSet<u64>,
    /// Requests whose heads have reached the client, ever.
    heads: BTreeSet<u64>,
    /// On this connection.
    here: Here,
}

#[derive(Default)]
struct Here {
    resumed: bool,
    client_may_speak: bool,
    server_may_speak: bool,
    last_request: u64,
    heads: BTreeSet<u64>,
    first: bool,
}

/// One body.
#[derive(Default)]
struct Stream {
    /// What its sender knows to be taken.
    taken: u64,
    /// Where it goes on.
    next: u64,
    ended: bool,
    /// How far it has come to its receiver.
    received: u64,
}

impl Observer {
    /// A connection, for a session that begins or for one that goes on.
    pub fn connected(&mut self, resumed: bool) {
        self.here = Here {
            resumed,
            client_may_speak: !resumed,
            server_may_speak: !resumed,
            first: true,
            ..Here::default()
        };
        for stream in self.responses.values_mut().chain(self.uploads.values_mut()) {
            stream.ended = false;
        }
    }

    /// How far this response has come to the client.
    pub fn received(&self, id: u64) -> u64 {
        self.responses.get(&id).map_or(0, |stream| stream.received)
    }

    /// What of this response the server knows to be taken.
    pub fn taken(&self, id: u64) -> u64 {
        self.responses.get(&id).map_or(0, |stream| stream.taken)
    }

    /// What of this upload the client knows to be taken.
    pub fn upload_taken(&self, id: u64) -> u64 {
        self.uploads.get(&id).map_or(0, |stream| stream.taken)
    }

    pub fn client_sends(&mut self, message: &Message) {
        let text = match message {
            Message::Body(body) => {
                assert!(!self.held.contains(&body.request_id), "{}: not asked for", body.request_id);
                return send(&mut self.uploads, body, self.here.client_may_speak);
            }
            Message::Text(text) => text,
        };
        let json: Value = serde_json::from_slice(text).unwrap();
        match json["method"].as_str() {
            Some("initialized") => assert!(std::mem::take(&mut self.here.first), "initialized is first"),
            Some("session/sync") => assert!(self.here.resumed && !self.here.client_may_speak, "sync, once"),
            Some("http/request") => {
                let id = json["id"].as_u64().unwrap();
                assert_eq!(json["params"]["requestId"], id);
                assert!(id > self.here.last_request, "request {id} out of order");
                self.here.last_request = id;
                assert!(self.here.client_may_speak, "request {id} before the sync was answered");
                // Sent for the first time, or because it never arrived.
                self.uploads.insert(id, Stream::default());
                if json["params"]["body"]["hold"] == true {
                    self.held.insert(id);
                }
            }
            Some("http/request/consumed" | "http/request/cancel") => {
                assert!(self.here.client_may_speak, "{text:?} before the sync was answered");
            }
            other => panic!("the client says {other:?}"),
        }
    }

    pub fn server_gets(&mut self, message: &Message) {
        let text = match message {
            Message::Body(body) => return get(&mut self.uploads, body),
            Message::Text(text) => text,
        };
        let json: Value = serde_json::from_slice(text).unwrap();
        let params = &json["params"];
        match json["method"].as_str() {
            Some("http/request/consumed") => {
                let stream = self.responses.entry(number(&params["requestId"])).or_default();
                stream.taken = stream.taken.max(number(&params["offset"]));
            }
            Some("session/sync") => {
                for request in params["requests"].as_array().unwrap() {
                    let stream = self.responses.entry(number(&request["requestId"])).or_default();
                    stream.taken = stream.taken.max(number(&request["consumed"]));
                    stream.next = number(&request["received"]);
                    stream.ended = false;
                }
            }
            _ => {}
        }
    }

    pub fn server_sends(&mut self, message: &Message) {
        let text = match message {
            Message::Body(body) => {
                let id = body.request_id;
                assert!(
                    self.here.heads.contains(&id) || self.heads.contains(&id),
                    "{id}: a body before its head"
                );
                return send(&mut self.responses, body, self.here.server_may_speak);
            }
            Message::Text(text) => text,
        };
        let json: Value = serde_json::from_slice(text).unwrap();
        if let Some(id) = json["id"].as_u64().filter(|id| *id > 0) {
            assert!(self.here.server_may_speak, "answer {id} before the sync was answered");
            assert!(self.here.heads.insert(id), "answer {id} twice on one connection");
            assert!(!self.heads.contains(&id), "answer {id}, which the client has");
        } else if json["method"] == "http/request/informational" {
            let id = number(&json["params"]["requestId"]);
            assert!(self.here.server_may_speak, "{text:?} before the sync was answered");
            let is_late = self.here.heads.contains(&id) || self.heads.contains(&id);
            assert!(!is_late, "{id}: an informational response behind the final one");
        } else if json["method"] == "http/request/consumed" {
            assert!(self.here.server_may_speak, "{text:?} before the sync was answered");
        } else if json["id"].as_str().is_some_and(|id| id.starts_with("sync-")) {
            self.here.server_may_speak = true;
        }
    }

    pub fn client_gets(&mut self, message: &Message, counts: &mut Counts) {
        let text = match message {
            Message::Body(body) => return get(&mut self.responses, body),
            Message::Text(text) => text,
        };
        let json: Value = serde_json::from_slice(text).unwrap();
        if json["method"] == "http/request/consumed" {
            let id = number(&json["params"]["requestId"]);
            counts.uploads_asked_for += u64::from(self.held.remove(&id));
            let stream = self.uploads.entry(id).or_default();
            stream.taken = stream.taken.max(number(&json["params"]["offset"]));
        } else if let Some(id) = json["id"].as_u64().filter(|id| *id > 0) {
            self.heads.insert(id);
        } else if json["id"].is_string() {
            self.here.client_may_speak = true;
            for request in json["result"]["requests"].as_array().unwrap() {
                self.synced(request, counts);
            }
        }
    }

    fn synced(&mut self, request: &Value, counts: &mut Counts) {
        let id = number(&request["requestId"]);
        let upload = self.uploads.entry(id).or_default();
        upload.taken = upload.taken.max(number(&request["bodyConsumed"]));
        upload.next = number(&request["bodyReceived"]);
        upload.ended = false;
        let received = self.responses.get(&id).map_or(0, |stream| stream.received);
        match request["state"].as_str().unwrap() {
            "new" => counts.resumed_as_new += 1,
            "gone" => counts.resumed_gone += 1,
            _ if !self.heads.contains(&id) => counts.resumed_before_head += 1,
            _ if received > 0 => counts.resumed_mid_body += 1,
            _ => {}
        }
        counts.resumed_mid_upload += u64::from(upload.next > 0);
    }
}

fn send(streams: &mut BTreeMap<u64, Stream>, body: &BodyMessage, may_speak: bool) {
    let id = body.request_id;
    assert!(may_speak, "{id}: a body before the sync was answered");
    let stream = streams.entry(id).or_default();
    assert_eq!(body.offset, stream.next, "{id}: a body that does not go on where it was");
    assert!(!stream.ended, "{id}: a body goes on after its end");
    assert!(!(body.abort || body.trailers) || body.end, "{id}: an abort is an end, and trailers are");
    stream.ended = body.end;
    if !body.abort && !body.trailers {
        assert!(body.payload.len() <= PAYLOAD, "{id}: a large body message");
        stream.next += body.payload.len() as u64;
        assert!(stream.next <= stream.taken + WINDOW, "{id}: sent beyond its credit");
    }
}

fn get(streams: &mut BTreeMap<u64, Stream>, body: &BodyMessage) {
    if !body.abort && !body.trailers {
        let stream = streams.entry(body.request_id).or_default();
        stream.received = stream.received.max(body.offset + body.payload.len() as u64);
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
