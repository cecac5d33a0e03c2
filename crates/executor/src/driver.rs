use crate::{
    audit::Noted,
    call::{Call, Manner},
    executor::Inner,
    failure_log,
    session::{Lingering, Session},
    shared::{Ending, Owner, Shared, State, now},
    shares::{CONNECTION_BYTES, Portion},
    turns::{self, Turns},
};
use afield_egress::{Egress, Kept};
use afield_exchange::{Blame, Error, Kind, Permit, RequestBody, Retry, logged_host, logged_method};
use afield_protocol::{
    BASE_SILENCE, Liveness, RpcError, SILENCE, Verdict,
    json::RpcId,
    resumable::BodyMessage,
    server::{BaseServer, Encoded, Event, Inbound, Server, decode, id_of_beginning},
    wire::{InitializeParams, response},
};
use afield_transport::{
    CloseReason, Closed, Connection, CredentialEnd, Grant, Message, Principal, Received, Role, Room,
};
use futures_util::FutureExt;
use std::{
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context, Poll},
    time::Instant,
};
use tokio::time::Sleep;
use tracing::{Instrument, Span};

/// Messages read, and messages written, before others on the thread get their turn.
const BUDGET: usize = 64;
/// Bytes read before others on the thread get their turn: an upload of many megabytes takes time to decode.
const BYTES: u64 = 1024 * 1024;

/// As good as never.
const FAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

/// Drives one connection: reads it, writes it, keeps its timers. One task, which never awaits a call. In the base
/// dialect it owns the connection's calls: dropping it ends them, through to the origins' sockets. In afield/1 the session
/// owns them, and the driver merely attaches a connection to it.
pub(crate) struct Driver<C> {
    connection: C,
    /// What of the connection, and then of its session, is shared with the calls.
    shared: Arc<Shared>,
    /// The connection's number at its session.
    epoch: u64,
    /// Of the connection's own calls, until it is attached to a session that owns them.
    owner: Option<Owner>,
    inner: Arc<Inner>,
    principal: Principal,
    /// What its principal has of what all share.
    portion: Arc<Portion>,
    /// Counts what the connection keeps: its buffers, and what waits in them beyond what those hold.
    buffers: Permit,
    /// Since when a message is coming.
    message_since: Option<Instant>,
    /// What tells the session apart in the audit and the log.
    tag: Arc<str>,
    /// Of the session on this connection; its requests' spans are children of it.
    span: Span,
    /// What performs its requests.
    egress: Egress,
    /// Ends when what let the connection in does.
    credential: Pin<Box<dyn Future<Output = CredentialEnd> + Send>>,
    session: Session,
    /// Absent where the transport has no pings: only the end of the stream tells there that the peer is gone.
    liveness: Option<Liveness>,
    heard: u64,
    /// Until when `initialize` must have succeeded; `None` once it has.
    initialize_by: Option<Instant>,
    /// Until when what is owed may still be answered, once the input of a connection has ended whose output is still read.
    answer_by: Option<Instant>,
    /// Whether everything that was said is with the kernel.
    flushed: bool,
    /// What the peer has done that the protocol does not allow.
    broken: Option<&'static str>,
    timer: Pin<Box<Sleep>>,
    armed: Instant,
}

/// How far reading has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Everything there was has been read: the task is woken when more comes.
    Drained,
    /// There may be more.
    More,
    /// Nothing was read because nothing should be.
    Unwanted,
}

/// Why a connection's driver has come to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// The connection did.
    Lost(Closed),
    /// The peer does not answer.
    Silent,
    /// `initialize` did not come in time.
    NotInitialized,
    /// The peer breaks the protocol.
    Broken(&'static str),
    /// What let the connection in has ended.
    Disowned(CredentialEnd),
    /// The executor wills it.
    Ending(Ending),
}

impl<C: Connection> Driver<C> {
    pub fn new(connection: C, inner: Arc<Inner>, grant: Grant) -> Self {
        let Grant { principal, authorization } = grant;
        let portion = inner.shares.of(&principal);
        let now = now();
        let shared = Shared::new(Server::Base(BaseServer::new(inner.base_config())));
        Self {
            liveness: connection.has_pings().then(|| Liveness::new(now, BASE_SILENCE)),
            connection,
            owner: Some(Owner(shared.clone())),
            shared,
            epoch: 0,
            egress: inner
                .egress
                .for_principal(&principal.full_name())
                .within(Kept { bytes: portion.bytes.clone(), idle: portion.idle_connections.clone() }),
            buffers: portion.bytes.take_anyway(CONNECTION_BYTES),
            message_since: None,
            portion,
            principal,
            tag: "".into(),
            span: Span::none(),
            credential: Box::pin(async move { authorization.ended().await }),
            session: Session::None,
            heard: 0,
            // A deadline beyond what the clock can express is none.
            initialize_by: now.checked_add(inner.limits().handshake),
            answer_by: None,
            flushed: true,
            broken: None,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            armed: now,
            inner,
        }
    }

    /// The turns that the connection's task runs in.
    pub fn turns(&self) -> Arc<Turns> {
        self.portion.turns.clone()
    }

    /// What others may do to the connection.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Runs until the connection ends, and ends everything that belongs to it. Returns the session that goes on without
    /// it, if one does, and how many answers were owed on it that were not given.
    pub async fn run(mut self) -> (End, Option<Lingering>, usize) {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        let owed = if matches!(end, End::Lost(_)) && !said_farewell(&end) { self.owed() } else { 0 };
        drop(self.owner.take());
        let session = std::mem::replace(&mut self.session, Session::None);
        let sessions = &self.inner.sessions;
        let session = match &end {
            End::Disowned(_) => {
                session.end(sessions, &self.shared);
                None
            }
            end => session.left(sessions, &self.shared, said_farewell(end)),
        };
        let (code, reason) = match &end {
            // Nothing we could say would arrive.
            End::Silent => return (end, session, owed),
            End::Lost(_) => (1000, ""),
            End::NotInitialized => (1008, "initialize did not come in time"),
            End::Broken(why) => (1008, *why),
            End::Ending(Ending::Evicted) => (4001, "session resumed by another connection"),
            End::Disowned(CredentialEnd::Expired) => (4401, "credential expired"),
            End::Disowned(CredentialEnd::Revoked) => (4401, "credential revoked"),
            End::Ending(Ending::Stopping) => (1001, "the executor is stopping"),
        };
        if matches!(end, End::Ending(Ending::Evicted) | End::Disowned(_)) {
            // What was written for the peer before that and has not left is not said any more either.
            self.connection.abandon();
        }
        self.connection.close(code, reason);
        let closed = std::future::poll_fn(|cx| self.connection.poll_closed(cx));
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), closed).await;
        (end, session, owed)
    }

    /// Answers that are owed: to requests that are performed, and such as wait to be written.
    fn owed(&self) -> usize {
        let unwritten = usize::from(!self.flushed);
        self.state().map_or(0, |state| {
            let waiting = usize::from(state.server.has_output());
            (state.server.active() + state.server.questions()).max(waiting).max(unwritten)
        })
    }

    /// The end, once the input has ended and nothing is owed any more, or will not be given in time.
    fn answered(&self) -> Option<End> {
        let by = self.answer_by?;
        let done = self.owed() == 0 || now() >= by;
        done.then(|| End::Lost(CloseReason::Ended.into()))
    }

    /// The shared state, unless another connection has taken the session.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.shared.lock();
        (state.epoch == self.epoch && state.ending != Some(Ending::Evicted)).then_some(state)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(how) = self.credential.as_mut().poll(cx) {
            return Poll::Ready(End::Disowned(how));
        }
        let shared = self.shared.clone();
        if let Some(mut state) = self.state() {
            state.register(cx);
            state.calls.reap();
        }
        if let Some(end) = self.ending() {
            return Poll::Ready(end);
        }
        let turned = self.turn(cx);
        if !Arc::ptr_eq(&shared, &self.shared) {
            // The session has begun: its state is another one, which knows nothing of this task yet.
            cx.waker().wake_by_ref();
        }
        match turned {
            Ok(None) => self.ending().or_else(|| self.answered()).map_or(Poll::Pending, Poll::Ready),
            Ok(Some(end)) => Poll::Ready(end),
            Err(closed) => Poll::Ready(End::Lost(closed)),
        }
    }

    /// Reads, judges, writes, and sees to it that the task is woken for whatever is to be done next.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Option<End>, Closed> {
        let input = self.read(cx)?;
        if self.liveness.is_none() && self.connection.has_pings() {
            self.liveness = Some(Liveness::new(now(), SILENCE));
        }
        if let Some(end) = self.keep_time(cx, input)? {
            return Ok(Some(end));
        }
        self.act();
        let all_written = self.write(cx)?;
        // Writing may have made room for reading.
        let more_to_read = match input {
            Input::Drained => false,
            Input::More => true,
            Input::Unwanted => self.state().is_some_and(|state| state.wants_input()),
        };
        if more_to_read || !all_written {
            cx.waker().wake_by_ref();
        }
        // Last, since writing sets timers too.
        self.arm(cx);
        Ok(None)
    }

    /// Whether somebody else has ended the connection, or the peer has by what it said. An executor that stops still
    /// says what it owes.
    fn ending(&self) -> Option<End> {
        if let Some(why) = self.broken {
            return Some(End::Broken(why));
        }
        let Some(mut state) = self.state() else { return Some(End::Ending(Ending::Evicted)) };
        let ending = state.ending?;
        if ending == Ending::Stopping {
            state.server.stop_all(now(), &stopped());
            if state.server.has_output() {
                return None;
            }
        }
        Some(End::Ending(ending))
    }

    /// Reads what there is, within the budget.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Input, Closed> {
        if self.answer_by.is_some() {
            return Ok(Input::Drained);
        }
        let start = self.heard;
        for _ in 0..BUDGET {
            if self.heard - start > BYTES {
                break;
            }
            if !self.state().is_some_and(|state| state.wants_input()) || self.broken.is_some() {
                // What is not read cannot come to its end.
                self.message_since = None;
                return Ok(Input::Unwanted);
            }
            if !self.read_one(cx)? {
                return Ok(Input::Drained);
            }
            self.act();
        }
        Ok(Input::More)
    }

    fn read_one(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let received = self.connection.poll_receive(cx);
        let heard = self.connection.bytes_received();
        if heard != self.heard {
            self.heard = heard;
            if let Some(liveness) = &mut self.liveness {
                liveness.heard(now());
            }
        }
        match &received {
            Poll::Pending if self.connection.unfinished_bytes() > 0 => {
                self.message_since.get_or_insert_with(now);
            }
            Poll::Ready(Ok(Received::Pong)) => {}
            _ => self.message_since = None,
        }
        match received {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(Closed { reason: CloseReason::Ended })) if self.connection.has_half_close() => {
                // Who asks in a pipeline ends the input at once, and waits for the answers.
                let now = now();
                self.answer_by = Some(now.checked_add(self.inner.grace).unwrap_or(now + FAR));
                return Ok(false);
            }
            Poll::Ready(Err(closed)) => return Err(closed),
            Poll::Ready(Ok(Received::Pong)) => {
                if let Some(liveness) = &mut self.liveness {
                    liveness.pong(now());
                }
            }
            Poll::Ready(Ok(Received::Malformed)) => {
                if let Some(mut state) = self.state() {
                    state.server.handle_malformed();
                }
            }
            Poll::Ready(Ok(Received::NoRoom { text, beginning })) => self.no_room(text, &beginning),
            Poll::Ready(Ok(Received::Message(Message::Binary(bytes)))) if self.session.is_resumable() => {
                self.take_body(&BodyMessage::decode(&bytes));
            }
            Poll::Ready(Ok(Received::Message(message))) => {
                // Base takes JSON from binary messages too.
                let bytes = message.bytes();
                let inbound = turns::blocking(bytes.len(), || std::str::from_utf8(bytes).map(decode));
                if let Some(mut state) = self.state() {
                    match inbound {
                        Ok(inbound) => state.server.handle(now(), inbound),
                        Err(_) => state.server.handle_malformed(),
                    }
                }
            }
        }
        Ok(true)
    }

    /// A message has been thrown away: whatever it asked for is refused.
    fn no_room(&mut self, text: bool, beginning: &bytes::Bytes) {
        let whose = match (text, self.session.is_resumable()) {
            (false, true) => BodyMessage::decode(beginning).ok().map(|message| Err(message.request_id)),
            _ => id_of_beginning(beginning).map(Ok),
        };
        let error = |retry| Error::share_used_up(retry);
        let Some(mut state) = self.state() else { return };
        match whose {
            Some(Ok(id)) => {
                let params = Err(RpcError::from_error(&error(Retry::Safe)));
                state.server.handle(now(), Inbound::Call { id, params });
            }
            Some(Err(call)) => state.server.break_upload(call, error(Retry::Unknown)),
            None => {
                drop(state);
                self.broken = Some("there is no room for a message, and it does not begin with its id");
            }
        }
    }

    fn take_body(&mut self, message: &Result<BodyMessage, afield_protocol::resumable::MalformedBody>) {
        match message {
            Ok(message) => {
                if let Some(mut state) = self.state() {
                    state.server.handle_body(message.clone());
                }
            }
            Err(malformed) => {
                tracing::debug!(%malformed, "a client breaks the protocol");
                self.broken = Some(malformed.reason());
            }
        }
    }

    /// Does what the machine wants done.
    fn act(&mut self) {
        while let Some((id, params)) = self.act_on_calls() {
            self.initialize(&id, params);
        }
    }

    /// Does what the machine wants done with calls. Returns what it wants done about `initialize`, which needs more than
    /// the state.
    fn act_on_calls(&mut self) -> Option<(RpcId, InitializeParams)> {
        let mut state = self.shared.lock();
        if state.epoch != self.epoch {
            return None;
        }
        while let Some(event) = state.server.poll_event() {
            match event {
                Event::Initialize { id, params } => return Some((id, params)),
                Event::Start { call, request, streamed, upload, informational, reply } => {
                    let audit = &self.inner.audit;
                    let noted = Noted::begin(audit, &self.principal, &self.tag, || reply.request_name());
                    let span = tracing::debug_span!(
                        parent: &self.span,
                        "request",
                        id = %reply.request_name(),
                        method = %logged_method(&request.method),
                        host = %logged_host(&request.url),
                    );
                    let mut request = request;
                    let admitted = self.inner.admit(&self.portion).and_then(|place| {
                        // A body that came in the message has memory of its own by now.
                        if let RequestBody::Bytes(body) = &mut request.body {
                            let held = self.portion.bytes.hold(std::mem::take(body));
                            *body = held.map_err(|_| Error::share_used_up(Retry::Safe))?;
                        }
                        Ok(place)
                    });
                    let place = match admitted {
                        Ok(place) => place,
                        Err(error) => {
                            noted.iter().for_each(|noted| noted.failed(&error));
                            span.in_scope(|| failure_log::log(&error, &self.egress, &self.tag, &reply));
                            state.server.fail(now(), call, &error);
                            continue;
                        }
                    };
                    let manner = match (&state.server, streamed) {
                        (Server::Resumable(_), _) => Manner::Inline,
                        (Server::Base(_), true) => Manner::Streamed,
                        (Server::Base(_), false) => Manner::Buffered,
                    };
                    let kept = self.inner.limits().buffered_body_bytes;
                    let share = self.portion.bytes.clone();
                    let work = Call {
                        id: call,
                        request: *request,
                        upload,
                        informational,
                        kept,
                        session: self.tag.clone(),
                        manner,
                        share,
                    };
                    let (egress, shared) = (self.egress.clone(), self.shared.clone());
                    let work = work.perform(reply, egress, shared, noted, place.clone());
                    let turns = self.portion.turns.clone();
                    state.calls.begin(call, place, turns, work.instrument(span));
                }
                Event::ConfigRead { id, paths } => {
                    let (shared, epoch) = (self.shared.clone(), self.epoch);
                    let (egress, inner) = (self.egress.clone(), self.inner.clone());
                    state.calls.begin_aside(self.portion.turns.clone(), async move {
                        let config = inner.offers.told(&egress, &paths, &inner.environment.cwd).await;
                        shared.answer_question(epoch, &id, response(&id, 512, |out| out.json(&config)));
                    });
                }
                Event::Cancel(call) => state.forget(call),
                Event::Writable(call) => state.unblock(call),
                Event::UploadReadable(call) => state.wake_upload(call),
                Event::Broken(why) => {
                    self.broken = Some(why);
                    return None;
                }
            }
        }
        None
    }

    fn initialize(&mut self, id: &RpcId, params: InitializeParams) {
        let client = params.client_name.clone();
        let begun = Session::begin(
            id,
            params,
            &self.inner,
            &self.principal,
            &self.portion,
            &self.shared,
            self.connection.has_binary(),
        );
        match begun {
            Ok(session) => {
                self.tag = session.tag();
                self.span = tracing::debug_span!("session", tag = %self.tag);
                let dialect = session.dialect();
                self.span.in_scope(|| {
                    tracing::debug!(client = %client.escape_debug(), dialect, "session attached");
                });
                self.initialize_by = None;
                let message_bytes = self.inner.limits().message_bytes;
                self.connection.set_room(Room { message_bytes, share: Some(self.portion.bytes.clone()) });
                if let Session::Resumable { shared, epoch, .. } = &session {
                    self.shared = shared.clone();
                    self.epoch = *epoch;
                    self.owner = None;
                    if let Some(liveness) = &mut self.liveness {
                        liveness.set_silence(SILENCE);
                    }
                    self.connection.begin_frames(Role::Server);
                }
                self.session = session;
            }
            Err(error) => {
                if let Server::Base(base) = &mut self.shared.lock().server {
                    base.reject(id, &error);
                }
            }
        }
    }

    /// Lets deltas go whose time has come, and judges whether the peer is still there.
    fn keep_time(&mut self, cx: &mut Context<'_>, input: Input) -> Result<Option<End>, Closed> {
        let now = now();
        if let Some(mut state) = self.state() {
            state.server.handle_timeout(now);
        }
        if self.initialize_by.is_some_and(|by| by <= now) {
            return Ok(Some(End::NotInitialized));
        }
        if self.message_by().is_some_and(|by| by <= now) {
            return Ok(Some(End::Broken("a message did not come to its end in time")));
        }
        if self.liveness.as_ref().is_none_or(|liveness| now < liveness.poll_timeout()) {
            return Ok(None);
        }
        let all_heard = match input {
            Input::Drained => true,
            Input::More => false,
            Input::Unwanted => self.listen(cx)?,
        };
        if let Some(liveness) = self.liveness.as_mut().filter(|_| all_heard) {
            match liveness.handle_timeout(now) {
                Verdict::Dead => return Ok(Some(End::Silent)),
                Verdict::Ping => self.connection.ping(),
                Verdict::Wait => {}
            }
        }
        Ok(None)
    }

    /// Until when the message that is coming has to be whole.
    fn message_by(&self) -> Option<Instant> {
        self.message_since?.checked_add(self.inner.limits().message)
    }

    /// Looks for a sign of life on a connection that is not read because too much is owed to it: the sign may lie behind
    /// messages that came before. Returns whether all was heard that matters, within the budget.
    fn listen(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let heard = self.heard;
        for _ in 0..BUDGET {
            if !self.read_one(cx)? || self.heard != heard {
                return Ok(true);
            }
        }
        // The timer, which is past, brings the next turn.
        Ok(false)
    }

    /// Sets the timer for whatever is due next.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let coalescing = self.state().and_then(|state| state.server.poll_timeout());
        let silence = self.liveness.as_ref().map(Liveness::poll_timeout);
        let all = [coalescing, silence, self.initialize_by, self.message_by(), self.answer_by];
        let Some(due) = all.into_iter().flatten().min() else { return };
        if due != self.armed {
            self.armed = due;
            self.timer.as_mut().reset(due.into());
        }
        if self.timer.poll_unpin(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Writes what there is, within the budget. Returns whether that was all that can be written now.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let mut all = false;
        for _ in 0..BUDGET {
            match self.connection.poll_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    all = true;
                    break;
                }
            }
            let outgoing = self.state().and_then(|mut state| state.server.poll_transmit(now()));
            let Some(outgoing) = outgoing else {
                all = true;
                break;
            };
            match outgoing.encode() {
                Encoded::Text(text) => self.connection.send(Message::Text(text)),
                Encoded::Body(body) => self.connection.send_binary(body.header(), body.payload),
            }
        }
        // What was sent has made room: whoever waits for it goes on.
        self.act();
        self.flushed = false;
        if let Poll::Ready(flushed) = self.connection.poll_flush(cx) {
            flushed?;
            self.flushed = true;
        }
        self.buffers.set(CONNECTION_BYTES.max(self.connection.unwritten_bytes()));
        Ok(all)
    }
}

impl<C> Drop for Driver<C> {
    /// A connection that ends by a defect leaves no session behind that nobody would ever end.
    fn drop(&mut self) {
        if let Session::Resumable { id, .. } = &self.session
            && std::thread::panicking()
        {
            self.inner.sessions.give_up(id);
        }
    }
}

/// What the callers are told whose requests an executor that stops has not finished.
fn stopped() -> Error {
    let message = "the executor was stopped before the request had ended";
    Error::new(Kind::SessionLost, Blame::Operator, Retry::Unknown, message)
}

/// Whether the client has closed the connection as one does that has no more use for its session.
fn said_farewell(end: &End) -> bool {
    matches!(end, End::Lost(Closed { reason: CloseReason::Peer { code: Some(1000), .. }, .. }))
}
