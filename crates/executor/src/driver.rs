use crate::{
    call::Call,
    executor::Inner,
    shared::{Ending, Shared},
};
use afield_exchange::Error;
use afield_protocol::{
    BASE_SILENCE, Liveness, RpcError, Verdict,
    error::INVALID_REQUEST,
    server::{CallId, Event, decode},
    wire::{InitializeParams, InitializeResult},
};
use afield_transport::{Closed, Connection, Message, Principal, Received};
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

/// Drives one connection: reads it, writes it, keeps its timers, owns its calls. One task, which never awaits a call.
/// Dropping it ends every call of the connection, through to the origins' sockets.
pub(crate) struct Driver<C> {
    connection: C,
    shared: Arc<Shared>,
    inner: Arc<Inner>,
    principal: Principal,
    session: Option<String>,
    liveness: Liveness,
    heard: u64,
    initialize_by: Instant,
    tasks: JoinSet<()>,
    calls: HashMap<CallId, AbortHandle>,
    of_task: HashMap<tokio::task::Id, CallId>,
    timer: Pin<Box<Sleep>>,
    armed: Instant,
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
        let liveness = Liveness::new(now, BASE_SILENCE);
        let armed = liveness.poll_timeout();
        Self {
            connection,
            shared: Arc::new(Shared::new(inner.server_config())),
            principal,
            session: None,
            heard: 0,
            initialize_by: now + inner.limits().handshake,
            tasks: JoinSet::new(),
            calls: HashMap::new(),
            of_task: HashMap::new(),
            timer: Box::pin(tokio::time::sleep_until(armed.into())),
            armed,
            liveness,
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
            self.inner.sessions.detach(session, &self.shared, now());
        }
        let (code, reason) = match &end {
            // Nothing we could say would arrive.
            End::Silent => return end,
            End::Lost(_) => (1000, ""),
            End::NotInitialized => (1008, "initialize did not come in time"),
            End::Ending(Ending::Evicted) => (4001, "session resumed by another connection"),
            End::Ending(Ending::Stopping) => (1001, "the executor is stopping"),
        };
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
        let all_read = match self.read(cx) {
            Ok(all_read) => all_read,
            Err(closed) => return Poll::Ready(End::Lost(closed)),
        };
        self.act();
        self.reap(cx);
        if let Some(end) = self.keep_time(cx, all_read) {
            return Poll::Ready(end);
        }
        match self.write(cx) {
            Ok(true) if all_read => {}
            Ok(_) => cx.waker().wake_by_ref(),
            Err(closed) => return Poll::Ready(End::Lost(closed)),
        }
        self.ending().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether somebody else has ended the connection. An executor that stops still says what it owes.
    fn ending(&self) -> Option<End> {
        let state = self.shared.lock();
        match state.ending? {
            Ending::Stopping if state.server.owed() > 0 => None,
            ending => Some(End::Ending(ending)),
        }
    }

    /// Reads what there is, within the budget. Returns whether that was all.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        for _ in 0..BUDGET {
            if !self.shared.lock().server.wants_input() {
                return Ok(true);
            }
            if !self.read_one(cx)? {
                return Ok(true);
            }
            self.act();
        }
        Ok(false)
    }

    fn read_one(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let received = self.connection.poll_receive(cx);
        let heard = self.connection.bytes_received();
        if heard != self.heard {
            self.heard = heard;
            self.liveness.heard(now());
        }
        match received {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(closed)) => return Err(closed),
            Poll::Ready(Ok(Received::Pong)) => self.liveness.pong(now()),
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

    fn keep_time(&mut self, cx: &mut Context<'_>, all_read: bool) -> Option<End> {
        let now = now();
        self.shared.lock().server.handle_timeout(now);
        if now >= self.liveness.poll_timeout() && all_read {
            // A connection that is not read because too much is owed to it may still be alive: look.
            let more = match self.read_one(cx) {
                Ok(more) => more,
                Err(closed) => return Some(End::Lost(closed)),
            };
            if !more || self.liveness.poll_timeout() <= now {
                match self.liveness.handle_timeout(now) {
                    Verdict::Dead => return Some(End::Silent),
                    Verdict::Ping => self.connection.ping(),
                    Verdict::Wait => {}
                }
            }
        }
        let (initialized, coalescing) = {
            let state = self.shared.lock();
            (state.server.is_initialized(), state.server.poll_timeout())
        };
        if !initialized && now >= self.initialize_by {
            return Some(End::NotInitialized);
        }
        let mut due = self.liveness.poll_timeout();
        if !initialized {
            due = due.min(self.initialize_by);
        }
        due = coalescing.map_or(due, |at| due.min(at));
        if due != self.armed {
            self.armed = due;
            self.timer.as_mut().reset(due.into());
        }
        if self.timer.poll_unpin(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        None
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

/// The runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
