use super::{ClientEvent, ResumableClient, SendWindow, Stage};
use crate::{
    resumable::{BodyKind, Consumed, Transmit},
    wire::{method, notification},
};
use bytes::Bytes;
use std::time::Instant;

impl ResumableClient {
    /// The next thing that has changed.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The next message to be sent: control, then requests in the order of their ids, then one message of each upload
    /// in turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if !self.finals.is_empty() && self.has_more_to_say() {
            self.say_finals();
        }
        if let Some(text) = self.control.pop_front() {
            self.queued -= text.len();
            return Some(Transmit::Text(text));
        }
        if self.stage != Stage::Live {
            return None;
        }
        while let Some(id) = self.unsent.pop_first() {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            let Some(text) = &call.text else { continue };
            let message = text.message(id);
            self.queued -= text.len();
            call.sent = true;
            self.schedule(id);
            return Some(Transmit::Text(message));
        }
        while let Some(id) = self.turns.pop() {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            call.turn = None;
            let Some(segment) =
                call.upload.as_mut().and_then(|upload| upload.take(self.config.body_message_bytes))
            else {
                continue;
            };
            if segment.end.is_some() && !call.is_uploading() {
                self.events.push_back(ClientEvent::Readable(id));
            }
            self.schedule(id);
            return Some(Transmit::Body(segment.into_message(BodyKind::Request, id)));
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stage != Stage::Live {
            return None;
        }
        let credit = self.say_by.first().map(|(by, _)| *by);
        [credit, self.finals.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether a message is about to go out with which others may go.
    fn has_more_to_say(&self) -> bool {
        !self.control.is_empty()
            || (self.stage == Stage::Live && !(self.unsent.is_empty() && self.turns.is_empty()))
    }

    /// Tells the executor which requests are over.
    pub(super) fn say_finals(&mut self) {
        for consumed in self.finals.take() {
            self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
        }
    }

    pub(super) fn say(&mut self, text: Bytes) {
        self.queued += text.len();
        self.control.push_back(text);
    }

    /// Tells the executor what has been taken of a response body.
    pub(super) fn say_consumed(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(by) = call.body.say_by() {
            self.say_by.remove(&(by, id));
        }
        let consumed = Consumed { request_id: id, offset: call.body.say(), is_final: false };
        self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
    }

    pub(super) fn say_cancel(&mut self, id: u64) {
        self.say(notification(method::CANCEL, 48, |out| {
            out.raw(b"{\"requestId\":");
            out.number(id);
            out.raw(b"}");
        }));
    }

    pub(super) fn schedule(&mut self, id: u64) {
        if self.stage != Stage::Live {
            return;
        }
        if let Some(call) = self.calls.get_mut(&id)
            && call.sent
            && call.turn.is_none()
            && !call.upload_held
            && call.upload.as_ref().is_some_and(SendWindow::has_segment)
        {
            call.turn = Some(self.turns.join(id));
        }
    }
}
