use crate::{
    call::Call,
    executor::Inner,
    shared::{Ending, Shared},
};
use afield_exchange::{Blame, Error, Kind, Retry};
use afield_protocol::{
    BASE_SILENCE, Liveness, RpcError, Verdict,
    error::INVALID_REQUEST,
    server::{CallId, Event, decode},
    wire::{InitializeParams, InitializeResult},
};
use afield_transport::{Closed, Connection, CredentialEnd, Message, Principal, Received};
use futures_util::FutureExt;
use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::Sleep,
};

/// Messages read, and messages written, before others on the thread get their turn.
const BUDGET: usize = 64;
/// Bytes read before others on the thread get their turn: an upload of many megabytes takes time to decode.
const BYTES: u64 = 1024 * 1024;

/// Drives one connection: reads it, writes it, keeps its timers, owns its calls. One task, which never awaits a call.
/// Dropping it ends every call of the connection, through to the origins' sockets.
pub(crate) struct Driver<C> {
    connection: C,
    shared: Arc<Shared>,
    inner: Arc<Inner>,
    principal: Principal,
    session: Option<String>,
    /// Absent where the transport has no pings: only the end of the stream tells there that the peer is gone.
    liveness: Option<Liveness>,
    heard: u64,
    /// Until when `initialize` must have succeeded; `None` once it has.
    initialize_by: Option<Instant>,
    tasks: JoinSet<()>,
    calls: HashMap<CallId, AbortHandle>,
    of_task: HashMap<tokio::task::Id, CallId>,
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
    /// The executor wills it.
    Ending(Ending),
}

impl<C: Connection> Driver<C> {
    pub fn new(connection: C, inner: Arc<Inner>, principal: Principal) -> Self {
        let now = now();
        Self {
            liveness: connection.has_pings().then(|| Liveness::new(now, BASE_SILENCE)),
            connection,
            shared: Arc::new(Shared::new(inner.server_config())),
            principal,
            session: None,
            heard: 0,
            // A deadline beyond what the clock can express is none.
            initialize_by: now.checked_add(inner.limits().handshake),
            tasks: JoinSet::new(),
            calls: HashMap::new(),
            of_task: HashMap::new(),
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            armed: now,
            inner,
        }
    }

    /// What others may do to the connection.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Runs until the connection ends, and ends everything that belongs to it.
    pub async fn run(mut self) -> End {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.tasks.abort_all();
        if let Some(session) = &self.session {
            match &end {
                End::Ending(Ending::Disowned(_)) => self.inner.sessions.end(session, &self.shared),
                _ => self.inner.sessions.detach(session, &self.shared, now()),
            }
        }
        let (code, reason) = match &end {
            // Nothing we could say would arrive.
            End::Silent => return end,
            End::Lost(_) => (1000, ""),
            End::NotInitialized => (1008, "initialize did not come in time"),
            End::Ending(Ending::Evicted) => (4001, "session resumed by another connection"),
            End::Ending(Ending::Disowned(CredentialEnd::Expired)) => (4401, "credential expired"),
            End::Ending(Ending::Disowned(CredentialEnd::Revoked)) => (4401, "credential revoked"),
            End::Ending(Ending::Stopping) => (1001, "the executor is stopping"),
        };
        if matches!(end, End::Ending(Ending::Evicted | Ending::Disowned(_))) {
            // What was written for the peer before that and has not left is not said any more either.
            self.connection.abandon();
        }
        self.connection.close(code, reason);
        let closed = std::future::poll_fn(|cx| self.connection.poll_closed(cx));
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), closed).await;
        end
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.driver.register(cx.waker());
        if let Some(end) = self.ending() {
            return Poll::Ready(end);
        }
        match self.turn(cx) {
            Ok(None) => self.ending().map_or(Poll::Pending, Poll::Ready),
            Ok(Some(end)) => Poll::Ready(end),
            Err(closed) => Poll::Ready(End::Lost(closed)),
        }
    }

    /// Reads, judges, writes, and sees to it that the task is woken for whatever is to be done next.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Option<End>, Closed> {
        let input = self.read(cx)?;
        if let Some(end) = self.keep_time(cx, input)? {
            return Ok(Some(end));
        }
        self.act();
        self.reap(cx);
        let all_written = self.write(cx)?;
        // Writing may have made room for reading.
        let more_to_read = match input {
            Input::Drained => false,
            Input::More => true,
            Input::Unwanted => self.shared.lock().wants_input(),
        };
        if more_to_read || !all_written {
            cx.waker().wake_by_ref();
        }
        // Last, since writing sets timers too.
        self.arm(cx);
        Ok(None)
    }

    /// Whether somebody else has ended the connection. An executor that stops still says what it owes.
    fn ending(&self) -> Option<End> {
        let mut state = self.shared.lock();
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
        let start = self.heard;
        for _ in 0..BUDGET {
            if self.heard - start > BYTES {
                break;
            }
            if !self.shared.lock().wants_input() {
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
        match received {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(closed)) => return Err(closed),
            Poll::Ready(Ok(Received::Pong)) => {
                if let Some(liveness) = &mut self.liveness {
                    liveness.pong(now());
                }
            }
            Poll::Ready(Ok(Received::Malformed)) => self.shared.lock().server.handle_malformed(),
            Poll::Ready(Ok(Received::Message(message))) => {
                // Base takes JSON from binary messages too.
                let inbound = std::str::from_utf8(message.bytes()).map(decode);
                let mut state = self.shared.lock();
                match inbound {
                    Ok(inbound) if state.ending != Some(Ending::Evicted) => {
                        state.server.handle(now(), inbound)
                    }
                    Ok(_) => {}
                    Err(_) => state.server.handle_malformed(),
                }
            }
        }
        Ok(true)
    }

    /// Does what the machine wants done.
    fn act(&mut self) {
        loop {
            let event = self.shared.lock().server.poll_event();
            match event {
                None => return,
                Some(Event::Initialize { id, params }) => {
                    let decided = self.initialize(params);
                    let server = &mut self.shared.lock().server;
                    match decided {
                        Ok(result) => server.accept(&id, &result),
                        Err(error) => server.reject(&id, &error),
                    }
                }
                Some(Event::Start { call, request, streamed, reply }) => {
                    let Some(permit) = self.inner.admit() else {
                        let error = self.inner.overloaded();
                        self.shared.lock().server.fail(now(), call, &error);
                        continue;
                    };
                    let work = Call { id: call, request: *request, streamed, reply, permit };
                    let handle =
                        self.tasks.spawn(work.perform(self.inner.egress.clone(), self.shared.clone()));
                    self.of_task.insert(handle.id(), call);
                    self.calls.insert(call, handle);
                }
                Some(Event::Cancel(call)) => {
                    if let Some(task) = self.calls.remove(&call) {
                        task.abort();
                    }
                }
                Some(Event::Writable(call)) => self.shared.lock().unblock(call),
            }
        }
    }

    fn initialize(&mut self, params: InitializeParams) -> Result<InitializeResult, RpcError> {
        let sessions = &self.inner.sessions;
        let session = match params.resume_session_id {
            Some(id) => sessions.resume(&id, &self.principal, &self.shared, now()).map(|()| id),
            None if self.inner.is_draining() => {
                return Err(RpcError::from_error(&Error::overloaded("the executor is stopping")));
            }
            None => sessions.create(&self.principal, &self.shared, now()),
        };
        let session_id = session.map_err(|no| no.into_rpc_error())?;
        tracing::debug!(client = %params.client_name.escape_debug(), "session attached");
        self.session = Some(session_id.clone());
        self.initialize_by = None;
        Ok(InitializeResult {
            session_id,
            environment_info: self.inner.environment.clone(),
            dialect: None,
            window_bytes: None,
            resumed: None,
            limits: Some(self.inner.limits().clone()),
        })
    }

    /// Takes note of calls that have ended. One that panicked is answered for.
    fn reap(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next_with_id(cx) {
            let (task, panicked) = match ended {
                Ok((task, ())) => (task, false),
                Err(error) => (error.id(), error.is_panic()),
            };
            let Some(call) = self.of_task.remove(&task) else { continue };
            self.calls.remove(&call);
            let mut state = self.shared.lock();
            state.unblock(call);
            if panicked {
                tracing::error!("a request's task panicked");
                let error = Error::internal("the executor has a defect that this request met");
                state.server.fail(now(), call, &error);
            }
        }
    }

    /// Lets deltas go whose time has come, and judges whether the peer is still there.
    fn keep_time(&mut self, cx: &mut Context<'_>, input: Input) -> Result<Option<End>, Closed> {
        let now = now();
        self.shared.lock().server.handle_timeout(now);
        if self.initialize_by.is_some_and(|by| by <= now) {
            return Ok(Some(End::NotInitialized));
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
        let coalescing = self.shared.lock().server.poll_timeout();
        let silence = self.liveness.as_ref().map(Liveness::poll_timeout);
        let Some(due) = [coalescing, silence, self.initialize_by].into_iter().flatten().min() else { return };
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
            let outgoing = {
                let mut state = self.shared.lock();
                if state.ending == Some(Ending::Evicted) { None } else { state.server.poll_transmit(now()) }
            };
            let Some(outgoing) = outgoing else {
                all = true;
                break;
            };
            self.connection.send(Message::Text(outgoing.encode()));
        }
        // What was sent has made room: whoever waits for it goes on.
        self.act();
        match self.connection.poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => {}
        }
        Ok(all)
    }
}

impl crate::sessions::NoSession {
    fn into_rpc_error(self) -> RpcError {
        match self {
            Self::Unknown(id) => {
                let shown: String = id.chars().take(64).collect();
                RpcError::new(INVALID_REQUEST, format!("unknown session id {}", shown.escape_debug()))
            }
            Self::TooMany(most) => RpcError::from_error(&Error::overloaded(format!(
                "there are {most} sessions, the most there may be: try again later"
            ))),
        }
    }
}

/// What the callers are told whose requests an executor that stops has not finished.
fn stopped() -> Error {
    let message = "the executor was stopped before the request had ended";
    Error::new(Kind::SessionLost, Blame::Operator, Retry::Unknown, message)
}

/// The runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
