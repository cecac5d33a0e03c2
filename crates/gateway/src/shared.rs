use crate::{config::Config, listener::Listener, live::Live, opening::Openings, sockets::Sockets};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// What every connection of a gateway shares.
pub(crate) struct Shared {
    live: RwLock<Arc<Live>>,
    pub openings: Openings,
    pub connections: Arc<Semaphore>,
    pub head_timeout: Duration,
    pub head_bytes: usize,
    /// How long idle connections stay when the gateway drains.
    pub linger: Duration,
    pub sockets: Sockets,
    /// Requests that began before the gateway was told to stop.
    pub began_early: TaskTracker,
    /// Cancelled when no further requests are taken.
    pub draining: CancellationToken,
    /// Cancelled when the grace is over.
    pub over: CancellationToken,
    /// The listeners there are. Held while they are replaced.
    pub listeners: tokio::sync::Mutex<Vec<Listener>>,
    /// Takes those that are to be run.
    pub added: mpsc::UnboundedSender<(Listener, TcpListener)>,
}

impl Shared {
    pub fn new(live: Live, fixed: Fixed, added: mpsc::UnboundedSender<(Listener, TcpListener)>) -> Self {
        let Fixed { connections, head_timeout, head_bytes, linger, sockets } = fixed;
        Self {
            live: RwLock::new(Arc::new(live)),
            openings: Openings::default(),
            connections: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            head_timeout,
            head_bytes,
            linger,
            sockets,
            began_early: TaskTracker::new(),
            draining: CancellationToken::new(),
            over: CancellationToken::new(),
            listeners: tokio::sync::Mutex::default(),
            added,
        }
    }

    /// A place among the requests that began before the gateway was told to stop; none once it was.
    pub fn early(&self) -> Option<TaskTrackerToken> {
        (!self.draining.is_cancelled()).then(|| self.began_early.token())
    }

    /// The configuration that is in place.
    pub fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another in its place.
    pub fn replace(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }
}

/// The part of a configuration that cannot be replaced while the gateway runs.
pub(crate) struct Fixed {
    connections: usize,
    head_timeout: Duration,
    head_bytes: usize,
    linger: Duration,
    pub sockets: Sockets,
}

impl Fixed {
    pub fn of(config: &mut Config) -> Self {
        Self {
            connections: config.connections,
            head_timeout: config.head_timeout,
            head_bytes: config.head_bytes,
            linger: config.linger,
            sockets: Sockets::new(std::mem::take(&mut config.inherited), config.shares_ports),
        }
    }
}
