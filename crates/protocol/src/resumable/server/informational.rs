use super::{ResumableServer, Stage};
use crate::{
    resumable::{INFORMATIONAL, INFORMATIONAL_BYTES},
    wire::Informational as Message,
};
use afield_exchange::Head;
use bytes::Bytes;

/// The informational responses of one request: kept until the client is known to have the final head, so that they can
/// be sent again.
#[derive(Debug, Default)]
pub(super) struct Informational {
    pub wanted: bool,
    kept: Vec<Bytes>,
    bytes: usize,
}

impl Informational {
    /// Forgets them: the client needs them no more. Returns how many bytes that were.
    pub fn clear(&mut self) -> usize {
        self.wanted = false;
        self.kept.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Those after the first `received`.
    pub fn after(&self, received: u64) -> &[Bytes] {
        let received = usize::try_from(received).unwrap_or(usize::MAX);
        self.kept.get(received..).unwrap_or_default()
    }
}

impl ResumableServer {
    /// Passes an informational response on, if they are wanted and the final head is not there. The first
    /// [`INFORMATIONAL`] go, as far as they are together no larger than [`INFORMATIONAL_BYTES`]; others are dropped, since
    /// none of them may be needed to understand the final one.
    pub fn inform(&mut self, call: u64, head: &Head) {
        let Some(held) = self.calls.get_mut(&call).filter(|held| held.answer.is_none()) else { return };
        let informational = &mut held.informational;
        if !informational.wanted || informational.kept.len() == INFORMATIONAL {
            return;
        }
        let text = Message::encode(call, informational.kept.len() as u64 + 1, head);
        if informational.bytes + text.len() > INFORMATIONAL_BYTES {
            return;
        }
        informational.bytes += text.len();
        informational.kept.push(text.clone());
        self.kept_answers += text.len();
        if self.stage == Stage::Live {
            self.say(text);
        }
    }
}
