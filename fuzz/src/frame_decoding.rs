//! What arrives at an executor, line by line, is decoded strictly and answered exactly once.

use crate::environment::{environment, session};
use afield_exchange::{Error, Limits};
use afield_protocol::{
    client,
    json::{self, Envelope},
    server::{self, BaseServer, BaseServerConfig, CallId, Encoded, Event, Outgoing},
};
use bytes::Bytes;
use std::{collections::HashSet, time::Instant};

const HANDSHAKE: [&[u8]; 2] =
    [br#"{"id":0,"method":"initialize","params":{"clientName":"fuzz"}}"#, br#"{"method":"initialized"}"#];

/// Each line of `data` is one message. They are given to both ends' decoders, then to an executor's connection that has
/// said nothing yet, and to one that is past its handshake.
///
/// # Panics
///
/// When a message that is not JSON is taken for one, when a call is answered not at all or twice, or when an answer is
/// not itself a message.
pub fn frame_decoding(data: &[u8]) {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        decode_as_both_ends(line);
    }
    converse(&lines);
    converse(&[HANDSHAKE.as_slice(), &lines].concat());
}

fn decode_as_both_ends(line: &[u8]) {
    client::decode(&Bytes::copy_from_slice(line));
    let Ok(text) = std::str::from_utf8(line) else { return };
    server::decode(text);
    if json::decode(text).is_ok() {
        let value: serde_json::Value = serde_json::from_str(text).expect("what is decoded is JSON");
        assert!(value.is_object(), "what is decoded is an object");
    }
}

fn converse(lines: &[&[u8]]) {
    let mut connection = Connection::new();
    let mut owed = 0;
    for line in lines {
        owed += usize::from(wants_an_answer(line));
        connection.say(line);
    }
    connection.fail_all();
    assert_eq!(connection.answers, owed, "every call is answered exactly once");
}

fn wants_an_answer(line: &[u8]) -> bool {
    match std::str::from_utf8(line).map(json::decode) {
        Ok(Ok(Envelope::Request { .. }) | Err(_)) | Err(_) => true,
        Ok(Ok(Envelope::Notification { .. } | Envelope::Response { .. })) => false,
    }
}

struct Connection {
    server: BaseServer,
    now: Instant,
    active: HashSet<CallId>,
    answers: usize,
}

impl Connection {
    fn new() -> Self {
        let limits = Limits::default();
        let config = BaseServerConfig {
            // Few, so that inputs reach past it.
            session_requests: 2,
            body_message_bytes: limits.body_message_bytes,
            queued_bytes: limits.queued_bytes,
            request_body_bytes: limits.message_bytes,
            environment: environment(),
        };
        Self { server: BaseServer::new(config), now: Instant::now(), active: HashSet::new(), answers: 0 }
    }

    fn say(&mut self, line: &[u8]) {
        match std::str::from_utf8(line) {
            Ok(text) => self.server.handle(self.now, server::decode(text)),
            Err(_) => self.server.handle_malformed(),
        }
        self.drain();
    }

    /// Calls are left unanswered until here, so that later messages can cancel or repeat them.
    fn fail_all(&mut self) {
        for call in self.active.drain() {
            self.server.fail(self.now, call, &Error::internal("the end"));
        }
        self.drain();
        assert_eq!(self.server.active(), 0, "no call is left");
    }

    fn drain(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Initialize { id, .. } => self.server.accept(&id, &session()),
                Event::Start { call, .. } => assert!(self.active.insert(call), "a call starts once"),
                Event::Cancel(call) => assert!(self.active.remove(&call), "only an active call is cancelled"),
                Event::Writable(_) => {}
                Event::ConfigRead { id, .. } => {
                    self.server.reply(&id, afield_protocol::wire::response(&id, 2, |out| out.raw(b"{}")))
                }
                event @ (Event::UploadReadable(_) | Event::Broken(_)) => {
                    panic!("{event:?} in the base dialect")
                }
            }
        }
        while let Some(message) = self.server.poll_transmit(self.now) {
            self.check(message);
        }
    }

    fn check(&mut self, message: Outgoing) {
        let Encoded::Text(bytes) = message.encode() else { panic!("a body message in the base dialect") };
        let text = std::str::from_utf8(&bytes).expect("what is sent is UTF-8");
        match json::decode(text) {
            Ok(Envelope::Response { .. }) => self.answers += 1,
            other => panic!("an executor that performs nothing only answers: {other:?}"),
        }
    }
}
