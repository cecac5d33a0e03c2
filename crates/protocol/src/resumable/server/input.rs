use super::{Call, Hold, Incoming, Informational, ResumableServer, ServerEvent, Stage};
use crate::{
    RpcError,
    error::{INVALID_PARAMS, INVALID_REQUEST},
    json::RpcId,
    resumable::{BodyKind, BodyMessage, Consumed, GREATEST_ID, ReceiveWindow, SendWindow},
    server::{Inbound, Reply},
    wire::{CallParams, RequestName, response, response_error},
};
use afield_exchange::{Error, Phase, RequestBody, detail};
use bytes::Bytes;
use std::time::Instant;

impl ResumableServer {
    /// Takes one decoded text message.
    pub fn handle(&mut self, now: Instant, inbound: Inbound) {
        match (inbound, self.stage) {
            (_, Stage::Detached) => self.ignored += 1,
            (Inbound::Initialize { id, .. }, _) => {
                self.refuse(&id, INVALID_REQUEST, "initialize may only be sent once per connection");
            }
            (Inbound::Initialized, Stage::Answered { resumed }) => {
                self.stage = if resumed { Stage::Unsynced } else { Stage::Live };
            }
            (Inbound::Refused { id, error }, _) => self.say(response_error(&id, &error)),
            (Inbound::EnvironmentInfo { id }, _) => {
                let info = response(&id, 512, |out| out.json(&self.config.environment));
                self.say(info);
            }
            (Inbound::EnvironmentStatus { id }, _) => {
                self.say(response(&id, 32, |out| out.raw(b"{\"status\":\"ready\"}")));
            }
            (Inbound::ConfigRead { id, params }, _) => match self.questions.ask(&id, params) {
                Ok(paths) => self.events.push_back(ServerEvent::ConfigRead { id, paths }),
                Err(error) => self.say(response_error(&id, &error)),
            },
            (Inbound::Sync { id, params }, Stage::Unsynced) => self.sync(now, &id, params),
            (Inbound::Sync { id, .. }, _) => {
                self.refuse(&id, INVALID_REQUEST, "session/sync is sent once, after a session was resumed");
            }
            (Inbound::Call { id, params }, Stage::Live) => self.call(id, params),
            (Inbound::Call { id, .. }, Stage::Answered { .. }) => {
                self.refuse(&id, INVALID_REQUEST, "client must send initialized before using http methods");
            }
            (Inbound::Call { id, .. }, Stage::Unsynced) => {
                self.refuse(&id, INVALID_REQUEST, "client must send session/sync before using http methods");
            }
            (Inbound::Consumed(consumed), Stage::Live) => self.consumed(consumed),
            (Inbound::Cancel { request_id: RequestName::Number(call) }, Stage::Live) => self.forget(call),
            _ => self.ignored += 1,
        }
    }

    /// Takes a text that is not even UTF-8.
    pub fn handle_malformed(&mut self) {
        self.refuse(&RpcId::NONE, INVALID_REQUEST, "the message is not UTF-8");
    }

    /// Takes one binary message. Whether it breaks the connection does not depend on what else is under way.
    pub fn handle_body(&mut self, message: BodyMessage) {
        if message.kind != BodyKind::Request {
            return self.events.push_back(ServerEvent::Broken("an orchestrator sends request bodies only"));
        }
        if message.payload.len() > self.config.body_message_bytes {
            return self.events.push_back(ServerEvent::Broken("a body message is over bodyMessageBytes"));
        }
        if self.stage != Stage::Live {
            self.ignored += 1;
            return;
        }
        let call = message.request_id;
        let Some(upload) = self.calls.get_mut(&call).and_then(|call| call.upload.as_mut()) else {
            self.ignored += 1;
            return;
        };
        if !upload.wanted || upload.broken.is_some() {
            return;
        }
        match upload.window.receive(message) {
            Ok(true) => self.events.push_back(ServerEvent::UploadReadable(call)),
            Ok(false) => {}
            Err(broken) => {
                let error =
                    Error::invalid(detail::REQUEST_BODY, broken.to_string()).with_phase(Phase::Request);
                upload.broken = Some(error.clone());
                self.events.push_back(ServerEvent::UploadReadable(call));
                self.stop(call, &error);
            }
        }
    }

    /// Answers a question of [`ServerEvent::ConfigRead`], unless the connection that asked is gone.
    pub fn reply(&mut self, id: &RpcId, text: Bytes) {
        if self.questions.answer(id) {
            self.say(text);
        }
    }

    /// Says what is due to be said.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, call)) = self.say_by.first().copied() {
            if due > now {
                break;
            }
            self.say_by.pop_first();
            self.said.insert(call);
        }
    }

    fn call(&mut self, id: RpcId, params: Result<Box<CallParams>, RpcError>) {
        let RpcId::Integer(number) = id else {
            return self.refuse(
                &id,
                INVALID_REQUEST,
                "the id of http/request must be its requestId, a whole number",
            );
        };
        let Some(call) = u64::try_from(number).ok().filter(|call| (1..=GREATEST_ID).contains(call)) else {
            return self.refuse(&id, INVALID_REQUEST, "the id of http/request must be from 1 to 2^53-1");
        };
        if call <= self.last_request {
            // It came before, and was or is answered; a repeated id never executes.
            self.ignored += 1;
            return;
        }
        self.last_request = call;
        let held = Call {
            informational: Informational::default(),
            answer: None,
            running: false,
            keep: None,
            body: SendWindow::new(self.config.client_window_bytes).within(self.config.share.clone()),
            trailers: 0,
            upload: None,
            owed: false,
            turn: None,
            blocked: false,
            starved: None,
        };
        if self.calls.len() >= 4 * self.config.session_requests {
            return self.events.push_back(ServerEvent::Broken("too many answers are unacknowledged"));
        }
        self.calls.insert(call, held);
        let admitted = params.and_then(|params| match params.request_id {
            RequestName::Number(name) if name == call => {
                self.admit().map(|()| params).map_err(|error| RpcError::from_error(&error))
            }
            _ => Err(RpcError::new(INVALID_PARAMS, "requestId must be the id of the request")),
        });
        match admitted {
            Ok(params) => self.start(call, *params),
            Err(error) => self.answer(call, response_error(&id, &error)),
        }
    }

    fn admit(&self) -> Result<(), Error> {
        let limit = self.config.session_requests;
        if self.calls.len() > limit {
            return Err(Error::overloaded(format!(
                "{limit} requests are active in this session, the most there may be"
            )));
        }
        if self.kept_answers > self.config.session_head_bytes {
            return Err(Error::overloaded("too many answers are unacknowledged in this session"));
        }
        Ok(())
    }

    fn start(&mut self, call: u64, params: CallParams) {
        let CallParams { mut request, upload, informational, .. } = params;
        let Some(held) = self.calls.get_mut(&call) else { return };
        held.running = true;
        held.informational.wanted = informational;
        held.keep = request.keep;
        if let Some(upload) = upload {
            request.body = RequestBody::Empty;
            let window =
                ReceiveWindow::new(self.config.window_bytes, upload.length).within(self.config.share.clone());
            let hold = if upload.hold && self.config.features.hold { Hold::Held } else { Hold::Never };
            held.upload = Some(Incoming { window, wanted: true, broken: None, hold });
        }
        let reply = Reply::resumable(call);
        self.events.push_back(ServerEvent::Start {
            call,
            request: Box::new(request),
            upload,
            informational,
            reply,
        });
    }

    fn consumed(&mut self, consumed: Consumed) {
        let Consumed { request_id: call, offset, is_final } = consumed;
        if is_final {
            return self.forget(call);
        }
        let Some(held) = self.calls.get_mut(&call) else {
            self.ignored += 1;
            return;
        };
        self.kept_bodies -= held.body.taken(offset);
        if offset > 0 {
            // It has the final head.
            self.kept_answers -= held.informational.clear();
        }
        self.schedule(call);
        self.unblock(call);
        self.feed();
    }

    pub(super) fn refuse(&mut self, id: &RpcId, code: i64, message: &'static str) {
        self.say(response_error(id, &RpcError::new(code, message)));
    }
}
