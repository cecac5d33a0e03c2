use super::{BaseClient, CallId, Event, HeadPoll, Inbound};
use crate::resumable::{BodyMessage, CallText, ClientEvent, Drained, End, ResumableClient, Transmit};
use afield_exchange::{BodyFrame, Error, Head};
use bytes::Bytes;
use std::time::Instant;

/// The orchestrator's end in either dialect: those who read answers need not know which.
#[derive(Debug)]
pub enum Client {
    /// Of one connection.
    Base(BaseClient),
    /// Of a session, which outlives its connections.
    Resumable(ResumableClient),
}

impl Client {
    /// Whether the connection should be read.
    pub fn wants_input(&self) -> bool {
        match self {
            Self::Base(base) => base.wants_input(),
            // What is unread is bounded by the windows.
            Self::Resumable(_) => true,
        }
    }

    /// Whether the session is in step: in afield/1 nothing is said about requests before.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Base(_) => true,
            Self::Resumable(session) => session.is_live(),
        }
    }

    /// Returns whether the last sync has shown that part of an upload arrived on the connection before.
    pub fn has_progressed(&self) -> bool {
        match self {
            Self::Base(_) => false,
            Self::Resumable(session) => session.has_progressed(),
        }
    }

    /// Calls that have not ended.
    pub fn active(&self) -> usize {
        match self {
            Self::Base(base) => base.active(),
            Self::Resumable(session) => session.active(),
        }
    }

    /// Whether this call has not ended: its answer, or the end of its body, has not been read.
    pub fn is_active(&self, call: CallId) -> bool {
        match self {
            Self::Base(base) => base.is_active(call),
            Self::Resumable(session) => session.is_active(call.0),
        }
    }

    /// Whether nothing of this call has been sent.
    pub fn is_unsent(&self, call: CallId) -> bool {
        match self {
            Self::Base(base) => base.is_unsent(call),
            Self::Resumable(session) => session.is_unsent(call.0),
        }
    }

    /// Whether the connection is to be replaced once idle; see [`BaseClient::is_worn`].
    pub fn is_worn(&self) -> bool {
        match self {
            Self::Base(base) => base.is_worn(),
            Self::Resumable(_) => false,
        }
    }

    /// Bytes of control messages and requests that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn queued(&self) -> usize {
        match self {
            Self::Base(base) => base.queued(),
            Self::Resumable(session) => session.queued(),
        }
    }

    /// The call's answer, once.
    pub fn poll_answer(&mut self, now: Instant, call: CallId) -> HeadPoll {
        match self {
            Self::Base(base) => base.poll_answer(call),
            Self::Resumable(session) => session.poll_answer(now, call.0),
        }
    }

    /// The next informational response; see [`ResumableClient::poll_informational`]. In the base dialect there are none.
    pub fn poll_informational(&mut self, call: CallId) -> Option<Head> {
        match self {
            Self::Base(_) => None,
            Self::Resumable(session) => session.poll_informational(call.0),
        }
    }

    /// The next of the body: `None` while there is nothing, `Some(None)` at the clean end, behind the trailers if there are
    /// any; an error once, then the end.
    pub fn poll_body(&mut self, now: Instant, call: CallId) -> Option<Option<Result<BodyFrame, Error>>> {
        match self {
            Self::Base(base) => base.poll_body(call).map(|read| read.map(|read| read.map(BodyFrame::Data))),
            Self::Resumable(session) => session.poll_body(now, call.0),
        }
    }

    /// The answer has been taken whole, and it had its body with it.
    pub fn done(&mut self, now: Instant, call: CallId) {
        if let Self::Resumable(session) = self {
            session.done(now, call.0);
        }
    }

    /// Gives a call up.
    pub fn cancel(&mut self, call: CallId) {
        match self {
            Self::Base(base) => base.cancel(call),
            Self::Resumable(session) => session.cancel(call.0),
        }
    }

    /// The session is to end from this side: what has not been sent never is, and the executor is told to give up the
    /// rest, as far as it understands that when the connection ends.
    pub fn withdraw(&mut self, why: &str) {
        match self {
            Self::Base(base) => base.withdraw(why),
            Self::Resumable(session) => session.withdraw(why),
        }
    }

    /// The session is gone: every call ends.
    pub fn lost(&mut self, why: &str) {
        match self {
            Self::Base(base) => base.lost(why),
            Self::Resumable(session) => session.lost(why),
        }
    }

    /// Queues a request in afield/1, and names it. A base client says nothing about one.
    pub fn call(&mut self, text: CallText, upload: bool) -> Option<CallId> {
        match self {
            Self::Base(_) => None,
            Self::Resumable(session) => Some(CallId(session.call(text, upload))),
        }
    }

    /// Adds to a call's upload.
    pub fn upload(&mut self, call: CallId, bytes: Bytes) -> Drained {
        match self {
            Self::Base(_) => Drained::Unwanted,
            Self::Resumable(session) => session.upload(call.0, bytes),
        }
    }

    /// How a call's upload stands.
    pub fn upload_room(&self, call: CallId) -> Drained {
        match self {
            Self::Base(_) => Drained::Unwanted,
            Self::Resumable(session) => session.upload_room(call.0),
        }
    }

    /// Ends a call's upload.
    pub fn finish_upload(&mut self, call: CallId, end: End) {
        if let Self::Resumable(session) = self {
            session.finish_upload(call.0, end);
        }
    }

    /// Takes one decoded text message.
    pub fn handle(&mut self, inbound: Inbound) {
        match self {
            Self::Base(base) => base.handle(inbound),
            Self::Resumable(session) => session.handle(inbound),
        }
    }

    /// Takes one body message. There is none in the base dialect.
    pub fn handle_body(&mut self, message: BodyMessage) {
        if let Self::Resumable(session) = self {
            session.handle_body(message);
        }
    }

    /// Sees to what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Self::Resumable(session) = self {
            session.handle_timeout(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Base(_) => None,
            Self::Resumable(session) => session.poll_timeout(),
        }
    }

    /// The next thing that has changed.
    pub fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Base(base) => base.poll_event(),
            Self::Resumable(session) => session.poll_event().map(Event::from),
        }
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        match self {
            Self::Base(base) => base.poll_transmit().map(Transmit::Text),
            Self::Resumable(session) => session.poll_transmit(),
        }
    }
}

impl From<ClientEvent> for Event {
    fn from(event: ClientEvent) -> Self {
        match event {
            ClientEvent::Readable(call) => Self::Readable(CallId(call)),
            ClientEvent::UploadWritable(call) => Self::UploadWritable(CallId(call)),
            ClientEvent::Synced => Self::Synced,
            ClientEvent::Broken(why) => Self::Broken(why),
        }
    }
}
