use super::{
    BodyKind, BodyMessage, CallText, Consumed, End, ReceiveWindow, RequestState, SendWindow, SyncParams,
    SyncRequest, SyncResult, Transmit,
};
use crate::{
    RpcError,
    client::{HeadPoll, Inbound, Raw, initialized},
    json::RpcId,
    wire::{method, notification, request},
};
use afield_exchange::{Blame, Error, Kind, Phase, Retry};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    time::Instant,
};

/// What a session's machine needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// This end's window for each response body.
    pub window_bytes: u64,
    /// The executor's window for each request body.
    pub server_window_bytes: u64,
    /// Body bytes in one message.
    pub body_message_bytes: usize,
}

/// What has changed. Requests are named by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The answer, more of the body or the end of this request can be read.
    Readable(u64),
    /// The upload of this request has room again, or is wanted no more.
    UploadWritable(u64),
    /// The session is in step again after a lost connection.
    Synced,
    /// The peer breaks the protocol: close the connection.
    Broken(&'static str),
}

/// How an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// There is room for more.
    Room,
    /// There is none until [`ClientEvent::UploadWritable`].
    Full,
    /// Nobody wants more of it.
    Unwanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No connection. What is asked meanwhile is queued.
    Detached,
    /// `session/sync` has been asked and not answered: nothing is said about requests.
    Syncing,
    /// Everything may be said.
    Live,
}

#[derive(Debug)]
struct Call {
    /// The request, until the executor is known to have it.
    text: Option<CallText>,
    /// Whether it may have reached the executor.
    sent: bool,
    answer: Option<Result<Raw, Error>>,
    answered: bool,
    body: ReceiveWindow,
    /// Why the body cannot be made whole, or why the call is over.
    failed: Option<Error>,
    upload: Option<SendWindow>,
    upload_wanted: bool,
    queued: bool,
}

/// The orchestrator's end of a session in afield/1. It outlives its connections: after a loss, [`attach`](Self::attach)
/// brings both ends in step and everything goes on. Sans I/O: feed it [`handle`](Self::handle),
/// [`handle_body`](Self::handle_body) and [`handle_timeout`](Self::handle_timeout), then drain
/// [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit) and arm
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct ResumableClient {
    config: ClientConfig,
    stage: Stage,
    next: u64,
    calls: BTreeMap<u64, Call>,
    /// Requests to be sent, or sent again; they go in the order of their ids.
    unsent: BTreeSet<u64>,
    control: VecDeque<Bytes>,
    turns: VecDeque<u64>,
    say_by: BTreeSet<(Instant, u64)>,
    queued: usize,
    syncs: u64,
    /// Requests in the list that is on its way.
    asked: HashSet<u64>,
    /// Those of them that are over since.
    given_up: BTreeSet<u64>,
    events: VecDeque<ClientEvent>,
    ignored: u64,
}

impl ResumableClient {
    /// A session that has just begun on a connection: `initialize` has been answered. Its first message is `initialized`.
    pub fn new(config: ClientConfig) -> Self {
        let initialized = initialized();
        Self {
            config,
            stage: Stage::Live,
            next: 0,
            calls: BTreeMap::new(),
            unsent: BTreeSet::new(),
            queued: initialized.len(),
            control: VecDeque::from([initialized]),
            turns: VecDeque::new(),
            say_by: BTreeSet::new(),
            syncs: 0,
            asked: HashSet::new(),
            given_up: BTreeSet::new(),
            events: VecDeque::new(),
            ignored: 0,
        }
    }

    // --- getters

    /// Requests that have not ended.
    pub fn active(&self) -> usize {
        self.calls.len()
    }

    /// Whether this request has not ended: its answer, or the end of its body, has not been read.
    pub fn is_active(&self, id: u64) -> bool {
        self.calls.contains_key(&id)
    }

    /// Whether nothing of this request has been sent.
    pub fn is_unsent(&self, id: u64) -> bool {
        self.calls.get(&id).is_some_and(|call| !call.sent)
    }

    /// Whether everything may be said.
    pub fn is_live(&self) -> bool {
        self.stage == Stage::Live
    }

    /// Bytes of control messages and requests that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Messages that were ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    // --- connections

    /// The connection is gone. Requests go on over there; what is asked meanwhile waits.
    pub fn detach(&mut self) {
        self.stage = Stage::Detached;
        for text in self.control.drain(..) {
            self.queued -= text.len();
        }
        self.turns.clear();
        for call in self.calls.values_mut() {
            call.queued = false;
        }
    }

    /// A connection has resumed the session: `initialize` has been answered with `resumed`. Sends `initialized` and,
    /// first of all, `session/sync`.
    pub fn attach(&mut self) {
        self.detach();
        self.stage = Stage::Syncing;
        let held: Vec<SyncRequest> = (self.calls.iter_mut())
            .filter(|(_, call)| call.sent)
            .map(|(id, call)| SyncRequest {
                request_id: *id,
                head_received: call.answered,
                received: call.body.received(),
                consumed: call.body.say(),
            })
            .collect();
        self.given_up.clear();
        self.asked = held.iter().map(|request| request.request_id).collect();
        self.syncs += 1;
        let params = SyncParams { requests: held };
        self.say(initialized());
        let room = 96 * params.requests.len() + 64;
        self.say(request(&self.sync_id(), method::SYNC, room, |out| out.json(&params)));
    }

    /// The session is gone: every request ends. What was never sent is safe to send again.
    pub fn lost(&mut self, why: &str) {
        self.detach();
        let calls: Vec<u64> = self.calls.keys().copied().collect();
        for call in calls {
            self.lose(call, why);
        }
        self.unsent.clear();
        self.queued = 0;
    }

    /// The session is to end from this side: every request ends, and the executor is told to give up those it has.
    pub fn withdraw(&mut self, why: &str) {
        let calls: Vec<u64> = self.calls.keys().copied().collect();
        for id in calls {
            let Some(call) = self.calls.get(&id) else { continue };
            if let Some(text) = call.text.as_ref().filter(|_| self.unsent.remove(&id)) {
                self.queued -= text.len();
            } else if call.sent && call.failed.is_none() && self.stage == Stage::Live {
                self.say_cancel(id);
            }
            self.lose(id, why);
        }
    }

    fn lose(&mut self, id: u64, why: &str) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let retry = if call.sent { Retry::Unknown } else { Retry::Safe };
        call.fail(Error::session_lost(retry, format!("the session with the executor was lost: {why}")));
        self.events.push_back(ClientEvent::Readable(id));
        self.events.push_back(ClientEvent::UploadWritable(id));
    }

    // --- requests

    /// Queues a request, and says its id. `upload` says whether its body follows by [`upload`](Self::upload).
    pub fn call(&mut self, text: CallText, upload: bool) -> u64 {
        self.next += 1;
        let id = self.next;
        self.queued += text.len();
        let call = Call {
            text: Some(text),
            sent: false,
            answer: None,
            answered: false,
            body: ReceiveWindow::new(self.config.window_bytes, None),
            failed: None,
            upload: upload.then(|| SendWindow::new(self.config.server_window_bytes)),
            upload_wanted: upload,
            queued: false,
        };
        self.calls.insert(id, call);
        self.unsent.insert(id);
        id
    }

    /// The request's answer, once. After a failure, or with a body that is complete, the request is over.
    pub fn poll_answer(&mut self, id: u64) -> HeadPoll {
        let Some(call) = self.calls.get_mut(&id) else {
            return HeadPoll::Failed(Error::internal("the request is unknown"));
        };
        match call.answer.take() {
            None => HeadPoll::Pending,
            Some(Ok(raw)) => HeadPoll::Answer(raw),
            Some(Err(error)) => {
                self.done(id);
                HeadPoll::Failed(error)
            }
        }
    }

    /// The next of the body: `None` while there is nothing, `Some(None)` at the clean end; an error once, then the end.
    pub fn poll_body(&mut self, now: Instant, id: u64) -> Option<Option<Result<Bytes, Error>>> {
        let Some(call) = self.calls.get_mut(&id) else { return Some(None) };
        let read = match call.body.read(now) {
            Some(Some(Ok(bytes))) => {
                if self.stage == Stage::Live && call.body.should_say(now) {
                    let consumed = Consumed { request_id: id, offset: call.body.say(), is_final: false };
                    self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
                } else if let Some(by) = call.body.say_by() {
                    self.say_by.insert((by, id));
                }
                return Some(Some(Ok(bytes)));
            }
            Some(Some(Err(error))) => Some(Err(aborted(&error))),
            Some(None) => None,
            None => match call.failed.take() {
                Some(error) => Some(Err(error)),
                None => return None,
            },
        };
        self.done(id);
        Some(read)
    }

    /// Gives a request up. What comes for it is thrown away; one that was not sent never will be.
    pub fn cancel(&mut self, id: u64) {
        let Some(call) = self.forget(id) else { return };
        match self.stage {
            Stage::Live if call.sent => self.say_cancel(id),
            // It is in the list that is on its way: the executor must hear that it no longer belongs there.
            Stage::Syncing if self.asked.contains(&id) => _ = self.given_up.insert(id),
            // What is not listed at the next sync is forgotten.
            _ => {}
        }
    }

    /// The answer has been taken whole: the executor may forget it.
    pub fn done(&mut self, id: u64) {
        if self.stage != Stage::Live {
            return self.cancel(id);
        }
        let Some(call) = self.forget(id) else { return };
        if call.sent {
            let consumed = Consumed { request_id: id, offset: call.body.consumed(), is_final: true };
            self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
        }
    }

    fn forget(&mut self, id: u64) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if self.unsent.remove(&id) {
            self.queued -= call.text.as_ref().map_or(0, CallText::len);
        }
        Some(call)
    }

    // --- uploads

    /// Adds to a request's body.
    pub fn upload(&mut self, id: u64, bytes: Bytes) -> Drained {
        if let Some(upload) =
            self.calls.get_mut(&id).filter(|call| call.upload_wanted).and_then(|call| call.upload.as_mut())
        {
            upload.push(bytes);
        }
        self.schedule(id);
        self.upload_room(id)
    }

    /// How a request's upload stands.
    pub fn upload_room(&self, id: u64) -> Drained {
        match self.calls.get(&id) {
            Some(Call { upload: Some(upload), upload_wanted: true, .. }) => {
                if upload.room() > 0 {
                    Drained::Room
                } else {
                    Drained::Full
                }
            }
            _ => Drained::Unwanted,
        }
    }

    /// Ends a request's body.
    pub fn finish_upload(&mut self, id: u64, end: End) {
        if let Some(upload) = self.calls.get_mut(&id).and_then(|call| call.upload.as_mut()) {
            upload.finish(end);
            self.schedule(id);
        }
    }

    // --- input

    /// Takes one decoded text message.
    pub fn handle(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Response { id, result } if id == self.sync_id() && self.stage == Stage::Syncing => {
                self.synced(result);
            }
            Inbound::Response { id: RpcId::Integer(id), result } => {
                self.answered(u64::try_from(id).unwrap_or_default(), result);
            }
            Inbound::Consumed(consumed) if self.stage == Stage::Live => self.consumed(consumed),
            _ => self.ignored += 1,
        }
    }

    /// Takes one binary message.
    pub fn handle_body(&mut self, message: BodyMessage) {
        let id = message.request_id;
        if message.kind != BodyKind::Response {
            return self.events.push_back(ClientEvent::Broken("an executor sends response bodies only"));
        }
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.failed.is_none()) else {
            self.ignored += 1;
            return;
        };
        let taken = if call.answered {
            call.body.receive(message).map_err(|broken| broken.to_string())
        } else {
            Err("the executor sent the body before the head".to_owned())
        };
        match taken {
            Ok(true) => self.events.push_back(ClientEvent::Readable(id)),
            Ok(false) => {}
            Err(why) => {
                call.fail(
                    Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, why)
                        .with_phase(Phase::Body),
                );
                self.events.push_back(ClientEvent::Readable(id));
                if self.stage == Stage::Live {
                    self.say_cancel(id);
                }
            }
        }
    }

    /// Says what is due to be said.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, id)) = self.say_by.first().copied() {
            if due > now {
                break;
            }
            self.say_by.pop_first();
            let Some(call) = self.calls.get_mut(&id) else { continue };
            if self.stage == Stage::Live && call.body.should_say(now) {
                let consumed = Consumed { request_id: id, offset: call.body.say(), is_final: false };
                self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
            }
        }
    }

    fn answered(&mut self, id: u64, result: Result<Raw, RpcError>) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.answered && call.failed.is_none())
        else {
            self.ignored += 1;
            return;
        };
        call.answered = true;
        call.text = None;
        call.answer = Some(result.map_err(RpcError::into_error));
        self.events.push_back(ClientEvent::Readable(id));
    }

    fn consumed(&mut self, consumed: Consumed) {
        let id = consumed.request_id;
        let Some(call) = self.calls.get_mut(&id) else {
            self.ignored += 1;
            return;
        };
        let Some(upload) = &mut call.upload else {
            self.ignored += 1;
            return;
        };
        upload.taken(consumed.offset);
        if consumed.is_final {
            upload.clear();
            call.upload_wanted = false;
        }
        self.schedule(id);
        self.events.push_back(ClientEvent::UploadWritable(id));
    }

    fn synced(&mut self, result: Result<Raw, RpcError>) {
        let Ok(Ok(sync)) = result.map(|raw| serde_json::from_str::<SyncResult>(raw.text())) else {
            return self
                .events
                .push_back(ClientEvent::Broken("the answer to session/sync is not of its shape"));
        };
        self.stage = Stage::Live;
        self.next = self.next.max(sync.last_request_id);
        let mut unnamed = std::mem::take(&mut self.asked);
        for synced in sync.requests {
            let id = synced.request_id;
            if !unnamed.remove(&id) {
                continue;
            }
            let Some(call) = self.calls.get_mut(&id) else { continue };
            match synced.state {
                RequestState::Known => {
                    call.text = None;
                    if let Some(upload) = &mut call.upload {
                        upload.taken(synced.body_consumed);
                        upload.resume(synced.body_received);
                    }
                    self.schedule(id);
                    self.events.push_back(ClientEvent::UploadWritable(id));
                }
                RequestState::New if call.text.is_some() => {
                    call.sent = false;
                    if let Some(upload) = &mut call.upload {
                        upload.resume(0);
                    }
                    self.queued += call.text.as_ref().map_or(0, CallText::len);
                    self.unsent.insert(id);
                }
                RequestState::New | RequestState::Gone => {
                    self.lose(id, "the executor no longer has the request")
                }
            }
        }
        for id in unnamed {
            self.lose(id, "the executor no longer has the request");
        }
        // What happened while nothing could be said: calls that are over on this side, and credit for what was taken.
        let failed =
            self.calls.iter().filter(|(_, call)| call.failed.is_some() && call.sent).map(|(id, _)| *id);
        let over: Vec<u64> = failed.chain(std::mem::take(&mut self.given_up)).collect();
        for id in over {
            self.say_cancel(id);
        }
        let taken: Vec<Consumed> = (self.calls.iter_mut())
            .filter(|(_, call)| call.sent && call.body.has_unsaid())
            .map(|(id, call)| Consumed { request_id: *id, offset: call.body.say(), is_final: false })
            .collect();
        for consumed in taken {
            self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
        }
        self.events.push_back(ClientEvent::Synced);
    }

    // --- output

    /// The next thing that has changed.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The next message to be sent: control, then requests in the order of their ids, then one message of each upload
    /// in turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(text) = self.control.pop_front() {
            self.queued -= text.len();
            return Some(Transmit::Text(text));
        }
        if self.stage != Stage::Live {
            return None;
        }
        while let Some(id) = self.unsent.pop_first() {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            let Some(text) = &call.text else { continue };
            let message = text.message(id);
            self.queued -= text.len();
            call.sent = true;
            self.schedule(id);
            return Some(Transmit::Text(message));
        }
        while let Some(id) = self.turns.pop_front() {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            call.queued = false;
            let Some(segment) =
                call.upload.as_mut().and_then(|upload| upload.take(self.config.body_message_bytes))
            else {
                continue;
            };
            self.schedule(id);
            return Some(Transmit::Body(segment.into_message(BodyKind::Request, id)));
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stage == Stage::Live { self.say_by.first().map(|(by, _)| *by) } else { None }
    }

    fn say(&mut self, text: Bytes) {
        self.queued += text.len();
        self.control.push_back(text);
    }

    fn say_cancel(&mut self, id: u64) {
        self.say(notification(method::CANCEL, 48, |out| {
            out.raw(b"{\"requestId\":");
            out.number(id);
            out.raw(b"}");
        }));
    }

    fn schedule(&mut self, id: u64) {
        if self.stage != Stage::Live {
            return;
        }
        if let Some(call) = self.calls.get_mut(&id)
            && call.sent
            && !call.queued
            && call.upload.as_ref().is_some_and(SendWindow::has_segment)
        {
            call.queued = true;
            self.turns.push_back(id);
        }
    }

    fn sync_id(&self) -> RpcId {
        RpcId::String(format!("sync-{}", self.syncs).into())
    }
}

impl Call {
    /// Ends the call with an error, which its reader finds where it is: at the answer, or after the bytes that came.
    fn fail(&mut self, error: Error) {
        if self.failed.is_some() || (self.answered && self.body.is_ended()) {
            return;
        }
        if self.answered {
            self.failed = Some(error.with_phase(Phase::Body));
        } else {
            self.answered = true;
            self.failed = Some(error.clone());
            self.answer = Some(Err(error));
        }
        self.upload_wanted = false;
        if let Some(upload) = &mut self.upload {
            upload.clear();
        }
    }
}

/// What an abort's error object means.
fn aborted(error: &[u8]) -> Error {
    match serde_json::from_slice::<RpcError>(error) {
        Ok(error) => error.into_error(),
        Err(_) => {
            Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, "the response body was aborted")
                .with_phase(Phase::Body)
        }
    }
}
