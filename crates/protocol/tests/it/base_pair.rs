use crate::base_server::{config, session};
use afield_exchange::{Head, Request};
use afield_protocol::{
    client::{self, BaseClient, HeadPoll},
    server::{self, BaseServer},
};
use bytes::Bytes;
use proptest::prelude::*;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What happens to a pair, one thing at a time.
#[derive(Clone, Debug)]
enum Step {
    Call,
    Body { stream: usize, length: usize },
    Finish { stream: usize },
    Cancel { stream: usize },
    Deliver { messages: usize },
    Read { stream: usize },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..6_usize;
    prop_oneof![
        1 => Just(Step::Call),
        4 => (stream.clone(), 0..2500_usize).prop_map(|(stream, length)| Step::Body { stream, length }),
        1 => stream.clone().prop_map(|stream| Step::Finish { stream }),
        1 => stream.clone().prop_map(|stream| Step::Cancel { stream }),
        3 => (1..5_usize).prop_map(|messages| Step::Deliver { messages }),
        3 => stream.prop_map(|stream| Step::Read { stream }),
        1 => (0..10_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

#[derive(Default)]
struct Stream {
    at_server: Option<server::CallId>,
    at_client: Option<client::CallId>,
    sent: Vec<u8>,
    received: Vec<u8>,
    finished: bool,
    cancelled: bool,
    ended: bool,
    answered: bool,
}

const INITIALIZE: &str = r#"{"id":1,"method":"initialize","params":{"clientName":"t"}}"#;

fn text(outgoing: server::Outgoing) -> Bytes {
    match outgoing.encode() {
        server::Encoded::Text(text) => text,
        server::Encoded::Body(_) => panic!("a body message in the base dialect"),
    }
}

struct Pair {
    now: Instant,
    server: BaseServer,
    client: BaseClient,
    streams: Vec<Stream>,
    by_call: HashMap<server::CallId, usize>,
}

impl Pair {
    fn new() -> Self {
        let mut session = session();
        session.environment_info.capabilities.http_request_cancel = true;
        let connected = serde_json::from_value(serde_json::to_value(&session).unwrap()).unwrap();
        let mut pair = Self {
            now: Instant::now(),
            server: BaseServer::new(config()),
            client: BaseClient::new(&connected),
            streams: Vec::new(),
            by_call: HashMap::new(),
        };
        pair.server.handle(pair.now, server::decode(INITIALIZE));
        pair.act();
        let _ = pair.server.poll_transmit(pair.now);
        pair.deliver(usize::MAX);
        pair
    }

    fn deliver(&mut self, mut messages: usize) {
        loop {
            let before = messages;
            if messages > 0
                && let Some(out) = self.client.poll_transmit()
            {
                messages -= 1;
                self.server.handle(self.now, server::decode(std::str::from_utf8(&out).unwrap()));
            }
            self.act();
            if messages > 0
                && let Some(out) = self.server.poll_transmit(self.now)
            {
                messages -= 1;
                self.client.handle(client::decode(&text(out)));
            }
            self.act();
            while self.client.poll_event().is_some() {}
            if messages == before {
                return;
            }
        }
    }

    fn act(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                server::Event::Initialize { id, .. } => self.server.accept(&id, &session()),
                server::Event::Start { call, request, reply, .. } => {
                    let stream: usize = request.url.rsplit('/').next().unwrap().parse().unwrap();
                    self.streams[stream].at_server = Some(call);
                    self.by_call.insert(call, stream);
                    self.server.head(call, reply.head(&Head::new(200, Vec::new())));
                }
                server::Event::Cancel(call) => self.streams[self.by_call[&call]].cancelled = true,
                server::Event::Writable(_) => {}
                event => panic!("{event:?} in the base dialect"),
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Call => {
                if self.streams.len() < 4 {
                    let call = self.client.reserve();
                    let url = format!("http://h/{}", self.streams.len());
                    self.client.call(call, BaseClient::encode(call, &Request::get(url), true), true);
                    self.streams.push(Stream { at_client: Some(call), ..Stream::default() });
                }
            }
            Step::Body { stream, length } => {
                let Some(stream) = self.streams.get_mut(stream) else { return };
                if let (Some(call), false, false) = (stream.at_server, stream.finished, stream.cancelled) {
                    let bytes: Vec<u8> = (0..length).map(|n| (n + stream.sent.len()) as u8).collect();
                    stream.sent.extend_from_slice(&bytes);
                    self.server.body(self.now, call, Bytes::from(bytes));
                }
            }
            Step::Finish { stream } => {
                let Some(stream) = self.streams.get_mut(stream) else { return };
                if let (Some(call), false) = (stream.at_server, stream.cancelled) {
                    stream.finished = true;
                    self.server.finish(self.now, call);
                }
            }
            Step::Cancel { stream } => {
                if let Some(call) = self.streams.get_mut(stream).and_then(|stream| stream.at_client.take()) {
                    self.client.cancel(call);
                }
            }
            Step::Deliver { messages } => self.deliver(messages),
            Step::Read { stream } => self.read(stream),
            Step::Wait { millis } => {
                self.now += Duration::from_millis(millis);
                self.server.handle_timeout(self.now);
            }
        }
    }

    fn read(&mut self, stream: usize) {
        let Some(stream) = self.streams.get_mut(stream) else { return };
        let Some(call) = stream.at_client else { return };
        if !stream.answered {
            match self.client.poll_answer(call) {
                HeadPoll::Pending => return,
                HeadPoll::Answer(_) => stream.answered = true,
                HeadPoll::Failed(error) => panic!("{error}"),
            }
        }
        while let Some(read) = self.client.poll_body(call) {
            match read {
                Some(Ok(bytes)) => stream.received.extend_from_slice(&bytes),
                Some(Err(error)) => panic!("{error}"),
                None => {
                    stream.ended = true;
                    stream.at_client = None;
                    return;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Proves that whatever happens to a pair of machines, every stream is delivered as an exact prefix, whole if it
    /// ends cleanly, and that nothing of an ended or cancelled stream stays behind.
    #[test]
    fn every_stream_is_an_exact_prefix_and_nothing_stays_behind(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
            for stream in &pair.streams {
                prop_assert!(stream.sent.starts_with(&stream.received));
            }
        }
        for stream in 0..pair.streams.len() {
            pair.deliver(usize::MAX);
            pair.step(&Step::Finish { stream });
        }
        pair.step(&Step::Wait { millis: 5 });
        pair.deliver(usize::MAX);
        for stream in 0..pair.streams.len() {
            pair.read(stream);
        }
        pair.deliver(usize::MAX);
        for stream in &pair.streams {
            prop_assert!(stream.at_client.is_none(), "a stream never ended");
            prop_assert!(!stream.ended || stream.sent == stream.received);
        }
        prop_assert_eq!((pair.server.active(), pair.server.owed(), pair.client.active()), (0, 0, 0));
        prop_assert_eq!(pair.server.poll_timeout(), None);
    }
}
