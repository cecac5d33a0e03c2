//! Which connections are kept, and which of them serves a request. No sockets and no clock: `now` is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;

/// A handle to a connection that serves many requests at a time. A handle may hold a place among them, until it is
/// dropped.
pub(crate) trait Shared: Sized {
    /// Whether the connection takes further requests at all.
    fn is_open(&self) -> bool;
    /// Another handle, with a place if there is one.
    fn enter(&self) -> Option<Self>;
    /// Another handle, with a place beyond those there are: it waits for its turn.
    fn crowd(&self) -> Self;
    /// Another handle, without a place.
    fn kept(&self) -> Self;
    /// Whether nobody has a place.
    fn is_idle(&self) -> bool;
}

/// How many connections are kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How long a connection is kept unused.
    pub(crate) idle: Duration,
    /// Unused connections to one origin.
    pub(crate) idle_per_origin: usize,
    /// Unused connections in all.
    pub(crate) idle_in_all: usize,
    /// Shared connections to one origin.
    pub(crate) shared_per_origin: usize,
    /// Origins that are remembered to want HTTP/1.1.
    pub(crate) remembered: usize,
}

/// The connections of one principal under one identity, by origin. `E` serve one request at a time, `S` many.
///
/// What is taken is nobody else's until it is parked again, so a connection never serves two requests at once; what has
/// been unused for too long is never given out.
pub(crate) struct Shelf<E, S> {
    bounds: Bounds,
    origins: HashMap<Box<str>, Origin<E, S>>,
    idle: usize,
    http1_only: usize,
}

struct Origin<E, S> {
    /// In the order in which they were parked.
    idle: Vec<(Instant, E)>,
    shared: Vec<(Instant, S)>,
    /// The origin has refused HTTP/2 (RFC 9113, section 7, HTTP_1_1_REQUIRED).
    http1_only: bool,
    making: Arc<AsyncMutex<()>>,
}

impl<E, S> Default for Origin<E, S> {
    fn default() -> Self {
        Self { idle: Vec::new(), shared: Vec::new(), http1_only: false, making: Arc::default() }
    }
}

impl<E, S: Shared> Shelf<E, S> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, origins: HashMap::new(), idle: 0, http1_only: 0 }
    }

    /// Takes the connection that was parked last. Those that are too old go to `closing`.
    pub(crate) fn take(&mut self, origin: &str, now: Instant, closing: &mut Vec<E>) -> Option<E> {
        let kept = &mut self.origins.get_mut(origin)?.idle;
        let (parked, connection) = kept.pop()?;
        self.idle -= 1;
        if now < parked + self.bounds.idle {
            return Some(connection);
        }
        // Those below it are older still.
        self.idle -= kept.len();
        closing.push(connection);
        closing.extend(kept.drain(..).map(|(_, older)| older));
        None
    }

    /// Keeps an unused connection for the next request. Returns what is to be closed for it: itself, or an older one.
    pub(crate) fn park(&mut self, origin: &str, connection: E, now: Instant) -> Option<E> {
        if self.idle >= self.bounds.idle_in_all || self.bounds.idle_per_origin == 0 {
            return Some(connection);
        }
        let kept = &mut entry(&mut self.origins, origin).idle;
        kept.push((now, connection));
        if kept.len() > self.bounds.idle_per_origin {
            return Some(kept.remove(0).1);
        }
        self.idle += 1;
        None
    }

    /// A shared connection with room.
    pub(crate) fn share(&mut self, origin: &str, now: Instant) -> Option<S> {
        let shared = &mut self.origins.get_mut(origin)?.shared;
        shared.retain(|(_, connection)| connection.is_open());
        shared.iter_mut().find_map(|(used, connection)| {
            let entered = connection.enter()?;
            *used = now;
            Some(entered)
        })
    }

    /// Any shared connection, for want of one with room, if there may be no more of them.
    pub(crate) fn crowd(&mut self, origin: &str, now: Instant) -> Option<S> {
        let shared = &mut self.origins.get_mut(origin)?.shared;
        shared.retain(|(_, connection)| connection.is_open());
        if shared.len() < self.bounds.shared_per_origin {
            return None;
        }
        // The one that was used least recently: so that they take turns.
        let (used, connection) = shared.iter_mut().min_by_key(|(used, _)| *used)?;
        *used = now;
        Some(connection.crowd())
    }

    /// Offers a new shared connection. Returns the one to use: another that has room, else this one. Where there are as many
    /// as there may be, it is used once.
    pub(crate) fn offer(&mut self, origin: &str, connection: S, now: Instant) -> S {
        if let Some(other) = self.share(origin, now) {
            return other;
        }
        let entry = entry(&mut self.origins, origin);
        if !entry.http1_only && entry.shared.len() < self.bounds.shared_per_origin {
            entry.shared.push((now, connection.kept()));
        }
        connection.crowd()
    }

    /// Whether there is, or was a moment ago, a shared connection to this origin.
    pub(crate) fn is_shared(&self, origin: &str) -> bool {
        self.origins.get(origin).is_some_and(|origin| !origin.shared.is_empty())
    }

    /// Held while a shared connection to this origin is made, so that requests which come meanwhile wait for it.
    pub(crate) fn making(&mut self, origin: &str) -> Arc<AsyncMutex<()>> {
        Arc::clone(&entry(&mut self.origins, origin).making)
    }

    /// Remembers that this origin wants HTTP/1.1, and gives up the shared connections to it.
    pub(crate) fn set_http1_only(&mut self, origin: &str) {
        let entry = entry(&mut self.origins, origin);
        entry.shared.clear();
        if !entry.http1_only && self.http1_only < self.bounds.remembered {
            entry.http1_only = true;
            self.http1_only += 1;
        }
    }

    pub(crate) fn is_http1_only(&self, origin: &str) -> bool {
        self.origins.get(origin).is_some_and(|origin| origin.http1_only)
    }

    /// Takes out what is too old. Returns when to look again, if there is anything left.
    pub(crate) fn sweep(&mut self, now: Instant, closing: &mut Vec<E>) -> Option<Instant> {
        let idle = self.bounds.idle;
        let mut next: Option<Instant> = None;
        let mut see = |until: Instant| next = Some(next.map_or(until, |next| next.min(until)));
        self.origins.retain(|_, origin| {
            let old = origin.idle.iter().take_while(|(parked, _)| *parked + idle <= now).count();
            self.idle -= old;
            closing.extend(origin.idle.drain(..old).map(|(_, connection)| connection));
            origin.idle.first().into_iter().for_each(|(parked, _)| see(*parked + idle));
            origin.shared.retain(|(used, connection)| {
                connection.is_open() && !(connection.is_idle() && *used + idle <= now)
            });
            origin.shared.iter().for_each(|(used, _)| see((*used).max(now) + idle));
            !origin.idle.is_empty() || !origin.shared.is_empty() || origin.http1_only
        });
        next
    }

    /// Whether it holds no connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle == 0 && self.origins.values().all(|origin| origin.shared.is_empty())
    }

    /// Unused connections.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        self.idle
    }
}

/// The entry of an origin. Its name is copied only where it is new.
fn entry<'a, E, S>(origins: &'a mut HashMap<Box<str>, Origin<E, S>>, origin: &str) -> &'a mut Origin<E, S> {
    if !origins.contains_key(origin) {
        origins.insert(origin.into(), Origin::default());
    }
    origins.get_mut(origin).expect("it was inserted if it was not there")
}

#[cfg(test)]
mod tests;
