use crate::turns::{Threads, Turns};
use afield_exchange::{Budget, Error, Limits, Permit, Retry, Share};
use afield_transport::Principal;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedSemaphorePermit;

/// What a request costs in memory besides what is kept of its bodies: a task, and what was read ahead at the origin's socket.
pub const REQUEST_BYTES: usize = 64 * 1024;
/// What a connection costs besides large messages: buffers for reading and writing, TLS.
pub(crate) const CONNECTION_BYTES: usize = 64 * 1024;

/// Everything that principals share: divided so that none takes what another is guaranteed.
pub(crate) struct Shares {
    bytes: Budget,
    connections: Budget,
    sessions: Budget,
    requests: Budget,
    idle_connections: Budget,
    threads: Arc<Threads>,
    known: Mutex<HashMap<Principal, Arc<Portion>>>,
}

/// What one principal has of it.
pub(crate) struct Portion {
    /// What is kept in memory for it.
    pub bytes: Share,
    pub connections: Share,
    pub sessions: Share,
    requests: Share,
    /// Connections to origins that are kept unused.
    pub idle_connections: Share,
    /// Where its tasks run.
    pub turns: Arc<Turns>,
    /// The most that it may have, to be said when it has.
    pub most: Most,
}

/// What one principal may have at most.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    pub sessions: usize,
    pub requests: usize,
}

/// A request's place. The request's task holds it, so that it is free when the origin's socket is gone and not before.
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _own: Permit,
    _bytes: Permit,
}

impl Shares {
    /// By these limits, for so many principals that each have a guaranteed part.
    pub fn new(limits: &Limits, principals: usize) -> Arc<Self> {
        let budget = |total| Budget::new(total, principals);
        let threads = Threads::current();
        Arc::new(Self {
            bytes: budget(limits.kept_bytes),
            connections: budget(limits.connections),
            sessions: budget(limits.sessions),
            requests: budget(limits.requests),
            idle_connections: budget(limits.idle_connections),
            threads,
            known: Mutex::default(),
        })
    }

    /// Bytes that are kept for all principals together, and the most that were since this was asked before.
    pub fn kept_bytes(&self) -> (usize, usize) {
        (self.bytes.used(), self.bytes.take_high())
    }

    /// This principal's. Of others, those are forgotten that have nothing any more, so that their parts can be given on.
    pub fn of(&self, principal: &Principal) -> Arc<Portion> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(portion) = known.get(principal) {
            return portion.clone();
        }
        known.retain(|_, portion| Arc::strong_count(portion) > 1 || portion.is_used());
        let portion = Arc::new(Portion {
            bytes: self.bytes.share(),
            connections: self.connections.share(),
            sessions: self.sessions.share(),
            requests: self.requests.share(),
            idle_connections: self.idle_connections.share(),
            turns: self.threads.turns(),
            most: Most { sessions: self.sessions.most(), requests: self.requests.most() },
        });
        known.insert(principal.clone(), portion.clone());
        portion
    }
}

impl Portion {
    fn is_used(&self) -> bool {
        let Self { bytes, connections, sessions, requests, idle_connections, .. } = self;
        [bytes, connections, sessions, requests, idle_connections].iter().any(|share| share.used() > 0)
    }

    /// A request's place, with one among all requests.
    ///
    /// # Errors
    ///
    /// What to tell the caller when it has all it may have.
    pub fn admit(&self, of_all: OwnedSemaphorePermit) -> Result<Arc<Place>, Error> {
        let own = self.requests.take(1).map_err(|_| {
            let most = self.most.requests;
            Error::overloaded(format!(
                "{most} requests of yours are active on this executor, the most there may be"
            ))
        })?;
        let bytes = self.bytes.take(REQUEST_BYTES).map_err(|_| Error::share_used_up(Retry::Safe))?;
        Ok(Arc::new(Place { _of_all: of_all, _own: own, _bytes: bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that whoever comes again finds its share as it was while anything of it is used, and that the part of one who
    /// has nothing any more goes to the next.
    #[test]
    fn a_share_is_kept_while_anything_of_it_is_used() {
        let limits = Limits { connections: 40, ..Limits::default() };
        let shares = Shares::new(&limits, 2);
        let [ann, bob, eve] = ["ann", "bob", "eve"].map(Principal::token);
        let kept = shares.of(&ann).connections.take(30).unwrap();
        assert!(shares.of(&ann).connections.take(1).is_err());
        let others = shares.of(&bob).connections.take(10).unwrap();
        assert!(shares.of(&eve).connections.take(1).is_err(), "no part is left, and nothing in common");
        drop(kept);
        drop(others);
        assert!(shares.of(&Principal::token("another")).connections.take(30).is_ok());
    }
}
