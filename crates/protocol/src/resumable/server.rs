use super::{
    BodyKind, BodyMessage, Consumed, End, LEAST_KEPT, ReceiveWindow, RequestState, SendWindow, SyncParams,
    SyncResult, SyncedRequest,
};
use crate::{
    RpcError,
    error::{INVALID_PARAMS, INVALID_REQUEST},
    json::RpcId,
    server::{Inbound, Reply},
    wire::{
        CallParams, EnvironmentInfo, InitializeResult, RequestName, method, notification, response,
        response_error,
    },
};
use afield_exchange::{Blame, Error, Kind, Phase, Request, RequestBody, Retry, detail};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    time::Instant,
};

/// What a session's machine needs to know.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Active requests: those whose answer has not been acknowledged.
    pub session_requests: usize,
    /// Body bytes in one message.
    pub body_message_bytes: usize,
    /// Answers owed; beyond it the connection is not read.
    pub queued_bytes: usize,
    /// This end's window for each request body.
    pub window_bytes: u64,
    /// The client's window for each response body.
    pub client_window_bytes: u64,
    /// Response bodies kept; beyond it each stream keeps [`LEAST_KEPT`].
    pub session_body_bytes: u64,
    /// Results and errors kept; beyond it new requests are refused.
    pub session_head_bytes: usize,
    /// The answer to `environment/info`.
    pub environment: EnvironmentInfo,
}

/// What the machine wants done. Requests are named by their ids.
#[derive(Debug)]
pub enum ServerEvent {
    /// Perform this request, then answer it exactly once, unless it is cancelled before.
    Start {
        /// The request's id.
        call: u64,
        /// The request. If it has an upload its body is empty: the bytes are read by [`ResumableServer::read_upload`].
        request: Box<Request>,
        /// Whether, and of which announced length, its body follows.
        upload: Option<crate::wire::Upload>,
        /// Writes the answer.
        reply: Reply,
    },
    /// The request is forgotten: its answer is acknowledged, or nobody wants it. If it is still performed, that is to stop.
    Cancel(u64),
    /// The response body of this request has room again.
    Writable(u64),
    /// There is more of this request's upload to be read.
    UploadReadable(u64),
    /// The peer breaks the protocol: close the connection.
    Broken(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No connection.
    Detached,
    /// `initialize` has been answered.
    Answered { resumed: bool },
    /// `initialized` has come; nothing about requests is said or heard before `session/sync`.
    Unsynced,
    /// Everything may be said.
    Live,
}

#[derive(Debug)]
struct Call {
    /// The result or the error, kept until it is acknowledged.
    answer: Option<Bytes>,
    /// Whether somebody still performs it.
    running: bool,
    body: SendWindow,
    upload: Option<Incoming>,
    /// Whether it stands in the queue of turns.
    queued: bool,
    /// Whether whoever fills the body waits for room.
    blocked: bool,
}

#[derive(Debug)]
struct Incoming {
    window: ReceiveWindow,
    /// Whether the request still wants its body.
    wanted: bool,
    /// Why the body cannot be made whole.
    broken: Option<Error>,
}

/// The executor's end of a session in afield/1. It outlives its connections: while none is attached, requests go on and
/// their answers are kept. Sans I/O: feed it [`handle`](Self::handle), [`handle_body`](Self::handle_body) and
/// [`handle_timeout`](Self::handle_timeout), then drain [`poll_event`](Self::poll_event) and
/// [`poll_transmit`](Self::poll_transmit) and arm [`poll_timeout`](Self::poll_timeout).
///
/// A request id executes at most once: ids only grow, and one that came before is never started again.
#[derive(Debug)]
pub struct ResumableServer {
    config: ServerConfig,
    stage: Stage,
    attempt: u64,
    last_request: u64,
    calls: BTreeMap<u64, Call>,
    control: VecDeque<Bytes>,
    answers: VecDeque<u64>,
    turns: VecDeque<u64>,
    /// Uploads about which the client is to be told.
    said: BTreeSet<u64>,
    say_by: BTreeSet<(Instant, u64)>,
    blocked: VecDeque<u64>,
    kept_bodies: u64,
    kept_answers: usize,
    owed: usize,
    events: VecDeque<ServerEvent>,
    ignored: u64,
}

impl ResumableServer {
    /// A session to which no connection is attached yet.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            stage: Stage::Detached,
            attempt: 0,
            last_request: 0,
            calls: BTreeMap::new(),
            control: VecDeque::new(),
            answers: VecDeque::new(),
            turns: VecDeque::new(),
            said: BTreeSet::new(),
            say_by: BTreeSet::new(),
            blocked: VecDeque::new(),
            kept_bodies: 0,
            kept_answers: 0,
            owed: 0,
            events: VecDeque::new(),
            ignored: 0,
        }
    }

    // --- getters

    /// Whether the connection should be read: not while more is owed to it than `queued_bytes`.
    pub fn wants_input(&self) -> bool {
        self.owed <= self.config.queued_bytes
    }

    /// Bytes of answers that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Whether something waits to be taken by [`poll_transmit`](Self::poll_transmit).
    pub fn has_output(&self) -> bool {
        let about_requests = !(self.said.is_empty()
            && self.answers.is_empty()
            && self.turns.is_empty()
            && self.say_by.is_empty());
        !self.control.is_empty() || (self.stage == Stage::Live && about_requests)
    }

    /// Requests that are held: performed, or answered and not yet acknowledged.
    pub fn active(&self) -> usize {
        self.calls.len()
    }

    /// Bytes of response bodies that are kept.
    pub fn kept_bodies(&self) -> u64 {
        self.kept_bodies
    }

    /// Messages that were ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The greatest request id that ever arrived.
    pub fn last_request(&self) -> u64 {
        self.last_request
    }

    // --- connections

    /// Attaches a connection and answers its `initialize`. An attempt lower than one already seen is refused: it is an
    /// older connection that comes late. The machine forgets what it owed the connection before.
    pub fn attach(&mut self, id: &RpcId, attempt: u64, result: &InitializeResult) -> Result<(), RpcError> {
        let resumed = result.resumed == Some(true);
        if resumed && attempt < self.attempt {
            return Err(RpcError::new(INVALID_REQUEST, "session resumed by another connection"));
        }
        self.attempt = attempt;
        self.detach();
        self.stage = Stage::Answered { resumed };
        self.say(response(id, 1024, |out| out.json(result)));
        Ok(())
    }

    /// The connection is gone. Requests go on.
    pub fn detach(&mut self) {
        self.stage = Stage::Detached;
        self.control.clear();
        self.answers.clear();
        self.turns.clear();
        self.said.clear();
        self.owed = 0;
        for call in self.calls.values_mut() {
            call.queued = false;
        }
    }

    // --- input

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

    /// Takes one binary message.
    pub fn handle_body(&mut self, message: BodyMessage) {
        if self.stage != Stage::Live {
            self.ignored += 1;
            return;
        }
        if message.kind != BodyKind::Request {
            return self.events.push_back(ServerEvent::Broken("an orchestrator sends request bodies only"));
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
                upload.broken =
                    Some(Error::invalid(detail::REQUEST_BODY, broken.to_string()).with_phase(Phase::Request));
                self.events.push_back(ServerEvent::UploadReadable(call));
            }
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
        let Some(call) = u64::try_from(number).ok().filter(|call| *call > 0) else {
            return self.refuse(&id, INVALID_REQUEST, "the id of http/request must be greater than 0");
        };
        if call <= self.last_request {
            // It came before, and was or is answered; a repeated id never executes.
            self.ignored += 1;
            return;
        }
        self.last_request = call;
        let held = Call {
            answer: None,
            running: false,
            body: SendWindow::new(self.config.client_window_bytes),
            upload: None,
            queued: false,
            blocked: false,
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
        let CallParams { mut request, upload, .. } = params;
        let Some(held) = self.calls.get_mut(&call) else { return };
        held.running = true;
        if let Some(upload) = upload {
            request.body = RequestBody::Empty;
            let window = ReceiveWindow::new(self.config.window_bytes, upload.length);
            held.upload = Some(Incoming { window, wanted: true, broken: None });
        }
        let reply = Reply::resumable(call);
        self.events.push_back(ServerEvent::Start { call, request: Box::new(request), upload, reply });
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
        self.schedule(call);
        self.unblock();
    }

    /// Lets go of a request: its answer is acknowledged, or nobody wants it any more.
    fn forget(&mut self, call: u64) {
        let Some(mut held) = self.calls.remove(&call) else {
            self.ignored += 1;
            return;
        };
        self.kept_bodies -= held.body.clear();
        self.kept_answers -= held.answer.as_ref().map_or(0, Bytes::len);
        self.said.remove(&call);
        self.events.push_back(ServerEvent::Cancel(call));
        self.unblock();
    }

    fn sync(&mut self, now: Instant, id: &RpcId, params: Result<SyncParams, RpcError>) {
        let params = match params {
            Ok(params) => params,
            Err(error) => return self.say(response_error(id, &error)),
        };
        let named: HashSet<u64> = params.requests.iter().map(|request| request.request_id).collect();
        let unnamed: Vec<u64> = self.calls.keys().filter(|call| !named.contains(call)).copied().collect();
        for call in unnamed {
            self.forget(call);
        }
        self.stage = Stage::Live;
        let mut requests = Vec::with_capacity(params.requests.len());
        let mut seen = HashSet::new();
        for asked in params.requests {
            let call = asked.request_id;
            if !seen.insert(call) {
                continue;
            }
            let mut synced = SyncedRequest {
                request_id: call,
                state: RequestState::New,
                body_received: 0,
                body_consumed: 0,
            };
            if let Some(held) = self.calls.get_mut(&call) {
                synced.state = RequestState::Known;
                self.kept_bodies -= held.body.taken(asked.consumed);
                held.body.resume(asked.received);
                if let Some(upload) = &mut held.upload {
                    synced.body_received = upload.window.received();
                    synced.body_consumed = upload.window.say();
                    if !upload.wanted {
                        self.said.insert(call);
                    }
                }
                if let (Some(answer), false) = (&held.answer, asked.head_received) {
                    self.owed += answer.len();
                    self.answers.push_back(call);
                }
                self.schedule(call);
            } else if call <= self.last_request {
                synced.state = RequestState::Gone;
            }
            requests.push(synced);
        }
        let result = SyncResult { last_request_id: self.last_request, requests };
        self.say(response(id, 64 + 96 * result.requests.len(), |out| out.json(&result)));
        self.handle_timeout(now);
        self.unblock();
    }

    fn refuse(&mut self, id: &RpcId, code: i64, message: &'static str) {
        self.say(response_error(id, &RpcError::new(code, message)));
    }

    // --- answers

    /// Answers a request whole, with what [`Reply::answer`] or [`Reply::error`] wrote.
    pub fn answer(&mut self, call: u64, text: Bytes) {
        let Some(held) = self.calls.get_mut(&call) else { return };
        held.running = false;
        self.head(call, text);
    }

    /// Sends the head of an answer whose body follows, or of one that is whole.
    pub fn head(&mut self, call: u64, text: Bytes) {
        let Some(held) = self.calls.get_mut(&call) else { return };
        debug_assert!(held.answer.is_none(), "a request has one answer");
        self.kept_answers += text.len();
        if self.stage == Stage::Live {
            self.owed += text.len();
            self.answers.push_back(call);
        }
        held.answer = Some(text);
    }

    /// Adds to the response body. Returns whether there is room for more; if not, [`ServerEvent::Writable`] says when
    /// there is. A request that was cancelled has room for anything.
    pub fn body(&mut self, call: u64, bytes: Bytes) -> bool {
        let Some(held) = self.calls.get_mut(&call) else { return true };
        let before = held.body.length();
        held.body.push(bytes);
        self.kept_bodies += held.body.length() - before;
        let room = has_room(&self.config, self.kept_bodies, held);
        if !room && !held.blocked {
            held.blocked = true;
            self.blocked.push_back(call);
        }
        self.schedule(call);
        room
    }

    /// Ends the response body.
    pub fn finish(&mut self, call: u64, end: End) {
        if let Some(held) = self.calls.get_mut(&call) {
            held.running = false;
            held.body.finish(end);
            self.schedule(call);
        }
    }

    /// Ends a request with an error: its answer before the head, an abort of its body after it.
    pub fn fail(&mut self, call: u64, error: &Error) {
        let Some(held) = self.calls.get(&call) else { return };
        if held.answer.is_none() {
            self.answer(call, Reply::resumable(call).error(error));
        } else {
            let error = serde_json::to_vec(&RpcError::from_error(error)).unwrap_or_default();
            self.finish(call, End::Abort(error.into()));
        }
    }

    /// Ends every request that is performed with this error.
    pub fn stop_all(&mut self, error: &Error) {
        let running: Vec<u64> =
            self.calls.iter().filter(|(_, held)| held.running).map(|(call, _)| *call).collect();
        for call in running {
            self.events.push_back(ServerEvent::Cancel(call));
            self.fail(call, error);
        }
    }

    // --- uploads

    /// The next of a request's upload: `None` while there is nothing, `Some(None)` at the clean end, an error if the
    /// upload failed. A request that was cancelled has nothing.
    pub fn read_upload(&mut self, now: Instant, call: u64) -> Option<Option<Result<Bytes, Error>>> {
        let upload = self.calls.get_mut(&call)?.upload.as_mut()?;
        if let Some(broken) = &upload.broken {
            return Some(Some(Err(broken.clone())));
        }
        let read = upload.window.read(now)?;
        if upload.window.should_say(now) {
            self.said.insert(call);
        } else if let Some(by) = upload.window.say_by() {
            self.say_by.insert((by, call));
        }
        Some(read.map(|read| {
            read.map_err(|error| match serde_json::from_slice::<RpcError>(&error) {
                Ok(error) => error.into_error(),
                Err(_) => {
                    Error::new(Kind::Cancelled, Blame::Caller, Retry::Unknown, "the request body was aborted")
                        .with_detail(detail::REQUEST_BODY)
                        .with_phase(Phase::Request)
                }
            })
        }))
    }

    /// The request wants no more of its upload: the origin has answered without it, or the exchange has failed.
    pub fn drop_upload(&mut self, call: u64) {
        if let Some(upload) = self.calls.get_mut(&call).and_then(|call| call.upload.as_mut())
            && upload.wanted
        {
            upload.wanted = false;
            upload.window.clear();
            self.said.insert(call);
        }
    }

    // --- output

    /// The next thing to be done.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// The next message to be sent: control, then answers, then one message of each body in turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(text) = self.control.pop_front() {
            self.owed -= text.len();
            return Some(Transmit::Text(text));
        }
        if self.stage != Stage::Live {
            return None;
        }
        while let Some(call) = self.said.pop_first() {
            if let Some(text) = self.consumed_text(call) {
                return Some(Transmit::Text(text));
            }
        }
        while let Some(call) = self.answers.pop_front() {
            let answer = self.calls.get(&call).and_then(|held| held.answer.clone());
            if let Some(text) = answer {
                self.owed = self.owed.saturating_sub(text.len());
                return Some(Transmit::Text(text));
            }
        }
        self.owed = 0;
        while let Some(call) = self.turns.pop_front() {
            let most = self.config.body_message_bytes;
            let Some(held) = self.calls.get_mut(&call) else { continue };
            held.queued = false;
            let Some(segment) = held.body.take(most) else { continue };
            self.schedule(call);
            return Some(Transmit::Body(segment.into_message(BodyKind::Response, call)));
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stage == Stage::Live { self.say_by.first().map(|(by, _)| *by) } else { None }
    }

    fn consumed_text(&mut self, call: u64) -> Option<Bytes> {
        let upload = self.calls.get_mut(&call)?.upload.as_mut()?;
        let consumed = Consumed { request_id: call, offset: upload.window.say(), is_final: !upload.wanted };
        Some(notification(method::CONSUMED, 64, |out| out.json(&consumed)))
    }

    fn say(&mut self, text: Bytes) {
        self.owed += text.len();
        self.control.push_back(text);
    }

    fn schedule(&mut self, call: u64) {
        if self.stage != Stage::Live {
            return;
        }
        if let Some(held) = self.calls.get_mut(&call)
            && !held.queued
            && held.body.has_segment()
        {
            held.queued = true;
            self.turns.push_back(call);
        }
    }

    fn unblock(&mut self) {
        for _ in 0..self.blocked.len() {
            let Some(call) = self.blocked.pop_front() else { return };
            let Some(held) = self.calls.get_mut(&call) else { continue };
            if has_room(&self.config, self.kept_bodies, held) {
                held.blocked = false;
                self.events.push_back(ServerEvent::Writable(call));
            } else {
                self.blocked.push_back(call);
            }
        }
    }
}

/// A stream may keep its window; when the session's bodies are over their common limit, only a little.
fn has_room(config: &ServerConfig, kept: u64, held: &Call) -> bool {
    if kept < config.session_body_bytes { held.body.room() > 0 } else { held.body.kept() < LEAST_KEPT }
}

/// A message to the peer.
#[derive(Debug)]
pub enum Transmit {
    /// JSON text.
    Text(Bytes),
    /// A piece of a body.
    Body(BodyMessage),
}
