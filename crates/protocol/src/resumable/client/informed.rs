use super::{ClientEvent, ResumableClient};
use crate::{
    resumable::{INFORMATIONAL, INFORMATIONAL_BYTES},
    wire::Informational,
};
use afield_exchange::Head;
use std::collections::VecDeque;

/// The informational responses of one request.
#[derive(Debug, Default)]
pub(super) struct Informed {
    /// The greatest that came.
    seq: u64,
    /// Their bytes as messages.
    bytes: usize,
    unread: VecDeque<Head>,
}

impl Informed {
    /// How many have come: all up to this one, or they were dropped.
    pub fn received(&self) -> u64 {
        self.seq
    }

    /// Takes one that is `bytes` long as a message. Returns whether it is new, and within the limits.
    fn receive(&mut self, informational: Informational, bytes: usize) -> bool {
        let seq = informational.seq;
        let is_new = seq > self.seq && seq <= INFORMATIONAL as u64;
        if !is_new || self.bytes + bytes > INFORMATIONAL_BYTES {
            return false;
        }
        self.seq = seq;
        self.bytes += bytes;
        self.unread.push_back(informational.head);
        true
    }
}

impl ResumableClient {
    /// The next informational response of a request, each once and in order. To be asked before the answer is taken.
    pub fn poll_informational(&mut self, id: u64) -> Option<Head> {
        self.calls.get_mut(&id)?.informational.unread.pop_front()
    }

    pub(super) fn informed(&mut self, informational: Informational, bytes: usize) {
        let id = informational.request_id;
        let call =
            self.calls.get_mut(&id).filter(|call| call.sent && !call.answered && call.failed.is_none());
        if call.is_some_and(|call| call.informational.receive(informational, bytes)) {
            self.events.push_back(ClientEvent::Readable(id));
        } else {
            self.ignored += 1;
        }
    }
}
