use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long messages wait for the stream of their session at most, counted from its beginning. Servers that hold back the
/// head of a stream until there is an event delay the first message by this, once.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sessions that have begun and whose stream is not open yet.
///
/// rmcp opens it as soon as the session has begun, but does not wait for it: the next message may overtake it, all the more
/// as it finds a connection that is open already. What a server then says on the stream, many lose: a request of its own
/// in the middle of a call is never answered, and the call never ends. So messages wait here for what was asked before them.
#[derive(Clone, Default)]
pub(crate) struct Openings(Arc<Mutex<VecDeque<Opening>>>);

struct Opening {
    session_id: Arc<str>,
    until: Instant,
    done: Arc<watch::Sender<bool>>,
}

impl Openings {
    /// A session has begun: its stream will be asked for.
    pub(crate) fn begin(&self, session_id: &Arc<str>) {
        let now = Instant::now();
        let mut openings = self.list();
        // Nobody waits for these any more, whatever came of them.
        openings.retain(|opening| opening.until > now);
        let (session_id, done) = (session_id.clone(), Arc::default());
        openings.push_back(Opening { session_id, until: now + PATIENCE, done });
    }

    /// Lets the messages of this session go on once what is returned is dropped: the stream is open, or will not be.
    pub(crate) fn open(&self, session_id: Option<&Arc<str>>) -> Option<impl Drop + use<>> {
        let session_id = session_id?;
        let openings = self.list();
        let index = openings.iter().position(|opening| opening.session_id == *session_id)?;
        let done = openings[index].done.clone();
        drop(openings);
        Some(Done { openings: self.clone(), done })
    }

    /// Waits until the stream of this session is open, or will not be, or has kept its messages waiting for long enough.
    pub(crate) async fn wait(&self, session_id: Option<&Arc<str>>) {
        let Some((until, mut done)) = self.find(session_id) else { return };
        // Past that time, or without anybody to open it, messages go without it.
        let _ = timeout_at(until, done.wait_for(|done| *done)).await;
    }

    fn find(&self, session_id: Option<&Arc<str>>) -> Option<(Instant, watch::Receiver<bool>)> {
        let session_id = session_id?;
        let openings = self.list();
        let opening = openings.iter().find(|opening| opening.session_id == *session_id)?;
        Some((opening.until, opening.done.subscribe()))
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Opening>> {
        self.0.lock().expect("nothing panics while holding the list of sessions")
    }
}

struct Done {
    openings: Openings,
    done: Arc<watch::Sender<bool>>,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.openings.list().retain(|opening| !Arc::ptr_eq(&opening.done, &self.done));
        self.done.send_replace(true);
    }
}

#[cfg(test)]
mod tests;
