//! Requests in the order in which they came, where the order counts.
//!
//! A client of a server with sessions begins one, says that it is ready, asks for the session's stream (`GET`,
//! `Accept: text/event-stream`) and goes on at once. What the server then says on a stream that is not open yet, many servers
//! lose, and a call whose question is lost never ends. Directly, each of these requests takes a connection of its own, and
//! they arrive in turn; behind a relay they find connections that are open already, and the later one overtakes.
//!
//! So the requests of a session wait for its stream: as long as it takes to be asked for, for a moment after the session has
//! begun; as long as its head takes, if it is asked for. All that is looked at is the field `Mcp-Session-Id`.

use afield_exchange::Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::ACCEPT};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long the requests of a session that has just begun wait for its stream to be asked for. A client that wants none is
/// delayed by this, once in a session.
const DUE: Duration = Duration::from_millis(50);

/// How long they wait for its head. A server that holds back the head until there is an event delays them by this.
const OPENING: Duration = Duration::from_millis(500);

/// Sessions without a stream that are remembered; beyond these the oldest is forgotten.
const MOST: usize = 1024;

pub(crate) static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Sessions whose streams are not open yet.
#[derive(Clone, Default)]
pub(crate) struct Openings(Arc<Mutex<VecDeque<Opening>>>);

struct Opening {
    url: Arc<str>,
    session: HeaderValue,
    stage: Arc<watch::Sender<Stage>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The session has begun; the next request says that the client is ready.
    Begun,
    /// That request is under way; it is waited for until then.
    Ready(Instant),
    /// The stream may be asked for, until then.
    Due(Instant),
    /// It was asked for; its head is waited for until then.
    Asked(Instant),
    /// It is open, or will not be.
    Over,
}

impl Openings {
    /// Takes note of an answer: a session begins with one that names it although the request did not.
    pub fn answered(&self, url: &str, request: &HeaderMap, answer: &Head) {
        let Some(session) = answer.header(SESSION.as_str()) else { return };
        if !request.contains_key(&SESSION)
            && let Ok(session) = HeaderValue::from_maybe_shared(session.value.clone())
        {
            self.push(url, &session, Stage::Begun);
        }
    }

    /// Takes note of a request and waits for its turn, which lasts until what is returned is dropped. Cancel safe.
    pub async fn turn(&self, method: &Method, headers: &HeaderMap, url: &str) -> Option<Turn> {
        let session = headers.get(&SESSION)?;
        let opening = self.find(url, session);
        if is_stream(method, headers) {
            let stage = opening.unwrap_or_else(|| self.push(url, session, Stage::Begun));
            stage.send_replace(Stage::Asked(Instant::now() + OPENING));
            return Some(Turn { openings: self.clone(), stage, then: Then::Over });
        }
        let stage = opening?;
        let ready = Stage::Ready(Instant::now() + OPENING);
        if replace(&stage, |now| now == Stage::Begun, ready) {
            return Some(Turn { openings: self.clone(), stage, then: Then::Due });
        }
        wait(stage.subscribe()).await;
        None
    }

    fn push(&self, url: &str, session: &HeaderValue, stage: Stage) -> Arc<watch::Sender<Stage>> {
        let stage = Arc::new(watch::Sender::new(stage));
        let mut openings = self.list();
        if openings.len() == MOST {
            openings.pop_front();
        }
        openings.push_back(Opening { url: url.into(), session: session.clone(), stage: stage.clone() });
        stage
    }

    fn find(&self, url: &str, session: &HeaderValue) -> Option<Arc<watch::Sender<Stage>>> {
        let now = Instant::now();
        let mut openings = self.list();
        openings.retain(|opening| match *opening.stage.borrow() {
            Stage::Begun => true,
            Stage::Ready(until) | Stage::Due(until) | Stage::Asked(until) => until > now,
            Stage::Over => false,
        });
        let found = openings.iter().find(|opening| opening.session == *session && *opening.url == *url);
        found.map(|opening| opening.stage.clone())
    }

    fn forget(&self, stage: &Arc<watch::Sender<Stage>>) {
        self.list().retain(|opening| !Arc::ptr_eq(&opening.stage, stage));
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Opening>> {
        self.0.lock().expect("nothing panics while holding the list of openings")
    }
}

/// Waits until the stream is open, or has kept the session waiting for long enough.
async fn wait(mut stage: watch::Receiver<Stage>) {
    loop {
        let now = *stage.borrow_and_update();
        let (Stage::Ready(until) | Stage::Due(until) | Stage::Asked(until)) = now else { return };
        if !matches!(timeout_at(until, stage.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Whether the stage was such, and is this one now.
fn replace(stage: &watch::Sender<Stage>, is_such: impl Fn(Stage) -> bool, next: Stage) -> bool {
    stage.send_if_modified(|stage| {
        let such = is_such(*stage);
        if such {
            *stage = next;
        }
        such
    })
}

/// Whether this asks for a session's stream.
pub(crate) fn is_stream(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::GET && headers.contains_key(&SESSION) && wants_events(headers)
}

pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    let named = |value: &HeaderValue| value.as_bytes().windows(17).any(|part| part == b"text/event-stream");
    headers.get_all(ACCEPT).iter().any(named)
}

/// A request for which others of its session wait.
pub(crate) struct Turn {
    openings: Openings,
    stage: Arc<watch::Sender<Stage>>,
    then: Then,
}

enum Then {
    Due,
    Over,
}

impl Drop for Turn {
    fn drop(&mut self) {
        match self.then {
            Then::Due => {
                let due = Stage::Due(Instant::now() + DUE);
                // Unless the stream was asked for meanwhile.
                replace(&self.stage, |now| matches!(now, Stage::Ready(_)), due);
            }
            Then::Over => {
                self.openings.forget(&self.stage);
                self.stage.send_replace(Stage::Over);
            }
        }
    }
}

#[cfg(test)]
mod tests;
