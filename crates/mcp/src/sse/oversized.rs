use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
};

/// How many streams are remembered.
const KEPT: usize = 64;

/// Which stream a `GET` goes on with: what rmcp would ask for next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lineage {
    url: Arc<str>,
    session_id: Option<Arc<str>>,
    last_event_id: Option<String>,
    /// Whether it began as the reply to a message. Such a stream is only gone on with once it had an id.
    is_reply: bool,
}

impl Lineage {
    pub(crate) fn new(url: Arc<str>, session_id: Option<Arc<str>>, last_event_id: Option<String>) -> Self {
        Self { url, session_id, last_event_id, is_reply: false }
    }

    pub(crate) fn of_a_reply(mut self) -> Self {
        self.is_reply = true;
        self
    }

    /// An event with this id was handed on.
    pub(super) fn seen(&mut self, id: &str) {
        match &mut self.last_event_id {
            Some(last) => id.clone_into(last),
            none => *none = Some(id.to_owned()),
        }
    }
}

/// Streams that an event too large has ended.
///
/// rmcp ends such a stream for good, but only where its own HTTP client says so, in a type of its own; any other client's
/// word it takes for a lost connection, and asks at once for the rest: for the same event, from a server that keeps its
/// promise to send it again, for ever. So the request for the rest is refused here, once.
#[derive(Clone, Default)]
pub(crate) struct Oversized(Arc<Inner>);

#[derive(Default)]
struct Inner {
    hasher: RandomState,
    ended: Mutex<VecDeque<u64>>,
}

impl Oversized {
    /// This stream was ended.
    pub(super) fn ended(&self, lineage: &Lineage) {
        if lineage.is_reply && lineage.last_event_id.is_none() {
            return;
        }
        let mut ended = self.list();
        if ended.len() == KEPT {
            ended.pop_front();
        }
        ended.push_back(self.key(lineage));
    }

    /// Whether a stream that was ended would be gone on with. Says so once for each.
    pub(crate) fn is_continued_by(&self, lineage: &Lineage) -> bool {
        let mut ended = self.list();
        if ended.is_empty() {
            return false;
        }
        let key = self.key(lineage);
        let found = ended.iter().position(|ended| *ended == key);
        found.and_then(|index| ended.remove(index)).is_some()
    }

    fn key(&self, lineage: &Lineage) -> u64 {
        self.0.hasher.hash_one((&lineage.url, &lineage.session_id, &lineage.last_event_id))
    }

    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        self.0.ended.lock().expect("nothing panics while holding the list of streams")
    }
}
