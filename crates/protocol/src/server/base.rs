use super::{
    CallId, Event, Inbound, Outgoing, Reply,
    questions::Questions,
    stream::{Ready, Stream, Turn},
};
use crate::{
    RpcError,
    error::INVALID_REQUEST,
    json::RpcId,
    wire::{
        CallParams, EnvironmentInfo, InitializeParams, InitializeResult, RequestName, method, response,
        response_error,
    },
};
use afield_exchange::{Error, Request, RequestBody, VersionPreference, detail};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    time::Instant,
};

/// What a connection's machine needs to know.
#[derive(Clone, Debug)]
pub struct BaseServerConfig {
    /// Active calls.
    pub session_requests: usize,
    /// Body bytes in one delta.
    pub body_message_bytes: usize,
    /// Answers owed; beyond it the connection is not read and bodies wait.
    pub queued_bytes: usize,
    /// A request body.
    pub request_body_bytes: usize,
    /// The answer to `environment/info`.
    pub environment: EnvironmentInfo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before `initialize`.
    New,
    /// `initialize` is being decided.
    Deciding,
    /// `initialize` has been answered.
    Answered,
    /// `initialized` has come.
    Ready,
}

#[derive(Debug)]
struct Call {
    id: RpcId,
    request_id: Box<str>,
    /// For a streamed call, its body, from the head on.
    stream: Option<Stream>,
    streamed: bool,
}

/// Something that waits for its turn behind the control messages.
#[derive(Debug)]
enum Waiting {
    Stream(CallId),
    /// A whole answer that is too large to go ahead of others.
    Answer(Bytes),
}

/// Whole answers up to this size go with the control messages; larger ones take turns with bodies.
const SMALL: usize = 64 * 1024;

/// The executor's end of one connection in the base dialect: which calls are active, what is owed, in which order it
/// goes out. Sans I/O: feed it [`handle`](Self::handle) and [`handle_timeout`](Self::handle_timeout), then drain
/// [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit) and arm
/// [`poll_timeout`](Self::poll_timeout).
///
/// A stream's head always goes out before its first delta, its ids are free before its last frame is written, and it
/// has exactly one last frame.
#[derive(Debug)]
pub struct BaseServer {
    config: BaseServerConfig,
    stage: Stage,
    next: u64,
    calls: BTreeMap<CallId, Call>,
    ids: HashSet<RpcId>,
    streams: HashMap<Box<str>, CallId>,
    control: VecDeque<Bytes>,
    turns: VecDeque<Waiting>,
    coalescing: BTreeSet<(Instant, CallId)>,
    blocked: VecDeque<CallId>,
    owed: usize,
    events: VecDeque<Event>,
    /// What the connection has asked that is not yet answered.
    questions: Questions,
    ignored: u64,
}

impl BaseServer {
    /// A connection on which nothing has been said.
    pub fn new(config: BaseServerConfig) -> Self {
        Self {
            config,
            stage: Stage::New,
            next: 0,
            calls: BTreeMap::new(),
            ids: HashSet::new(),
            streams: HashMap::new(),
            control: VecDeque::new(),
            turns: VecDeque::new(),
            coalescing: BTreeSet::new(),
            blocked: VecDeque::new(),
            owed: 0,
            events: VecDeque::new(),
            questions: Questions::default(),
            ignored: 0,
        }
    }

    // --- getters

    /// Whether the connection should be read: not while `initialize` is being decided, and not while more is owed
    /// to it than `queued_bytes`.
    pub fn wants_input(&self) -> bool {
        self.stage != Stage::Deciding && self.owed <= self.config.queued_bytes
    }

    /// Whether `initialize` has been answered with a session.
    pub fn is_initialized(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::Ready)
    }

    /// Calls that have been started and not ended.
    pub fn active(&self) -> usize {
        self.calls.len()
    }

    /// Questions about the executor that are not yet answered.
    pub fn questions(&self) -> usize {
        self.questions.open()
    }

    /// Bytes of answers that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Whether something waits to be taken by [`poll_transmit`](Self::poll_transmit), now or once it is due. The last
    /// frame of a stream counts, though it owes no bytes.
    pub fn has_output(&self) -> bool {
        !(self.control.is_empty() && self.turns.is_empty() && self.coalescing.is_empty())
    }

    /// Messages that were ignored: unknown notifications, answers to nothing.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    // --- input

    /// Takes one decoded message.
    pub fn handle(&mut self, now: Instant, inbound: Inbound) {
        match inbound {
            Inbound::Initialize { id, params } => self.initialize(id, params),
            Inbound::Initialized if self.stage == Stage::Answered => self.stage = Stage::Ready,
            Inbound::Initialized | Inbound::Ignored => self.ignored += 1,
            Inbound::Refused { id, error } => self.say(response_error(&id, &error)),
            Inbound::EnvironmentInfo { id } => {
                if self.may_call(&id, "environment info") {
                    let info = response(&id, 512, |out| out.json(&self.config.environment));
                    self.say(info);
                }
            }
            Inbound::EnvironmentStatus { id } => {
                if self.may_call(&id, "environment status") {
                    self.say(response(&id, 32, |out| out.raw(b"{\"status\":\"ready\"}")));
                }
            }
            Inbound::ConfigRead { id, params } => {
                if self.may_call(&id, "environment config") {
                    match self.questions.ask(&id, params) {
                        Ok(paths) => self.events.push_back(Event::ConfigRead { id, paths }),
                        Err(error) => self.say(response_error(&id, &error)),
                    }
                }
            }
            Inbound::Call { id, params } => {
                if self.may_call(&id, "http") {
                    match params {
                        Ok(params) => self.call(id, *params),
                        Err(error) => self.say(response_error(&id, &error)),
                    }
                }
            }
            Inbound::Cancel { request_id: RequestName::Text(request_id) } => self.cancel(now, &request_id),
            Inbound::Sync { id, .. } => {
                self.say(response_error(&id, &RpcError::method_not_found(method::SYNC)))
            }
            Inbound::Cancel { .. } | Inbound::Consumed(_) => self.ignored += 1,
        }
    }

    /// Takes a text that is not even UTF-8.
    pub fn handle_malformed(&mut self) {
        self.say(response_error(&RpcId::NONE, &RpcError::new(INVALID_REQUEST, "the message is not UTF-8")));
    }

    /// Lets waiting deltas go whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, call)) = self.coalescing.first().copied() {
            if due > now {
                break;
            }
            self.coalescing.pop_first();
            if let Some(stream) = self.calls.get_mut(&call).and_then(|call| call.stream.as_mut()) {
                stream.waiting = None;
            }
            self.schedule(now, call);
        }
    }

    fn initialize(&mut self, id: RpcId, params: Result<InitializeParams, RpcError>) {
        if self.stage != Stage::New {
            let error = RpcError::new(INVALID_REQUEST, "initialize may only be sent once per connection");
            return self.say(response_error(&id, &error));
        }
        match params {
            Ok(params) => {
                self.stage = Stage::Deciding;
                self.events.push_back(Event::Initialize { id, params });
            }
            Err(error) => self.say(response_error(&id, &error)),
        }
    }

    fn may_call(&mut self, id: &RpcId, what: &str) -> bool {
        let missing = match self.stage {
            Stage::Ready => return true,
            Stage::New | Stage::Deciding => "client must call initialize before using",
            Stage::Answered => "client must send initialized before using",
        };
        self.say(response_error(id, &RpcError::new(INVALID_REQUEST, format!("{missing} {what} methods"))));
        false
    }

    fn call(&mut self, id: RpcId, params: CallParams) {
        let CallParams { mut request, request_id, streamed, upload, .. } = params;
        // Only afield/1 has these.
        request.connect_timeout = None;
        request.http_version = VersionPreference::Auto;
        let (RequestName::Text(request_id), None) = (request_id, upload) else {
            let error = Error::invalid(
                detail::PARAMS,
                "requestId must be a string, and the body inline, in this dialect",
            );
            return self.say(response_error(&id, &RpcError::from_error(&error)));
        };
        if self.ids.contains(&id) {
            // Under the message's own id the answer would end the first call, which has done nothing wrong.
            let error = RpcError::new(INVALID_REQUEST, "the id of the request is already active");
            return self.say(response_error(&RpcId::NONE, &error));
        }
        if let Err(error) = self.admit(&request, &request_id, streamed) {
            return self.say(response_error(&id, &RpcError::from_error(&error)));
        }
        self.next += 1;
        let call = CallId(self.next);
        if streamed {
            self.streams.insert(request_id.clone(), call);
        }
        self.ids.insert(id.clone());
        self.events.push_back(Event::Start {
            call,
            request: Box::new(request),
            streamed,
            upload: None,
            informational: false,
            reply: Reply::new(id.clone(), request_id.clone()),
        });
        self.calls.insert(call, Call { id, request_id, stream: None, streamed });
    }

    fn admit(&self, request: &Request, request_id: &str, streamed: bool) -> Result<(), Error> {
        if streamed && self.streams.contains_key(request_id) {
            return Err(Error::invalid(detail::REQUEST_ID, request_id.to_owned()));
        }
        if self.calls.len() >= self.config.session_requests {
            let limit = self.config.session_requests;
            return Err(Error::overloaded(format!(
                "{limit} requests are active on this connection, the most there may be"
            )));
        }
        match &request.body {
            RequestBody::Bytes(body) if body.len() > self.config.request_body_bytes => {
                let (is, limit) = (body.len(), self.config.request_body_bytes);
                Err(Error::new(
                    afield_exchange::Kind::TooLarge,
                    afield_exchange::Blame::Caller,
                    afield_exchange::Retry::No,
                    format!("{is} bytes, at most {limit} are taken"),
                )
                .with_detail(detail::REQUEST_BODY))
            }
            _ => Ok(()),
        }
    }

    /// Ends every call under this name. (Buffered calls may share a name; ours never do.)
    fn cancel(&mut self, now: Instant, request_id: &str) {
        let named: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| *call.request_id == *request_id)
            .map(|(id, _)| *id)
            .collect();
        if named.is_empty() {
            self.ignored += 1;
        }
        for call in named {
            self.stop(now, call, &Error::cancelled());
        }
        self.unblock();
    }

    /// Ends every call with this error, as a cancel does: what of a body has not gone out is forgotten.
    pub fn stop_all(&mut self, now: Instant, error: &Error) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.stop(now, call, error);
        }
        self.unblock();
    }

    fn stop(&mut self, now: Instant, call: CallId, error: &Error) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        if let Some(stream) = &mut entry.stream {
            if stream.is_ended() {
                return;
            }
            self.owed -= stream.discard();
        }
        self.events.push_back(Event::Cancel(call));
        self.fail(now, call, error);
    }

    // --- the session's decision

    /// Answers `initialize` with a session.
    pub fn accept(&mut self, id: &RpcId, result: &InitializeResult) {
        debug_assert_eq!(self.stage, Stage::Deciding, "only a pending initialize is answered");
        self.stage = Stage::Answered;
        self.say(response(id, 1024, |out| out.json(result)));
    }

    /// Answers `initialize` with an error. It may be tried again.
    pub fn reject(&mut self, id: &RpcId, error: &RpcError) {
        debug_assert_eq!(self.stage, Stage::Deciding, "only a pending initialize is answered");
        self.stage = Stage::New;
        self.say(response_error(id, error));
    }

    // --- answers

    /// Answers a question of [`Event::ConfigRead`].
    pub fn reply(&mut self, id: &RpcId, text: Bytes) {
        if self.questions.answer(id) {
            self.say(text);
        }
    }

    /// Answers a buffered call, whole; `text` is what [`Reply::answer`] wrote. Ends it.
    pub fn answer(&mut self, call: CallId, text: Bytes) {
        if self.end(call).is_some() {
            if text.len() <= SMALL {
                self.say(text);
            } else {
                self.owed += text.len();
                self.turns.push_back(Waiting::Answer(text));
            }
        }
    }

    /// Sends the head of a streamed call; `text` is what [`Reply::head`] wrote.
    pub fn head(&mut self, call: CallId, text: Bytes) {
        if let Some(entry) = self.calls.get_mut(&call) {
            debug_assert!(entry.streamed && entry.stream.is_none(), "one head, of a streamed call");
            entry.stream = Some(Stream::default());
            self.say(text);
        }
    }

    /// Adds to the body of a streamed call. Returns whether there is room for more; if not, [`Event::Writable`] says
    /// when there is. A call that was cancelled has room for anything.
    pub fn body(&mut self, now: Instant, call: CallId, bytes: Bytes) -> bool {
        let Some(stream) = self.calls.get_mut(&call).and_then(|call| call.stream.as_mut()) else {
            return true;
        };
        self.owed += stream.push(bytes);
        let room = Self::has_room(&self.config, self.owed, stream);
        if !room && !stream.blocked {
            stream.blocked = true;
            self.blocked.push_back(call);
        }
        self.schedule(now, call);
        room
    }

    /// Ends the body of a streamed call cleanly, after what is pending.
    pub fn finish(&mut self, now: Instant, call: CallId) {
        if let Some(stream) = self.calls.get_mut(&call).and_then(|call| call.stream.as_mut()) {
            stream.finish(None);
            self.schedule(now, call);
        }
    }

    /// Ends a call with an error: its answer before the head, the last frame of its body after it.
    pub fn fail(&mut self, now: Instant, call: CallId, error: &Error) {
        match self.calls.get_mut(&call).map(|call| call.stream.as_mut()) {
            Some(Some(stream)) => {
                stream.finish(Some(error.message().to_owned()));
                self.schedule(now, call);
            }
            Some(None) => {
                if let Some(entry) = self.end(call) {
                    self.say(response_error(&entry.id, &RpcError::from_error(error)));
                }
            }
            None => {}
        }
    }

    fn end(&mut self, call: CallId) -> Option<Call> {
        let entry = self.calls.remove(&call)?;
        self.ids.remove(&entry.id);
        if entry.streamed {
            self.streams.remove(&entry.request_id);
        }
        if let Some(due) = entry.stream.as_ref().and_then(|stream| stream.waiting) {
            self.coalescing.remove(&(due, call));
        }
        Some(entry)
    }

    // --- output

    /// The next thing to be done.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message to be sent: control first, then one message of each body in turn.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing> {
        if let Some(text) = self.control.pop_front() {
            self.owed -= text.len();
            self.unblock();
            return Some(Outgoing::Text(text));
        }
        while let Some(turn) = self.turns.pop_front() {
            let sent = match turn {
                Waiting::Answer(text) => {
                    self.owed -= text.len();
                    Some(Outgoing::Text(text))
                }
                Waiting::Stream(call) => self.take_turn(now, call),
            };
            if sent.is_some() {
                self.unblock();
                return sent;
            }
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.coalescing.first().map(|(due, _)| *due)
    }

    fn take_turn(&mut self, now: Instant, call: CallId) -> Option<Outgoing> {
        let entry = self.calls.get_mut(&call)?;
        let stream = entry.stream.as_mut()?;
        stream.queued = false;
        match stream.take(now, self.config.body_message_bytes)? {
            Turn::Delta { seq, pieces, bytes } => {
                let request_id = entry.request_id.clone();
                self.owed -= bytes;
                self.schedule(now, call);
                Some(Outgoing::Delta { request_id, seq, pieces })
            }
            Turn::End { seq, error } => {
                let entry = self.end(call)?;
                Some(Outgoing::End { request_id: entry.request_id, seq, error })
            }
        }
    }

    fn say(&mut self, text: Bytes) {
        self.owed += text.len();
        self.control.push_back(text);
    }

    /// Puts a stream where it belongs: in the queue of turns, or among those that wait for company.
    fn schedule(&mut self, now: Instant, call: CallId) {
        let Some(stream) = self.calls.get_mut(&call).and_then(|call| call.stream.as_mut()) else { return };
        if stream.queued {
            return;
        }
        let ready = stream.ready(now, self.config.body_message_bytes);
        if let (Ready::Now, Some(due)) = (&ready, stream.waiting.take()) {
            self.coalescing.remove(&(due, call));
        }
        match ready {
            Ready::Now => {
                stream.queued = true;
                self.turns.push_back(Waiting::Stream(call));
            }
            Ready::At(due) if stream.waiting.is_none() => {
                stream.waiting = Some(due);
                self.coalescing.insert((due, call));
            }
            Ready::At(_) | Ready::Never => {}
        }
    }

    /// A stream may hold two deltas: one to go, one to be gathered meanwhile. All together stay below what may be owed.
    fn has_room(config: &BaseServerConfig, owed: usize, stream: &Stream) -> bool {
        stream.pending_bytes() < 2 * config.body_message_bytes && owed < config.queued_bytes
    }

    fn unblock(&mut self) {
        for _ in 0..self.blocked.len() {
            if self.owed >= self.config.queued_bytes {
                return;
            }
            let Some(call) = self.blocked.pop_front() else { return };
            let Some(stream) = self.calls.get_mut(&call).and_then(|call| call.stream.as_mut()) else {
                continue;
            };
            if Self::has_room(&self.config, self.owed, stream) {
                stream.blocked = false;
                self.events.push_back(Event::Writable(call));
            } else {
                self.blocked.push_back(call);
            }
        }
    }
}
