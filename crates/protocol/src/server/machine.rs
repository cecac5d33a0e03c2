use super::{BaseServer, CallId, Event, Inbound, Outgoing};
use crate::json::RpcId;
use crate::resumable::{BodyMessage, End, ResumableServer, ServerEvent, Transmit};
use afield_exchange::{BodyFrame, Error, Head};
use bytes::Bytes;
use std::time::Instant;

/// The executor's end in either dialect: those who perform calls need not know which.
#[derive(Debug)]
pub enum Server {
    /// Of one connection.
    Base(BaseServer),
    /// Of a session, which outlives its connections.
    Resumable(ResumableServer),
}

impl Server {
    /// Whether the connection should be read.
    pub fn wants_input(&self) -> bool {
        match self {
            Self::Base(base) => base.wants_input(),
            Self::Resumable(session) => session.wants_input(),
        }
    }

    /// Whether something waits to be taken by [`poll_transmit`](Self::poll_transmit), now or once it is due.
    pub fn has_output(&self) -> bool {
        match self {
            Self::Base(base) => base.has_output(),
            Self::Resumable(session) => session.has_output(),
        }
    }

    /// Calls that are held.
    pub fn active(&self) -> usize {
        match self {
            Self::Base(base) => base.active(),
            Self::Resumable(session) => session.active(),
        }
    }

    /// Questions about the executor that are not yet answered.
    pub fn questions(&self) -> usize {
        match self {
            Self::Base(base) => base.questions(),
            Self::Resumable(session) => session.questions(),
        }
    }

    /// Whether this call's upload may still be read. There is none in the base dialect.
    pub fn has_upload(&self, call: CallId) -> bool {
        match self {
            Self::Base(_) => false,
            Self::Resumable(session) => session.is_held(call.0),
        }
    }

    /// Takes one decoded text message.
    pub fn handle(&mut self, now: Instant, inbound: Inbound) {
        match self {
            Self::Base(base) => base.handle(now, inbound),
            Self::Resumable(session) => session.handle(now, inbound),
        }
    }

    /// Takes a text that is not even UTF-8.
    pub fn handle_malformed(&mut self) {
        match self {
            Self::Base(base) => base.handle_malformed(),
            Self::Resumable(session) => session.handle_malformed(),
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
        match self {
            Self::Base(base) => base.handle_timeout(now),
            Self::Resumable(session) => session.handle_timeout(now),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Base(base) => base.poll_timeout(),
            Self::Resumable(session) => session.poll_timeout(),
        }
    }

    /// The next thing to be done.
    pub fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Base(base) => base.poll_event(),
            Self::Resumable(session) => session.poll_event().map(Event::from),
        }
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing> {
        match self {
            Self::Base(base) => base.poll_transmit(now),
            Self::Resumable(session) => session.poll_transmit().map(|transmit| match transmit {
                Transmit::Text(text) => Outgoing::Text(text),
                Transmit::Body(message) => Outgoing::Body(message),
            }),
        }
    }

    /// Answers a question of [`Event::ConfigRead`] with this message. Nothing, where the connection that asked is gone.
    pub fn reply(&mut self, id: &RpcId, text: Bytes) {
        match self {
            Self::Base(base) => base.reply(id, text),
            Self::Resumable(session) => session.reply(id, text),
        }
    }

    /// Answers a call whole.
    pub fn answer(&mut self, call: CallId, text: Bytes) {
        match self {
            Self::Base(base) => base.answer(call, text),
            Self::Resumable(session) => session.answer(call.0, text),
        }
    }

    /// Sends the head of an answer whose body follows.
    pub fn head(&mut self, call: CallId, text: Bytes) {
        match self {
            Self::Base(base) => base.head(call, text),
            Self::Resumable(session) => session.head(call.0, text),
        }
    }

    /// Adds to a body. Returns whether there is room for more; if not, [`Event::Writable`] says when there is.
    pub fn body(&mut self, now: Instant, call: CallId, bytes: Bytes) -> bool {
        match self {
            Self::Base(base) => base.body(now, call, bytes),
            Self::Resumable(session) => session.body(call.0, bytes),
        }
    }

    /// Passes an informational response on; see [`ResumableServer::inform`]. In the base dialect it is dropped.
    pub fn inform(&mut self, call: CallId, head: &Head) {
        if let Self::Resumable(session) = self {
            session.inform(call.0, head);
        }
    }

    /// Ends a body, after what is pending. In the base dialect it ends cleanly, and trailers are dropped.
    pub fn finish(&mut self, now: Instant, call: CallId, end: End) {
        match self {
            Self::Base(base) => base.finish(now, call),
            Self::Resumable(session) => session.finish(call.0, end),
        }
    }

    /// Ends a call with an error: its answer before the head, the end of its body after it.
    pub fn fail(&mut self, now: Instant, call: CallId, error: &Error) {
        match self {
            Self::Base(base) => base.fail(now, call, error),
            Self::Resumable(session) => session.fail(call.0, error),
        }
    }

    /// Ends every call that is performed with this error.
    pub fn stop_all(&mut self, now: Instant, error: &Error) {
        match self {
            Self::Base(base) => base.stop_all(now, error),
            Self::Resumable(session) => session.stop_all(error),
        }
    }

    /// The next of a call's upload; see [`ResumableServer::read_upload`].
    pub fn read_upload(&mut self, now: Instant, call: CallId) -> Option<Option<Result<BodyFrame, Error>>> {
        match self {
            Self::Base(_) => None,
            Self::Resumable(session) => session.read_upload(now, call.0),
        }
    }

    /// How many bytes of a call's upload have been taken; `None` once no more of it is wanted.
    pub fn upload_progress(&self, call: CallId) -> Option<u64> {
        match self {
            Self::Base(_) => None,
            Self::Resumable(session) => session.upload_progress(call.0),
        }
    }

    /// The upload of the request of this id fails here, for this reason: what came of it cannot be kept. There is none in the
    /// base dialect.
    pub fn break_upload(&mut self, request_id: u64, why: Error) {
        if let Self::Resumable(session) = self {
            session.break_upload(request_id, why);
        }
    }

    /// Whether an answer, or the head of one, of so many bytes can be kept until it is acknowledged.
    pub fn keeps_answer(&self, bytes: usize) -> bool {
        match self {
            Self::Base(_) => true,
            Self::Resumable(session) => session.keeps_answer(bytes),
        }
    }

    /// The call wants no more of its upload.
    pub fn drop_upload(&mut self, call: CallId) {
        if let Self::Resumable(session) = self {
            session.drop_upload(call.0);
        }
    }
}

impl From<ServerEvent> for Event {
    fn from(event: ServerEvent) -> Self {
        match event {
            ServerEvent::Start { call, request, upload, informational, reply } => {
                Self::Start { call: CallId(call), request, streamed: true, upload, informational, reply }
            }
            ServerEvent::Cancel(call) => Self::Cancel(CallId(call)),
            ServerEvent::Writable(call) => Self::Writable(CallId(call)),
            ServerEvent::UploadReadable(call) => Self::UploadReadable(CallId(call)),
            ServerEvent::ConfigRead { id, paths } => Self::ConfigRead { id, paths },
            ServerEvent::Broken(why) => Self::Broken(why),
        }
    }
}
