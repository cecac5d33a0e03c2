//! The connections that are kept for further requests.

mod shelf;

use crate::config::EgressConfig;
use crate::http1;
use crate::http2;
use crate::kept::{Kept, Shelved};
use rustls::ClientConfig;
use rustls::client::Resumption;
pub(crate) use shelf::Shared;
use shelf::{Bounds, Shelf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// The connections of one principal under one identity, and the TLS sessions that they can resume: nobody else uses
/// either. When the pool goes, they close.
pub(crate) struct Pool {
    /// TLS that offers HTTP/2 and HTTP/1.1.
    pub(crate) tls: Arc<ClientConfig>,
    /// TLS that offers HTTP/1.1 alone.
    pub(crate) tls_http1: Arc<ClientConfig>,
    /// TLS that offers HTTP/2 alone.
    pub(crate) tls_http2: Arc<ClientConfig>,
    state: Mutex<State>,
}

struct State {
    shelf: Shelf<Parked, http2::Connection>,
    sweeper: Option<AbortHandle>,
}

/// A connection that is unused, and its place among those.
struct Parked {
    connection: http1::Connection,
    _place: Option<Shelved>,
}

/// TLS sessions that are kept for resumption.
const TLS_SESSIONS: usize = 64;

/// HTTP/2 connections to one origin: more than one where an origin allows few streams on each.
const SHARED_PER_ORIGIN: usize = 16;

/// Unused connections of one principal under one identity.
const IDLE_IN_ALL: usize = 4096;

/// Origins that are remembered to want HTTP/1.1.
const REMEMBERED: usize = 1024;

impl Pool {
    /// A pool whose connections speak this TLS.
    pub(crate) fn new(tls: &ClientConfig, config: &EgressConfig) -> Self {
        let offering = |protocols: &[&[u8]]| {
            let mut tls = tls.clone();
            tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            // A store for each: a session is resumed with the protocol it was made for.
            tls.resumption = Resumption::in_memory_sessions(TLS_SESSIONS);
            Arc::new(tls)
        };
        let bounds = Bounds {
            idle: config.pool_idle,
            idle_per_origin: config.pool_idle_per_origin,
            idle_in_all: IDLE_IN_ALL,
            shared_per_origin: SHARED_PER_ORIGIN,
            remembered: REMEMBERED,
        };
        Self {
            tls: offering(&[b"h2", b"http/1.1"]),
            tls_http1: offering(&[b"http/1.1"]),
            tls_http2: offering(&[b"h2"]),
            state: Mutex::new(State { shelf: Shelf::new(bounds), sweeper: None }),
        }
    }

    /// Takes an unused HTTP/1 connection. Whether it still lives shows when it is written to.
    pub(crate) fn take(&self, origin: &str) -> Option<http1::Connection> {
        let mut closing = Vec::new();
        self.lock().shelf.take(origin, now(), &mut closing).map(|parked| parked.connection)
    }

    /// Keeps an HTTP/1 connection for the next request, if there is room.
    pub(crate) fn park(self: &Arc<Self>, origin: &str, connection: http1::Connection, kept: Option<&Kept>) {
        let place = kept.map(Kept::shelve);
        if matches!(place, Some(None)) {
            return;
        }
        let parked = Parked { connection, _place: place.flatten() };
        let mut state = self.lock();
        let closing = state.shelf.park(origin, parked, now());
        self.sweep_later(&mut state);
        drop(state);
        drop(closing);
    }

    /// An HTTP/2 connection with room for one more request.
    pub(crate) fn share(&self, origin: &str) -> Option<http2::Connection> {
        self.lock().shelf.share(origin, now())
    }

    /// An HTTP/2 connection without room, where there may be no more of them: the request waits for its turn there.
    pub(crate) fn crowd(&self, origin: &str) -> Option<http2::Connection> {
        self.lock().shelf.crowd(origin, now())
    }

    /// Offers a new HTTP/2 connection, to be kept if there is room. Returns the one to use.
    pub(crate) fn offer(
        self: &Arc<Self>,
        origin: &str,
        connection: http2::Connection,
        kept: Option<&Kept>,
    ) -> http2::Connection {
        if let Some(kept) = kept {
            let Some(shelved) = kept.shelve() else { return connection.crowd() };
            connection.shelve(shelved);
        }
        let mut state = self.lock();
        let used = state.shelf.offer(origin, connection, now());
        self.sweep_later(&mut state);
        used
    }

    /// Whether this origin is met by HTTP/2.
    pub(crate) fn is_shared(&self, origin: &str) -> bool {
        self.lock().shelf.is_shared(origin)
    }

    /// Held while a shared connection to this origin is made, so that requests which come meanwhile wait for it.
    pub(crate) fn making(&self, origin: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.lock().shelf.making(origin)
    }

    /// Remembers that this origin wants HTTP/1.1.
    pub(crate) fn set_http1_only(&self, origin: &str) {
        self.lock().shelf.set_http1_only(origin);
    }

    pub(crate) fn is_http1_only(&self, origin: &str) -> bool {
        self.lock().shelf.is_http1_only(origin)
    }

    /// Whether it holds no connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().shelf.is_empty()
    }

    /// Starts the task that closes what is unused for too long, unless it runs.
    fn sweep_later(self: &Arc<Self>, state: &mut State) {
        if state.sweeper.is_none() {
            let sweeping = tokio::spawn(sweep(Arc::downgrade(self)));
            state.sweeper = Some(sweeping.abort_handle());
        }
    }

    fn sweep(&self) -> Option<Instant> {
        let mut closing = Vec::new();
        let mut state = self.lock();
        let next = state.shelf.sweep(now(), &mut closing);
        if next.is_none() {
            state.sweeper = None;
        }
        next.map(Instant::from_std)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(sweeper) = &self.state.get_mut().unwrap_or_else(PoisonError::into_inner).sweeper {
            sweeper.abort();
        }
    }
}

/// Connections are closed at most this much later than they should be, and at most as often as this.
const SWEEP: Duration = Duration::from_secs(1);

/// Closes what is unused for too long, as long as there is anything.
async fn sweep(pool: Weak<Pool>) {
    let mut next = Instant::now();
    loop {
        sleep_until(next.max(Instant::now() + SWEEP)).await;
        let Some(again) = pool.upgrade().and_then(|pool| pool.sweep()) else { return };
        next = again;
    }
}

/// The runtime's clock, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
