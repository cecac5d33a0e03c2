use crate::{listener::Listener, live::Live, opening::Openings};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

/// What every connection of a gateway shares.
pub(crate) struct Shared {
    live: RwLock<Arc<Live>>,
    pub openings: Openings,
    pub connections: Arc<Semaphore>,
    pub head_timeout: Duration,
    pub head_bytes: usize,
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
    pub fn new(
        live: Live,
        connections: usize,
        (head_timeout, head_bytes): (Duration, usize),
        added: mpsc::UnboundedSender<(Listener, TcpListener)>,
    ) -> Self {
        Self {
            live: RwLock::new(Arc::new(live)),
            openings: Openings::default(),
            connections: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            head_timeout,
            head_bytes,
            draining: CancellationToken::new(),
            over: CancellationToken::new(),
            listeners: tokio::sync::Mutex::default(),
            added,
        }
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
