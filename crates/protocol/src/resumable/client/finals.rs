use crate::resumable::Consumed;
use std::time::{Duration, Instant};

/// How long a request that is over may wait to be said so. It goes with the next message, if there is one before: whoever has
/// an answer often asks the next thing at once, and one message less to be woken for is what a small request is made of.
const PATIENCE: Duration = Duration::from_millis(5);
/// How many wait at most. The executor keeps the answer of each.
const MOST: usize = 32;

/// What is to be said of requests that are over.
#[derive(Debug, Default)]
pub(super) struct Finals {
    waiting: Vec<Consumed>,
    /// When to look. It stays when what waited has gone with another message, so that nobody sets timers for each request.
    by: Option<Instant>,
}

impl Finals {
    /// Adds one. Returns whether they should wait no longer.
    pub fn add(&mut self, now: Instant, id: u64, offset: u64) -> bool {
        self.waiting.push(Consumed { request_id: id, offset, is_final: true });
        self.by.get_or_insert(now + PATIENCE);
        self.waiting.len() >= MOST
    }

    pub fn take(&mut self) -> Vec<Consumed> {
        std::mem::take(&mut self.waiting)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.by
    }

    /// Whether they have waited long enough.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.by.is_some_and(|by| by <= now);
        if is_due {
            self.by = None;
        }
        is_due
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
