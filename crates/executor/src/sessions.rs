use crate::{session_id::session_id, shared::Shared};
use afield_transport::Principal;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

/// Every session of this executor, attached to a connection or waiting for one.
///
/// In the base dialect a session holds nothing but its name: losing the connection has ended its requests. It lives
/// on so that a client that asks for it gets it, and so that a newer connection can take it from an older one.
pub(crate) struct Sessions {
    most: usize,
    grace: Duration,
    table: Mutex<HashMap<String, Session>>,
}

struct Session {
    principal: Principal,
    place: Place,
}

impl Session {
    fn is_attached_to(&self, connection: &Arc<Shared>) -> bool {
        matches!(&self.place, Place::Attached(attached) if attached.as_ptr() == Arc::as_ptr(connection))
    }
}

enum Place {
    Attached(Weak<Shared>),
    /// Since when nobody is attached.
    Detached(Instant),
}

/// Why there is no session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoSession {
    Unknown(String),
    TooMany(usize),
}

impl Sessions {
    pub fn new(most: usize, grace: Duration) -> Self {
        Self { most, grace, table: Mutex::default() }
    }

    /// Makes a session, attached to this connection.
    pub fn create(
        &self,
        principal: &Principal,
        connection: &Arc<Shared>,
        now: Instant,
    ) -> Result<String, NoSession> {
        let mut table = self.lock();
        if table.len() >= self.most {
            self.forget_expired(&mut table, now);
        }
        if table.len() >= self.most {
            return Err(NoSession::TooMany(self.most));
        }
        let id = session_id();
        let place = Place::Attached(Arc::downgrade(connection));
        table.insert(id.clone(), Session { principal: principal.clone(), place });
        Ok(id)
    }

    /// Attaches this connection to a session. A connection that was attached to it is evicted in the same step: from
    /// then on it emits nothing and what it still sends is not looked at.
    pub fn resume(
        &self,
        id: &str,
        principal: &Principal,
        connection: &Arc<Shared>,
        now: Instant,
    ) -> Result<(), NoSession> {
        let mut table = self.lock();
        self.forget_expired(&mut table, now);
        let session = table
            .get_mut(id)
            .filter(|session| session.principal == *principal)
            .ok_or_else(|| NoSession::Unknown(id.to_owned()))?;
        let before = std::mem::replace(&mut session.place, Place::Attached(Arc::downgrade(connection)));
        if let Place::Attached(older) = before
            && let Some(older) = older.upgrade()
        {
            older.evict();
        }
        Ok(())
    }

    /// Says that this connection is gone. Its session waits for another one, for the grace.
    pub fn detach(&self, id: &str, connection: &Arc<Shared>, now: Instant) {
        let mut table = self.lock();
        if let Some(session) = table.get_mut(id)
            && session.is_attached_to(connection)
        {
            session.place = Place::Detached(now);
        }
    }

    /// Ends a session that is attached to this connection: nobody can resume it any more.
    pub fn end(&self, id: &str, connection: &Arc<Shared>) {
        let mut table = self.lock();
        if table.get(id).is_some_and(|session| session.is_attached_to(connection)) {
            table.remove(id);
        }
    }

    fn forget_expired(&self, table: &mut HashMap<String, Session>, now: Instant) {
        table.retain(|_, session| match &session.place {
            // A connection that went without a word, by a defect, leaves nothing behind either.
            Place::Attached(connection) => connection.strong_count() > 0,
            Place::Detached(since) => now.saturating_duration_since(*since) < self.grace,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.table.lock().expect("nothing panics while holding the table of sessions")
    }
}
