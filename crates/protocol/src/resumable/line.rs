use std::collections::BTreeMap;

/// Streams that wait for a turn, in the order in which they came. Whoever has no more use for a turn leaves, so that a
/// line is never longer than there are streams.
#[derive(Debug, Default)]
pub(super) struct Line {
    next: u64,
    waiting: BTreeMap<u64, u64>,
}

/// A place in a [`Line`].
#[derive(Debug)]
pub(super) struct Ticket(u64);

impl Line {
    pub fn join(&mut self, id: u64) -> Ticket {
        self.next += 1;
        self.waiting.insert(self.next, id);
        Ticket(self.next)
    }

    pub fn leave(&mut self, ticket: Option<Ticket>) {
        if let Some(Ticket(place)) = ticket {
            self.waiting.remove(&place);
        }
    }

    pub fn pop(&mut self) -> Option<u64> {
        self.waiting.pop_first().map(|(_, id)| id)
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
