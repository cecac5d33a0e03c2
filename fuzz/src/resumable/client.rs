use super::{WINDOW, check, data, trailers};
use afield_exchange::{OnInformational, Request, RequestBody, Trailers};
use afield_protocol::{
    client::{HeadPoll, decode},
    resumable::{
        BodyMessage, CallText, ClientConfig, ClientEvent, Drained, End, INFORMATIONAL, ResumableClient,
        Transmit,
    },
    wire::Features,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The orchestrator's end.
pub struct Client {
    machine: ResumableClient,
    now: Instant,
    /// Requests that have not ended, and whether they have been answered.
    calls: BTreeMap<u64, bool>,
    broken: bool,
    /// Nothing can be written.
    stuck: bool,
}

impl Client {
    pub fn new() -> Self {
        let config = ClientConfig {
            window_bytes: WINDOW,
            server_window_bytes: WINDOW,
            body_message_bytes: 64,
            features: Features::ALL,
            ends_uploads: true,
        };
        let machine = ResumableClient::new(config);
        Self { machine, now: Instant::now(), calls: BTreeMap::new(), broken: false, stuck: false }
    }

    pub fn take(&mut self, line: &[u8]) {
        match line {
            [b'{', ..] => self.machine.handle(decode(&Bytes::copy_from_slice(line))),
            [1 | 2, ..] => {
                if let Ok(body) = BodyMessage::decode(&Bytes::copy_from_slice(line)) {
                    self.machine.handle_body(body);
                }
            }
            b"l" => self.machine.detach(),
            b"a" => {
                self.machine.attach();
                self.broken = false;
            }
            b"c" if self.calls.len() < 8 => self.call(),
            b"w" => self.each(|client, id| {
                if client.machine.upload_room(id) == Drained::Room {
                    client.machine.upload(id, Bytes::from_static(&[7; 90]));
                }
            }),
            b"e" => self.each(|client, id| client.machine.finish_upload(id, End::Complete)),
            b"T" => self.each(|client, id| client.machine.finish_upload(id, trailers())),
            b"f" => self.each(|client, id| client.machine.finish_upload(id, End::Abort(Bytes::new()))),
            b"r" => self.each(Self::read),
            b"x" => self.each(|client, id| {
                client.calls.remove(&id);
                client.machine.cancel(id);
            }),
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

    fn call(&mut self) {
        let mut request = Request::new("PUT", "http://h/");
        if self.calls.len() % 2 == 1 {
            request.body = RequestBody::Bytes(vec![0; 100_000].into());
            request.trailers = Some(Trailers::new());
        }
        if self.calls.len() % 4 == 3 {
            request = request.header("expect", "100-continue");
        }
        request.on_informational = Some(OnInformational::new(|_| ()));
        let id = self.machine.call(CallText::new(&request), CallText::has_upload(&request));
        assert!(self.calls.insert(id, false).is_none(), "an id is given once");
    }

    fn each(&mut self, mut action: impl FnMut(&mut Self, u64)) {
        let ids: Vec<u64> = self.calls.keys().copied().collect();
        ids.into_iter().for_each(|id| action(self, id));
    }

    fn read(&mut self, id: u64) {
        let informed = std::iter::from_fn(|| self.machine.poll_informational(id)).count();
        assert!(informed <= INFORMATIONAL, "more informational responses than there may be");
        if !self.calls[&id] {
            match self.machine.poll_answer(self.now, id) {
                HeadPoll::Pending => return,
                HeadPoll::Failed(_) => {
                    self.calls.remove(&id);
                    return;
                }
                HeadPoll::Answer(_) => _ = self.calls.insert(id, true),
            }
        }
        let mut bytes = 0;
        while let Some(read) = self.machine.poll_body(self.now, id) {
            let Some(Ok(more)) = read else {
                self.calls.remove(&id);
                break;
            };
            bytes += data(&more);
        }
        assert!(bytes <= WINDOW, "more than a window was kept of a body");
    }

    fn transmit(&mut self) -> Option<Transmit> {
        if self.stuck { None } else { self.machine.poll_transmit() }
    }

    fn drain(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            self.broken |= matches!(event, ClientEvent::Broken(_));
        }
        while let Some(message) = self.transmit() {
            check(message);
        }
        assert!(
            self.stuck || !self.machine.is_live() || self.machine.queued() == 0,
            "all that was queued has been said"
        );
        assert_eq!(self.machine.active(), self.calls.len(), "a request ends when its caller hears of it");
        if self.broken {
            // As the shell does.
            self.machine.detach();
        }
    }

    /// A session that is lost ends every request, once.
    pub fn end(&mut self) {
        self.take(b"u");
        self.machine.lost("the end");
        self.take(b"r");
        // One whose answer has come is ended by its body, which may have a little left to be read.
        self.take(b"r");
        assert_eq!((self.machine.active(), self.machine.queued()), (0, 0), "something stays behind");
    }
}
