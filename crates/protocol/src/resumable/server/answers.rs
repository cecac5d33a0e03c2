use super::{Call, ResumableServer, ServerConfig, ServerEvent, Stage};
use crate::{
    RpcError,
    resumable::{End, LEAST_KEPT},
    server::Reply,
};
use afield_exchange::Error;
use bytes::Bytes;

/// An answer up to this size is kept whatever else is.
const SMALL_ANSWER: usize = 64 * 1024;

impl ResumableServer {
    /// Answers a request whole, with what [`Reply::answer`] or [`Reply::error`] wrote.
    pub fn answer(&mut self, call: u64, text: Bytes) {
        self.head(call, text);
        if let Some(held) = self.calls.get_mut(&call) {
            held.running = false;
        }
    }

    /// Whether an answer, or the head of one, of so many bytes can be kept until it is acknowledged. A request that has been
    /// admitted may be answered in 64 KiB at any rate.
    pub fn keeps_answer(&self, bytes: usize) -> bool {
        bytes <= SMALL_ANSWER || self.kept_answers + bytes <= self.config.session_head_bytes
    }

    /// Sends the head of an answer whose body follows, or of one that is whole. The first answer counts: a request that
    /// [`stop_all`](Self::stop_all) has ended may have another one at the same moment.
    pub fn head(&mut self, call: u64, text: Bytes) {
        let Some(held) = self.calls.get_mut(&call).filter(|held| held.answer.is_none()) else { return };
        self.kept_answers += text.len();
        held.answer = Some(text);
        if self.stage == Stage::Live {
            self.owe(call);
        }
    }

    /// Adds to the response body. Returns whether there is room for more; if not, [`ServerEvent::Writable`] says when
    /// there is. A request that was cancelled has room for anything.
    pub fn body(&mut self, call: u64, bytes: Bytes) -> bool {
        let Some(held) = self.calls.get_mut(&call) else { return true };
        let before = held.body.length();
        held.body.push(bytes);
        self.kept_bodies += held.body.length() - before;
        let room = has_room(&self.config, self.kept_bodies, held);
        if !room {
            held.blocked = true;
            self.starve(call);
        }
        self.schedule(call);
        room
    }

    /// Ends the response body. Trailers are dropped where the client takes none.
    pub fn finish(&mut self, call: u64, end: End) {
        let end = if self.config.features.trailers { end } else { end.without_trailers() };
        if let Some(held) = self.calls.get_mut(&call) {
            held.running = false;
            if let (End::Trailers(text), false) = (&end, held.body.is_ended()) {
                held.trailers = text.len();
                self.kept_answers += text.len();
            }
            held.body.finish(end);
            self.schedule(call);
        }
    }

    /// Ends a request with an error: its answer before the head, an abort of its body after it.
    pub fn fail(&mut self, call: u64, error: &Error) {
        let Some(held) = self.calls.get(&call) else { return };
        if held.answer.is_none() {
            self.answer(call, Reply::resumable(call).error(error));
        } else {
            let error = serde_json::to_vec(&RpcError::from_error(error)).unwrap_or_default();
            self.finish(call, End::Abort(error.into()));
        }
    }

    /// Ends every request that is performed with this error.
    pub fn stop_all(&mut self, error: &Error) {
        let all: Vec<u64> = self.calls.keys().copied().collect();
        for call in all {
            self.stop(call, error);
        }
    }

    /// Ends a request with this error, if it is still performed.
    pub(super) fn stop(&mut self, call: u64, error: &Error) {
        if self.calls.get(&call).is_some_and(|held| held.running) {
            self.events.push_back(ServerEvent::Cancel(call));
            self.fail(call, error);
        }
    }

    /// After this body has got smaller: whoever fills it goes on if there is room.
    pub(super) fn unblock(&mut self, call: u64) {
        let Some(held) = self.calls.get_mut(&call).filter(|held| held.blocked) else { return };
        if has_room(&self.config, self.kept_bodies, held) {
            held.blocked = false;
            self.starved.leave(held.starved.take());
            self.events.push_back(ServerEvent::Writable(call));
        } else {
            self.starve(call);
        }
    }

    /// Puts a body in line for which only the session has no room.
    fn starve(&mut self, call: u64) {
        if let Some(held) = self.calls.get_mut(&call)
            && held.starved.is_none()
            && held.body.has_room()
        {
            held.starved = Some(self.starved.join(call));
        }
    }

    /// After the session's bodies have got smaller: those in line go on, as many as there may be room for. Others wait for
    /// the next occasion, which comes, since each of them has something for its consumer to take.
    pub(super) fn feed(&mut self) {
        let mut kept = self.kept_bodies;
        while kept < self.config.session_body_bytes
            && let Some(call) = self.starved.pop()
        {
            let Some(held) = self.calls.get_mut(&call) else { continue };
            held.starved = None;
            if held.blocked && has_room(&self.config, self.kept_bodies, held) {
                held.blocked = false;
                self.events.push_back(ServerEvent::Writable(call));
                kept += LEAST_KEPT;
            }
        }
    }
}

/// A stream may keep its window; when the session's bodies are over their common limit, only a little.
fn has_room(config: &ServerConfig, kept: u64, held: &Call) -> bool {
    let least = LEAST_KEPT.min(config.client_window_bytes / 2);
    held.body.has_room() && (kept < config.session_body_bytes || held.body.kept() < least)
}
