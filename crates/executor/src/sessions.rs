use crate::{
    session_id::session_id,
    shared::{Owner, Shared},
    shares::Portion,
};
use afield_exchange::Permit;
use afield_transport::Principal;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Every session of this executor, attached to a connection or waiting for one.
///
/// In the base dialect a session holds nothing but its name: losing the connection has ended its requests. It lives
/// on so that a client that asks for it gets it, and so that a newer connection can take it from an older one. In
/// afield/1 it holds its requests, and owns them.
pub(crate) struct Sessions {
    grace: Duration,
    table: Mutex<HashMap<String, Session>>,
}

struct Session {
    principal: Principal,
    held: Held,
    /// Its place among the sessions of its principal.
    _place: Permit,
    /// The principal's, for as long as it has a session.
    _portion: Arc<Portion>,
}

enum Held {
    Base(Place),
    Resumable { owner: Owner, detached: Option<Detached> },
}

/// A session in afield/1 to which nobody is attached.
struct Detached {
    since: Instant,
    /// Ends with this state: the session is resumed or gone.
    _absence: oneshot::Sender<()>,
}

/// Ready when a session is resumed or gone.
pub(crate) type Absence = oneshot::Receiver<()>;

enum Place {
    Attached(Weak<Shared>),
    /// Since when nobody is attached.
    Detached(Instant),
}

impl Place {
    /// Whether it is this connection.
    fn is(&self, connection: &Arc<Shared>) -> bool {
        matches!(self, Self::Attached(attached) if attached.as_ptr() == Arc::as_ptr(connection))
    }
}

/// Why there is no session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoSession {
    Unknown(String),
    TooMany(usize),
}

impl Sessions {
    pub fn new(grace: Duration) -> Self {
        Self { grace, table: Mutex::default() }
    }

    /// How long a session outlives its connection.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Makes a session in the base dialect, attached to this connection.
    pub fn create(
        &self,
        principal: &Principal,
        portion: &Arc<Portion>,
        connection: &Arc<Shared>,
        now: Instant,
    ) -> Result<String, NoSession> {
        self.insert(principal, portion, Held::Base(Place::Attached(Arc::downgrade(connection))), now)
    }

    /// Makes a session in afield/1, about to be attached to a connection.
    pub fn create_resumable(
        &self,
        principal: &Principal,
        portion: &Arc<Portion>,
        session: Arc<Shared>,
        now: Instant,
    ) -> Result<String, NoSession> {
        self.insert(principal, portion, Held::Resumable { owner: Owner(session), detached: None }, now)
    }

    fn insert(
        &self,
        principal: &Principal,
        portion: &Arc<Portion>,
        held: Held,
        now: Instant,
    ) -> Result<String, NoSession> {
        let mut table = self.lock();
        let place = portion.sessions.take(1).or_else(|_| {
            self.make_room(&mut table, principal, now);
            portion.sessions.take(1)
        });
        let place = place.map_err(|_| NoSession::TooMany(portion.most.sessions))?;
        let id = session_id();
        let session =
            Session { principal: principal.clone(), held, _place: place, _portion: portion.clone() };
        table.insert(id.clone(), session);
        Ok(id)
    }

    /// Attaches this connection to a session in the base dialect. A connection that was attached to it is evicted in the
    /// same step: from then on it emits nothing and what it still sends is not looked at.
    pub fn resume(
        &self,
        id: &str,
        principal: &Principal,
        connection: &Arc<Shared>,
        now: Instant,
    ) -> Result<(), NoSession> {
        let mut table = self.lock();
        self.forget_expired(&mut table, now);
        let Some(Held::Base(place)) = held(&mut table, id, principal) else {
            return Err(NoSession::Unknown(id.to_owned()));
        };
        let before = std::mem::replace(place, Place::Attached(Arc::downgrade(connection)));
        if let Place::Attached(older) = before
            && let Some(older) = older.upgrade()
        {
            older.evict();
        }
        Ok(())
    }

    /// Finds a session in afield/1 and lets `attach` attach a connection to it, in one step with looking it up: it cannot
    /// expire between the two.
    pub fn resume_resumable<T, E>(
        &self,
        id: &str,
        principal: &Principal,
        now: Instant,
        attach: impl FnOnce(&Arc<Shared>) -> Result<T, E>,
    ) -> Result<Result<T, E>, NoSession> {
        let mut table = self.lock();
        self.forget_expired(&mut table, now);
        let Some(Held::Resumable { owner, detached }) = held(&mut table, id, principal) else {
            return Err(NoSession::Unknown(id.to_owned()));
        };
        let attached = attach(&owner.0);
        if attached.is_ok() {
            *detached = None;
        }
        Ok(attached)
    }

    /// Says that this connection is gone. Its session, in the base dialect, waits for another one, for the grace.
    pub fn detach(&self, id: &str, connection: &Arc<Shared>, now: Instant) {
        let mut table = self.lock();
        if let Some(Session { held: Held::Base(place), .. }) = table.get_mut(id)
            && place.is(connection)
        {
            *place = Place::Detached(now);
        }
    }

    /// Ends a session in the base dialect that is attached to this connection: nobody can resume it any more.
    pub fn end(&self, id: &str, connection: &Arc<Shared>) {
        let mut table = self.lock();
        if matches!(table.get(id), Some(Session { held: Held::Base(place), .. }) if place.is(connection)) {
            table.remove(id);
        }
    }

    /// Says that the connection of this epoch is gone. Its session, in afield/1, goes on and waits for another one.
    /// Returns how long it does: not at all if another connection is attached already.
    pub fn detach_resumable(&self, id: &str, epoch: u64, now: Instant) -> Option<Absence> {
        let mut table = self.lock();
        let Some(Session { held: Held::Resumable { owner, detached }, .. }) = table.get_mut(id) else {
            return None;
        };
        if !owner.0.detach(epoch) {
            return None;
        }
        let (sender, absence) = oneshot::channel();
        *detached = Some(Detached { since: now, _absence: sender });
        Some(absence)
    }

    /// Ends a session in afield/1, with its requests, in whose connection there is a defect.
    pub fn give_up(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Ends a session in afield/1, with its requests, if no connection was attached since the one of this epoch.
    pub fn end_resumable(&self, id: &str, epoch: u64) {
        let mut table = self.lock();
        let is_its_own = match table.get(id) {
            Some(Session { held: Held::Resumable { owner, .. }, .. }) => owner.0.lock().epoch == epoch,
            _ => false,
        };
        if is_its_own {
            table.remove(id);
        }
    }

    /// Whether a session to which nobody is attached holds answers, or is about to.
    pub fn owe_the_absent(&self) -> bool {
        self.lock().values().any(|session| match &session.held {
            Held::Base(_) => false,
            Held::Resumable { owner, detached } => detached.is_some() && owner.0.lock().server.active() > 0,
        })
    }

    fn forget_expired(&self, table: &mut HashMap<String, Session>, now: Instant) {
        let lives = |since: &Instant| now.saturating_duration_since(*since) < self.grace;
        table.retain(|_, session| match &session.held {
            // A connection that went without a word, by a defect, leaves nothing behind either.
            Held::Base(Place::Attached(connection)) => connection.strong_count() > 0,
            Held::Base(Place::Detached(since)) => lives(since),
            Held::Resumable { detached, .. } => {
                detached.as_ref().is_none_or(|detached| lives(&detached.since))
            }
        });
    }

    /// Forgets what has expired; if there was nothing, the session of this principal without requests that has waited longest.
    fn make_room(&self, table: &mut HashMap<String, Session>, principal: &Principal, now: Instant) {
        let before = table.len();
        self.forget_expired(table, now);
        if table.len() < before {
            return;
        }
        let idle_since = |session: &Session| match &session.held {
            Held::Base(Place::Detached(since)) => Some(*since),
            Held::Resumable { owner, detached } => (detached.as_ref())
                .filter(|_| owner.0.lock().server.active() == 0)
                .map(|detached| detached.since),
            Held::Base(Place::Attached(_)) => None,
        };
        let longest = (table.iter())
            .filter(|(_, session)| session.principal == *principal)
            .filter_map(|(id, session)| Some((idle_since(session)?, id.clone())))
            .min_by_key(|(since, _)| *since);
        if let Some((_, id)) = longest {
            table.remove(&id);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        // A defect in one session is none in the table.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held<'a>(
    table: &'a mut HashMap<String, Session>,
    id: &str,
    principal: &Principal,
) -> Option<&'a mut Held> {
    table.get_mut(id).filter(|session| session.principal == *principal).map(|session| &mut session.held)
}
