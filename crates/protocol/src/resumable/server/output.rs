use super::{ResumableServer, ServerEvent, Stage, Transmit};
use crate::resumable::BodyKind;
use bytes::Bytes;
use std::time::Instant;

impl ResumableServer {
    /// The next thing to be done.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// The next message to be sent: control, then answers, then one message of each body in turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(text) = self.control.pop_front() {
            self.owed -= text.len();
            return Some(Transmit::Text(text));
        }
        if self.stage != Stage::Live {
            return None;
        }
        while let Some(call) = self.said.pop_first() {
            if let Some(text) = self.consumed_text(call) {
                return Some(Transmit::Text(text));
            }
        }
        while let Some(call) = self.answers.pop_first() {
            let Some(held) = self.calls.get_mut(&call) else { continue };
            held.owed = false;
            let Some(text) = held.answer.clone() else { continue };
            self.owed -= text.len();
            return Some(Transmit::Text(text));
        }
        while let Some(call) = self.turns.pop() {
            let most = self.config.body_message_bytes;
            let Some(held) = self.calls.get_mut(&call) else { continue };
            held.turn = None;
            let Some(segment) = held.body.take(most) else { continue };
            self.schedule(call);
            return Some(Transmit::Body(segment.into_message(BodyKind::Response, call)));
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stage == Stage::Live { self.say_by.first().map(|(by, _)| *by) } else { None }
    }

    pub(super) fn say(&mut self, text: Bytes) {
        self.owed += text.len();
        self.control.push_back(text);
    }

    /// Puts a request's answer, if there is one, among those to be sent.
    pub(super) fn owe(&mut self, call: u64) {
        if let Some(held) = self.calls.get_mut(&call)
            && let Some(answer) = held.answer.as_ref().filter(|_| !held.owed)
        {
            self.owed += answer.len();
            held.owed = true;
            self.answers.insert(call);
        }
    }

    pub(super) fn schedule(&mut self, call: u64) {
        if self.stage != Stage::Live {
            return;
        }
        if let Some(held) = self.calls.get_mut(&call)
            && held.turn.is_none()
            && held.body.has_segment()
        {
            held.turn = Some(self.turns.join(call));
        }
    }
}
