use crate::calls::Calls;
use afield_exchange::{BodyFrame, Error, Phase, Retry, Share};
use afield_protocol::{
    RpcError,
    json::RpcId,
    server::{CallId, Event, Server},
    wire::{Features, InitializeResult},
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// What drivers and calls share: the machine, and who waits for what. In the base dialect it belongs to one connection,
/// in afield/1 to a session, which outlives its connections. A driver alone reads and writes its connection; a call says
/// what it has by a few instructions under the lock, then wakes the driver.
pub(crate) struct Shared(Mutex<State>);

pub(crate) struct State {
    pub server: Server,
    pub calls: Calls,
    /// Calls whose bodies wait for room, with whom to wake.
    blocked: HashMap<CallId, Option<Waker>>,
    /// Calls that wait for more of their uploads.
    uploads: HashMap<CallId, Waker>,
    /// Set once, when the connection is to end and why.
    pub ending: Option<Ending>,
    /// Counts the connections that were attached: only the latest says and hears anything.
    pub epoch: u64,
    /// Its task. Under the same lock as the epoch, so that no older connection is woken in its place.
    driver: Option<Waker>,
}

/// Why an executor ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Another connection has resumed the session: nothing more is said here, not even what is owed.
    Evicted,
    /// The executor stops: calls are ended with an error, and what is owed is still said.
    Stopping,
}

/// How long a response body waits, unread, for room in its principal's share.
const PATIENCE: Duration = Duration::from_secs(10);

impl Shared {
    pub fn new(server: Server) -> Arc<Self> {
        let state = State {
            server,
            calls: Calls::default(),
            blocked: HashMap::new(),
            uploads: HashMap::new(),
            ending: None,
            epoch: 0,
            driver: None,
        };
        Arc::new(Self(Mutex::new(state)))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while holding a session's state")
    }

    pub fn evict(&self) {
        self.with(|state, _| state.ending = Some(Ending::Evicted));
    }

    pub fn stop(&self) {
        self.with(|state, _| _ = state.ending.get_or_insert(Ending::Stopping));
    }

    /// Does something under the lock, then wakes the driver to see to it.
    pub fn with<T>(&self, action: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = now();
        let mut state = self.lock();
        let result = action(&mut state, now);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// Counts these bytes of a response body in the share, once there is room for them; gives up on that after a while.
    /// Cancel safe: nothing is counted then.
    ///
    /// The smallest pieces count as well, though where they are copied together and not by themselves: room for them is waited
    /// for.
    pub async fn keep(&self, share: &Share, bytes: Bytes) -> Result<Bytes, Error> {
        if let Ok(permit) = share.take(bytes.len()) {
            return Ok(permit.hold_unless_tiny(bytes));
        }
        let taking = poll_fn(|cx| share.poll_take(bytes.len(), cx));
        match tokio::time::timeout(PATIENCE, taking).await {
            Ok(permit) => Ok(permit.hold_unless_tiny(bytes)),
            Err(_) => Err(Error::share_used_up(Retry::Unknown).with_phase(Phase::Body)),
        }
    }

    /// Adds to a body. Returns whether there is room for more.
    pub fn body(&self, call: CallId, bytes: Bytes) -> bool {
        self.with(|state, now| {
            let room = state.server.body(now, call, bytes);
            if !room {
                state.blocked.insert(call, None);
            }
            room
        })
    }

    /// Waits for room in a body. Cancel safe.
    pub async fn room(&self, call: CallId) {
        poll_fn(|cx| match self.lock().blocked.get_mut(&call) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
        .await;
    }

    /// The next of an upload: `None` at its clean end, behind its trailers. Whoever still reads it for a call that is forgotten hears an error: an
    /// origin that has answered whole would otherwise be kept waiting for the rest of a request nobody sends.
    pub fn poll_upload(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, Error>>> {
        self.with(|state, now| match state.server.read_upload(now, call) {
            Some(read) => Poll::Ready(read),
            None if !state.server.has_upload(call) => Poll::Ready(Some(Err(Error::cancelled()))),
            None => {
                state.uploads.insert(call, cx.waker().clone());
                Poll::Pending
            }
        })
    }

    /// Waits until a call's upload is over, once the call is answered: an origin that goes on reading gets it whole. The wait
    /// ends when for this long nothing of it has been taken; the orchestrator is then told that no more is wanted.
    pub async fn end_upload(&self, call: CallId, patience: Duration) {
        loop {
            let Some(taken) = self.lock().server.upload_progress(call) else { return };
            tokio::time::sleep(patience).await;
            let stands_still = self.with(|state, _| {
                let stands_still = state.server.upload_progress(call) == Some(taken);
                if stands_still {
                    state.server.drop_upload(call);
                    state.wake_upload(call);
                }
                stands_still
            });
            if stands_still {
                return;
            }
        }
    }

    /// Attaches another connection to a session in afield/1 and answers its `initialize`, in one step: from then on the
    /// connection that was attached before says and hears nothing. Returns the connection's epoch.
    pub fn attach(&self, id: &RpcId, attempt: u64, result: &InitializeResult) -> Result<u64, RpcError> {
        self.with(|state, _| {
            if let Server::Resumable(session) = &mut state.server {
                session.attach(id, attempt, result)?;
            }
            state.epoch += 1;
            Ok(state.epoch)
        })
    }

    /// What a session in afield/1 has beyond the least.
    pub fn features(&self) -> Features {
        match &self.lock().server {
            Server::Resumable(session) => session.features(),
            Server::Base(_) => Features::default(),
        }
    }

    /// Answers what the connection of this epoch has asked, unless another one was attached since.
    pub fn answer_question(&self, epoch: u64, id: &RpcId, text: Bytes) {
        self.with(|state, _| {
            if state.epoch == epoch {
                state.server.reply(id, text);
            }
        });
    }

    /// How long the request that is kept for the shortest time without a connection is kept, if one is not kept as long as
    /// the session and no connection was attached since the one of this epoch.
    pub fn least_kept(&self, epoch: u64) -> Option<Duration> {
        match &*self.lock() {
            State { server: Server::Resumable(session), epoch: now, .. } if *now == epoch => {
                session.least_kept()
            }
            _ => None,
        }
    }

    /// Ends the requests that are kept no longer than this, through to the origins' sockets, unless a connection was attached
    /// since the one of this epoch.
    pub fn let_go(&self, epoch: u64, absent: Duration) {
        let mut state = self.lock();
        if state.epoch != epoch {
            return;
        }
        if let Server::Resumable(session) = &mut state.server {
            session.let_go(absent);
        }
        // There is no driver that would.
        while let Some(event) = state.server.poll_event() {
            match event {
                Event::Cancel(call) => state.forget(call),
                Event::Writable(call) => state.unblock(call),
                Event::UploadReadable(call) => state.wake_upload(call),
                Event::Initialize { .. }
                | Event::Start { .. }
                | Event::ConfigRead { .. }
                | Event::Broken(_) => {}
            }
        }
    }

    /// The connection of this epoch is gone. Returns whether it was the one that was attached.
    pub fn detach(&self, epoch: u64) -> bool {
        let mut state = self.lock();
        if state.epoch != epoch {
            return false;
        }
        if let Server::Resumable(session) = &mut state.server {
            session.detach();
        }
        state.driver = None;
        true
    }
}

impl State {
    /// Remembers the task of the connection that is attached.
    pub fn register(&mut self, cx: &Context<'_>) {
        if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
    }

    /// Whether the connection should be read.
    pub fn wants_input(&self) -> bool {
        self.ending.is_none() && self.server.wants_input()
    }

    /// Wakes the call whose body has room again.
    pub fn unblock(&mut self, call: CallId) {
        if let Some(Some(waker)) = self.blocked.remove(&call) {
            waker.wake();
        }
    }

    /// Wakes the call that waits for more of its upload.
    pub fn wake_upload(&mut self, call: CallId) {
        if let Some(waker) = self.uploads.remove(&call) {
            waker.wake();
        }
    }

    /// Nothing more is to be done for this call: one that is still performed ends, through to the origin's socket.
    pub fn forget(&mut self, call: CallId) {
        self.blocked.remove(&call);
        self.wake_upload(call);
        self.calls.end(call);
    }
}

/// Whoever holds this owns the calls: they end with it.
pub(crate) struct Owner(pub Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        // Also after a defect: its calls above all are to end.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).calls.end_all();
    }
}

/// The runtime's clock, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
