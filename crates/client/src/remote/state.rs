use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};
use tokio::sync::watch;

/// How the connection to an executor stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There is none: the next exchange makes one.
    #[default]
    Idle,
    /// There is one.
    Connected {
        /// What is spoken: `base` or `afield/1`.
        dialect: Arc<str>,
        /// How often it has been lost and resumed since the session began.
        resumed: u32,
    },
    /// It was lost, and exchanges under way wait for another one. Only in afield/1.
    Reconnecting {
        /// Why it was lost.
        why: Arc<str>,
        /// Attempts that have failed since.
        attempts: u32,
        /// Why the latest of them has.
        failed: Option<Arc<str>>,
    },
    /// There is none yet: an attempt has failed, and another one follows.
    Connecting {
        /// Attempts that have failed.
        attempts: u32,
        /// Why the latest of them has.
        failed: Arc<str>,
    },
}

/// Where watchers look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    sender: watch::Sender<ConnectionState>,
    newest: Arc<AtomicU64>,
}

impl Board {
    pub fn watch(&self) -> watch::Receiver<ConnectionState> {
        self.sender.subscribe()
    }

    /// For a session that begins: it is the newest from now on.
    pub fn teller(&self) -> Teller {
        let number = self.newest.fetch_add(1, SeqCst) + 1;
        Teller { board: self.clone(), number }
    }
}

/// Tells watchers how one session stands. The end of an older one may take a moment: once there is a newer one, nobody
/// wants to hear of it.
#[derive(Debug)]
pub(crate) struct Teller {
    board: Board,
    number: u64,
}

impl Teller {
    pub fn say(&self, new: ConnectionState) {
        self.board.sender.send_if_modified(|state| {
            let is_newest = self.board.newest.load(SeqCst) == self.number;
            if is_newest {
                *state = new;
            }
            is_newest
        });
    }
}
