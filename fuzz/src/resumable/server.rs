use super::{WINDOW, check, data, trailers};
use crate::environment::{environment, session};
use afield_exchange::{Buffered, Error, Head};
use afield_protocol::{
    json::RpcId,
    resumable::{BodyMessage, End, ResumableServer, ServerConfig, ServerEvent, Transmit},
    server::{Reply, decode},
    wire::Features,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

/// The executor's end.
pub struct Server {
    machine: ResumableServer,
    now: Instant,
    attempt: u64,
    origins: BTreeMap<u64, Origin>,
    started: HashSet<u64>,
    broken: bool,
    /// Nothing can be written.
    stuck: bool,
}

struct Origin {
    reply: Reply,
    answered: bool,
    /// No room for more of its body.
    blocked: bool,
}

impl Server {
    pub fn new() -> Self {
        let config = ServerConfig {
            session_requests: 4,
            body_message_bytes: 64,
            queued_bytes: 4096,
            window_bytes: WINDOW,
            client_window_bytes: WINDOW,
            session_body_bytes: 2 * WINDOW,
            session_head_bytes: 4096,
            features: Features::ALL,
            environment: environment(),
            share: None,
        };
        let mut machine = ResumableServer::new(config);
        machine.attach(&RpcId::Integer(1), 0, &session()).expect("the first attempt is not late");
        let (origins, started) = (BTreeMap::new(), HashSet::new());
        Self { machine, now: Instant::now(), attempt: 0, origins, started, broken: false, stuck: false }
    }

    pub fn take(&mut self, line: &[u8]) {
        match line {
            [b'{', ..] => match std::str::from_utf8(line) {
                Ok(text) => self.machine.handle(self.now, decode(text)),
                Err(_) => self.machine.handle_malformed(),
            },
            [1 | 2, ..] => {
                if let Ok(body) = BodyMessage::decode(&Bytes::copy_from_slice(line)) {
                    self.machine.handle_body(body);
                }
            }
            b"l" => self.machine.detach(),
            b"a" => self.attach(),
            b"w" => self.each(Self::go_on),
            b"e" => self.each(Self::finish),
            b"i" => self.each(|server, id| server.machine.inform(id, &Head::new(103, Vec::new()))),
            b"T" => self.each(|server, id| {
                if server.origins[&id].answered {
                    server.origins.remove(&id);
                    server.machine.finish(id, trailers());
                }
            }),
            b"f" => self.each(|server, id| {
                server.origins.remove(&id);
                server.machine.fail(id, &Error::internal("the origin failed"));
            }),
            b"r" => self.each(Self::read),
            b"x" => self.each(|server, id| server.machine.drop_upload(id)),
            b"b" => self.stuck = true,
            b"u" => self.stuck = false,
            b"t" => {
                self.now += Duration::from_millis(20);
                self.machine.handle_timeout(self.now);
            }
            _ => {}
        }
        self.drain();
    }

    fn attach(&mut self) {
        self.attempt += 1;
        let mut resumed = session();
        resumed.resumed = Some(true);
        self.machine.attach(&RpcId::Integer(1), self.attempt, &resumed).expect("it is the newest");
        self.broken = false;
    }

    fn each(&mut self, mut action: impl FnMut(&mut Self, u64)) {
        let ids: Vec<u64> = self.origins.keys().copied().collect();
        ids.into_iter().for_each(|id| action(self, id));
    }

    fn go_on(&mut self, id: u64) {
        let Some(origin) = self.origins.get_mut(&id) else { return };
        if !origin.answered {
            origin.answered = true;
            self.machine.head(id, origin.reply.head(&Head::new(200, Vec::new())));
        } else if !origin.blocked {
            origin.blocked = !self.machine.body(id, Bytes::from_static(&[7; 90]));
        }
    }

    fn finish(&mut self, id: u64) {
        let Some(origin) = self.origins.remove(&id) else { return };
        if origin.answered {
            return self.machine.finish(id, End::Complete);
        }
        let head = Head::new(204, Vec::new());
        self.machine.answer(id, origin.reply.answer(&Buffered::new(head, Bytes::new())));
    }

    fn read(&mut self, id: u64) {
        let mut bytes = 0;
        while let Some(Some(Ok(more))) = self.machine.read_upload(self.now, id) {
            bytes += data(&more);
        }
        assert!(bytes <= WINDOW, "more than a window was kept of an upload");
    }

    fn transmit(&mut self) -> Option<Transmit> {
        if self.stuck { None } else { self.machine.poll_transmit() }
    }

    fn drain(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                ServerEvent::Start { call, reply, .. } => {
                    assert!(self.started.insert(call), "a request starts once");
                    self.origins.insert(call, Origin { reply, answered: false, blocked: false });
                }
                ServerEvent::Cancel(call) => _ = self.origins.remove(&call),
                ServerEvent::Writable(call) => {
                    if let Some(origin) = self.origins.get_mut(&call) {
                        origin.blocked = false;
                    }
                }
                ServerEvent::UploadReadable(_) => {}
                ServerEvent::ConfigRead { id, .. } => {
                    self.machine.reply(&id, afield_protocol::wire::response(&id, 2, |out| out.raw(b"{}")));
                }
                ServerEvent::Broken(_) => self.broken = true,
            }
        }
        while let Some(message) = self.transmit() {
            check(message);
        }
        assert!(self.stuck || self.machine.owed() == 0, "all that was owed has been said");
        if self.origins.is_empty() && self.machine.active() == 0 && self.machine.owed() == 0 {
            assert!(!self.machine.has_output(), "something waits for its turn about nothing");
        }
        assert!(self.machine.active() <= 16, "too many requests are held");
        let most = self.machine.active() as u64 * (WINDOW + 90);
        assert!(self.machine.kept_bodies() <= most, "more than windows is kept");
        if self.broken {
            // As the shell does.
            self.machine.detach();
        }
    }

    /// A client that resumes and names nothing leaves nothing.
    pub fn end(&mut self) {
        self.take(b"u");
        self.take(b"l");
        self.take(b"a");
        self.take(br#"{"method":"initialized"}"#);
        self.take(br#"{"id":"end","method":"session/sync","params":{"requests":[]}}"#);
        let left = (self.machine.active(), self.machine.kept_bodies(), self.origins.len());
        assert_eq!(left, (0, 0, 0), "something stays behind");
        self.take(b"t");
        assert!(!self.machine.has_output() && self.machine.poll_timeout().is_none(), "a timer stays behind");
    }
}
