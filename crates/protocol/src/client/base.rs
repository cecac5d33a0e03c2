use super::{CallId, Connected, Event, HeadPoll, Inbound, Raw, handshake::initialized, stream::Stream};
use crate::{
    RpcError,
    json::RpcId,
    wire::{Delta, encode_call, method, notification, request},
};
use afield_exchange::{Blame, Error, Kind, Phase, Request, RequestBody, Retry};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

#[derive(Debug)]
struct Call {
    /// The message, until it is sent.
    unsent: Option<Bytes>,
    answer: Option<Result<Raw, Error>>,
    answered: bool,
    /// Its body, if it is streamed.
    stream: Option<Stream>,
}

/// Unread body bytes at which a connection that has one call and no other is not read: the executor waits, and with it
/// the origin, and nobody is hurt.
const HOLD_BACK: usize = 4 * 1024 * 1024;

/// Body bytes of one stream that may be left unread before it fails, alone: while there are others, reading never stops.
const MOST_UNREAD: usize = 16 * 1024 * 1024;

/// The orchestrator's end of one connection in the base dialect. Sans I/O: feed it [`handle`](Self::handle), then
/// drain [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit).
///
/// It sends no notification but `initialized`, and `http/request/cancel` where the executor says that it understands
/// it: others make the reference drop the connection. A stream that cannot be cancelled is abandoned: its deltas are
/// thrown away, and [`is_worn`](Self::is_worn) says that the connection should be replaced once idle.
#[derive(Debug)]
pub struct BaseClient {
    next: u64,
    connected: bool,
    can_cancel: bool,
    calls: HashMap<CallId, Call>,
    /// What goes ahead of calls.
    control: VecDeque<Bytes>,
    /// Calls that have not been sent.
    waiting: VecDeque<CallId>,
    queued: usize,
    events: VecDeque<Event>,
    /// Calls that were given up and that the executor goes on with, and whether they are streamed.
    abandoned: HashMap<CallId, bool>,
    ignored: u64,
}

impl BaseClient {
    /// A connection on which `initialize` has just been answered; its first message is `initialized`.
    pub fn new(connected: &Connected) -> Self {
        let initialized = initialized();
        Self {
            // The id before was the handshake's.
            next: 1,
            connected: true,
            can_cancel: connected.capabilities().http_request_cancel,
            calls: HashMap::new(),
            queued: initialized.len(),
            control: VecDeque::from([initialized]),
            waiting: VecDeque::new(),
            events: VecDeque::new(),
            abandoned: HashMap::new(),
            ignored: 0,
        }
    }

    // --- getters

    /// Whether calls were given up that the executor goes on with: replace the connection once idle.
    pub fn is_worn(&self) -> bool {
        !self.abandoned.is_empty()
    }

    /// Calls that have not ended.
    pub fn active(&self) -> usize {
        self.calls.len()
    }

    /// Whether this call has not ended: its answer, or the end of its body, has not been read.
    pub fn is_active(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// Whether nothing of this call has been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn is_unsent(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|call| call.unsent.is_some())
    }

    /// Whether the connection should be read. There is no credit in the base dialect: only a call that is alone may hold
    /// the executor back by leaving the connection unread.
    pub fn wants_input(&self) -> bool {
        let mut calls = self.calls.values();
        match (calls.next(), calls.next()) {
            (Some(Call { stream: Some(stream), .. }), None) => {
                stream.is_ended() || stream.unread_bytes() < HOLD_BACK
            }
            _ => true,
        }
    }

    /// Bytes of messages that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Messages that were ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    // --- calls

    /// Reserves the names of a call, so that [`encode`](Self::encode) can write it outside any lock.
    pub fn reserve(&mut self) -> CallId {
        self.next += 1;
        CallId(self.next)
    }

    /// Writes a call. The body must not be a stream.
    pub fn encode(call: CallId, http: &Request, streamed: bool) -> Bytes {
        let body = match &http.body {
            RequestBody::Bytes(body) => body.len().div_ceil(3) * 4,
            _ => 0,
        };
        let headers: usize = http.headers.iter().map(|h| h.name.len() + h.value.len() + 32).sum();
        request(&call.rpc_id(), method::HTTP_REQUEST, body + headers + http.url.len() + 256, |out| {
            encode_call(http, &call.request_id(), streamed, out);
        })
    }

    /// Starts a call; `text` is what [`encode`](Self::encode) wrote.
    pub fn call(&mut self, call: CallId, text: Bytes, streamed: bool) {
        debug_assert!(self.connected, "calls are made on a connected session");
        let stream = streamed.then(Stream::default);
        self.queued += text.len();
        self.waiting.push_back(call);
        self.calls.insert(call, Call { unsent: Some(text), answer: None, answered: false, stream });
    }

    /// The call's answer, once.
    pub fn poll_answer(&mut self, call: CallId) -> HeadPoll {
        let Some(entry) = self.calls.get_mut(&call) else {
            return HeadPoll::Failed(Error::internal("the call is unknown"));
        };
        match entry.answer.take() {
            None => HeadPoll::Pending,
            Some(Ok(raw)) => {
                if entry.stream.is_none() {
                    self.calls.remove(&call);
                }
                HeadPoll::Answer(raw)
            }
            Some(Err(error)) => {
                self.calls.remove(&call);
                HeadPoll::Failed(error)
            }
        }
    }

    /// The next of the body: `None` while there is nothing, `Some(None)` at the clean end.
    pub fn poll_body(&mut self, call: CallId) -> Option<Option<Result<Bytes, Error>>> {
        let Some(stream) = self.calls.get_mut(&call).and_then(|call| call.stream.as_mut()) else {
            return Some(None);
        };
        let read = stream.read()?;
        if !matches!(read, Some(Ok(_))) {
            self.calls.remove(&call);
        }
        Some(read)
    }

    /// Gives a call up. One that has not been sent never is; what comes for another is thrown away.
    pub fn cancel(&mut self, call: CallId) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let over = match &entry.stream {
            Some(stream) => stream.is_ended(),
            None => entry.answered,
        };
        if let Some(text) = entry.unsent.take() {
            self.queued -= text.len();
            self.waiting.retain(|waiting| *waiting != call);
        } else if !over {
            self.give_up(call);
        }
        self.calls.remove(&call);
    }

    /// Ends every call that has not been sent: it never is. What is left to be sent is control.
    pub fn withdraw(&mut self, why: &str) {
        for id in std::mem::take(&mut self.waiting) {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            self.queued -= call.unsent.take().map_or(0, |text| text.len());
            call.answered = true;
            call.answer = Some(Err(lost(Retry::Safe, why)));
            self.events.push_back(Event::Readable(id));
        }
    }

    /// Ends every call: the connection is gone. A call that was still queued was certainly not executed.
    pub fn lost(&mut self, why: &str) {
        self.withdraw(why);
        self.connected = false;
        self.queued = 0;
        self.control.clear();
        for (id, call) in &mut self.calls {
            let error = lost(Retry::Unknown, why);
            match &mut call.stream {
                Some(stream) if call.answered => stream.finish(Err(error.with_phase(Phase::Body))),
                _ if !call.answered => {
                    call.answered = true;
                    call.answer = Some(Err(error));
                }
                _ => {}
            }
            self.events.push_back(Event::Readable(*id));
        }
    }

    /// Tells the executor, where it understands it, that nobody waits for this call any more.
    fn give_up(&mut self, call: CallId) {
        if !self.connected {
            return;
        }
        if self.can_cancel {
            self.say(notification(method::CANCEL, 64, |out| {
                out.raw(b"{\"requestId\":");
                out.string(&call.request_id());
                out.raw(b"}");
            }));
        } else {
            let streamed = self.calls.get(&call).is_some_and(|entry| entry.stream.is_some());
            self.abandoned.insert(call, streamed);
        }
    }

    // --- input

    /// Takes one decoded message.
    pub fn handle(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Response { id: RpcId::Integer(id), result } => {
                self.answered(CallId(u64::try_from(id).unwrap_or_default()), result);
            }
            Inbound::Delta(delta) => self.delta(delta),
            Inbound::MalformedDelta { request_id } => self.malformed_delta(&request_id),
            Inbound::Response { .. }
            | Inbound::Consumed(_)
            | Inbound::Informational(..)
            | Inbound::Ignored => self.ignored += 1,
        }
    }

    fn answered(&mut self, call: CallId, result: Result<Raw, RpcError>) {
        match self.calls.get_mut(&call) {
            Some(entry) if !entry.answered && entry.unsent.is_none() => {
                entry.answered = true;
                entry.answer = Some(result.map_err(RpcError::into_error));
                self.events.push_back(Event::Readable(call));
            }
            _ => {
                self.ignored += 1;
                let streams_on = result.is_ok() && self.abandoned.get(&call) == Some(&true);
                if !streams_on {
                    self.abandoned.remove(&call);
                }
            }
        }
    }

    fn delta(&mut self, delta: Delta) {
        let Some(call) = CallId::of_request_id(&delta.request_id) else {
            self.ignored += 1;
            return;
        };
        if delta.done {
            self.abandoned.remove(&call);
        }
        let Some((answered, stream)) = self.open_stream(call) else {
            self.ignored += 1;
            return;
        };
        let taken = if answered {
            stream.push(delta.seq, delta.bytes, MOST_UNREAD)
        } else {
            Err(malformed("the executor sent the body before the head"))
        };
        match taken {
            Ok(()) if delta.done => stream.finish(match delta.error {
                None => Ok(()),
                Some(text) => Err(Error::of_body_text(&text)),
            }),
            Ok(()) => {}
            Err(error) => return self.fail(call, error, delta.done),
        }
        self.events.push_back(Event::Readable(call));
    }

    fn malformed_delta(&mut self, request_id: &str) {
        match CallId::of_request_id(request_id).filter(|call| self.open_stream(*call).is_some()) {
            Some(call) => {
                self.fail(call, malformed("the executor sent a body message of the wrong shape"), false)
            }
            None => self.ignored += 1,
        }
    }

    /// The stream of a call that has been sent and whose body has not ended, and whether its head has come.
    fn open_stream(&mut self, call: CallId) -> Option<(bool, &mut Stream)> {
        let entry = self.calls.get_mut(&call).filter(|entry| entry.unsent.is_none())?;
        let stream = entry.stream.as_mut().filter(|stream| !stream.is_ended())?;
        Some((entry.answered, stream))
    }

    /// Ends one stream that can no longer be made whole, and tells the executor so where it understands it.
    fn fail(&mut self, call: CallId, error: Error, over: bool) {
        if !over {
            self.give_up(call);
        }
        let Some(entry) = self.calls.get_mut(&call) else { return };
        if let Some(stream) = &mut entry.stream {
            stream.finish(Err(error.clone().with_phase(Phase::Body)));
        }
        if !entry.answered {
            entry.answered = true;
            entry.answer = Some(Err(error));
        }
        self.events.push_back(Event::Readable(call));
    }

    // --- output

    /// The next thing that has changed.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        let text = match self.control.pop_front() {
            Some(text) => text,
            None => {
                let call = self.waiting.pop_front()?;
                let entry = self.calls.get_mut(&call).expect("a call that waits to be sent has not ended");
                entry.unsent.take().expect("a call that waits to be sent has its message")
            }
        };
        self.queued -= text.len();
        Some(text)
    }

    fn say(&mut self, text: Bytes) {
        self.queued += text.len();
        self.control.push_back(text);
    }
}

impl CallId {
    fn rpc_id(self) -> RpcId {
        RpcId::Integer(i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    pub(super) fn request_id(self) -> Box<str> {
        format!("r-{}", self.0).into()
    }

    fn of_request_id(request_id: &str) -> Option<Self> {
        request_id.strip_prefix("r-")?.parse().ok().map(Self)
    }
}

fn lost(retry: Retry, why: &str) -> Error {
    Error::session_lost(retry, format!("the connection to the executor was lost: {why}"))
}

/// The executor said what the protocol does not allow. What it did is anyone's guess.
fn malformed(message: &'static str) -> Error {
    Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, message)
}
