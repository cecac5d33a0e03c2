use super::{
    backoff::Backoff,
    config::RemoteConfig,
    error::ConnectError,
    link::Link,
    passing::{Aim, is_passing},
    state::{Board, ConnectionState},
};
use afield_exchange::{Error, Retry};
use futures_util::{
    FutureExt,
    future::{Shared, WeakShared},
};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How often an executor that takes no session now is tried again where nobody waits for it.
const ELSEWHERE: u32 = 2;

/// Keeps one connection, and makes another when that is lost.
pub(crate) struct Connector {
    pub config: Arc<RemoteConfig>,
    board: Board,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    /// Those before it that still seek their way back, held by their calls.
    former: Vec<Weak<Link>>,
    /// The attempt that is under way, held by those who wait for it: when all of them let go, it ends.
    attempt: Option<WeakShared<Attempt>>,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Arc<Link>, Error>> + Send>>;

impl Connector {
    pub fn new(config: RemoteConfig) -> Self {
        Self { config: Arc::new(config), board: Board::default(), slot: Mutex::default() }
    }

    /// How the connection stands, and will.
    pub fn watch(&self) -> watch::Receiver<ConnectionState> {
        self.board.watch()
    }

    /// The connection, if there is one that is not over.
    pub fn present(&self) -> Option<Arc<Link>> {
        self.slot().link.clone().filter(|link| !link.is_over())
    }

    /// Takes every connection out. The next exchange connects anew, whatever has become of them.
    pub fn take(&self) -> Vec<Arc<Link>> {
        let mut slot = self.slot();
        let former = std::mem::take(&mut slot.former);
        slot.link.take().into_iter().chain(former.iter().filter_map(Weak::upgrade)).collect()
    }

    /// A connection for the next exchange: the present one, or a new one. All who need a new one at the same time share
    /// the attempt and what comes of it.
    pub async fn link(self: &Arc<Self>) -> Result<Arc<Link>, Error> {
        let attempt = {
            let mut slot = self.slot();
            if let Some(link) = usable(&slot)? {
                return Ok(link);
            }
            match slot.attempt.as_ref().and_then(WeakShared::upgrade) {
                Some(attempt) => attempt,
                None => {
                    let attempt = self.clone().attempt();
                    slot.attempt = attempt.downgrade();
                    attempt
                }
            }
        };
        attempt.await
    }

    fn attempt(self: Arc<Self>) -> Shared<Attempt> {
        let attempt: Attempt = Box::pin(async move {
            let connected = self.connect().await;
            self.slot().attempt = None;
            connected.map_err(|error| error.to_error())
        });
        attempt.shared()
    }

    /// Connects, trying again until the connect timeout where that may help.
    pub async fn connect(&self) -> Result<Arc<Link>, ConnectError> {
        let deadline = after(self.config.connect_timeout);
        let mut backoff = Backoff::default();
        let teller = self.board.teller();
        loop {
            let error = match Link::open(&self.config, deadline, &self.board).await {
                Ok(link) => return Ok(self.keep(link)),
                Err(error) => error,
            };
            let next = Instant::now() + backoff.next();
            // One that takes no session now may be one of several: the next attempt may be led to another.
            let elsewhere = matches!(error, ConnectError::Busy(_)) && backoff.attempts() <= ELSEWHERE;
            if !(self.config.wait || elsewhere) || !is_passing(&error, Aim::Begin) || next >= deadline {
                teller.say(ConnectionState::Idle);
                return Err(error);
            }
            tracing::debug!(%error, "could not connect to the executor: trying again");
            let failed = error.to_string().into();
            teller.say(ConnectionState::Connecting { attempts: backoff.attempts(), failed });
            sleep_until(next).await;
        }
    }

    fn keep(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        let before = {
            let mut slot = self.slot();
            let before = slot.link.replace(link.clone());
            slot.former.retain(|former| former.strong_count() > 0);
            slot.former.extend(before.iter().filter(|before| !before.is_over()).map(Arc::downgrade));
            before
        };
        drop(before);
        link
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().expect("nothing panics while holding the connection")
    }
}

/// A time beyond what the clock can express is as good as a year.
pub(crate) fn after(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + FAR)
}

fn usable(slot: &Slot) -> Result<Option<Arc<Link>>, Error> {
    let Some(link) = &slot.link else { return Ok(None) };
    let state = link.shared.lock();
    if state.evicted {
        // Coming back would take the session from whoever has it now, and so on for ever.
        return Err(Error::session_lost(Retry::Safe, ConnectError::Evicted.to_string()));
    }
    Ok((state.over.is_none() && !state.astray).then(|| link.clone()))
}
