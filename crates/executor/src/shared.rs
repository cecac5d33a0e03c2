use afield_protocol::server::{BaseServer, BaseServerConfig, CallId};
use afield_transport::CredentialEnd;
use futures_util::task::AtomicWaker;
use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Instant,
};

/// What a connection's driver and its calls share: the machine, and who waits for what. The driver alone reads and
/// writes the connection; a call says what it has by a few instructions under the lock, then wakes the driver.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub driver: AtomicWaker,
}

pub(crate) struct State {
    pub server: BaseServer,
    /// Calls whose bodies wait for room, with whom to wake.
    pub blocked: HashMap<CallId, Option<Waker>>,
    /// Set once, when the connection is to end and why.
    pub ending: Option<Ending>,
}

/// Why an executor ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Another connection has resumed the session: nothing more is said here, not even what is owed.
    Evicted,
    /// What let the peer in does not hold any more: nothing more is said, and the session is over.
    Disowned(CredentialEnd),
    /// The executor stops: calls are ended with an error, and what is owed is still said.
    Stopping,
}

impl Shared {
    pub fn new(config: BaseServerConfig) -> Self {
        let state = State { server: BaseServer::new(config), blocked: HashMap::new(), ending: None };
        Self { state: Mutex::new(state), driver: AtomicWaker::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding a connection's state")
    }

    pub fn evict(&self) {
        self.lock().ending = Some(Ending::Evicted);
        self.driver.wake();
    }

    pub fn disown(&self, how: CredentialEnd) {
        self.lock().ending = Some(Ending::Disowned(how));
        self.driver.wake();
    }

    pub fn stop(&self) {
        self.lock().ending.get_or_insert(Ending::Stopping);
        self.driver.wake();
    }

    /// Does something to the machine, then wakes the driver to see to it.
    pub fn with<T>(&self, action: impl FnOnce(&mut BaseServer, Instant) -> T) -> T {
        let now = tokio::time::Instant::now().into_std();
        let result = action(&mut self.lock().server, now);
        self.driver.wake();
        result
    }

    /// Adds to a body. Returns whether there is room for more.
    pub fn body(&self, call: CallId, bytes: bytes::Bytes) -> bool {
        let now = tokio::time::Instant::now().into_std();
        let mut state = self.lock();
        let room = state.server.body(now, call, bytes);
        if !room {
            state.blocked.insert(call, None);
        }
        drop(state);
        self.driver.wake();
        room
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
}

impl State {
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
}
