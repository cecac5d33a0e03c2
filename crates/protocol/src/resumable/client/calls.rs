use super::{Call, Informed, ResumableClient, Stage};
use crate::{
    RpcError,
    client::HeadPoll,
    resumable::{CallText, Piece, ReceiveWindow, SendWindow},
    wire::decode_trailers,
};
use afield_exchange::{Blame, BodyFrame, Error, Kind, Phase, Retry};
use std::time::Instant;

impl ResumableClient {
    /// Queues a request, and says its id. `upload` says whether its body follows by [`upload`](Self::upload).
    pub fn call(&mut self, text: CallText, upload: bool) -> u64 {
        self.next += 1;
        let id = self.next;
        self.queued += text.len();
        let upload_held = upload && text.holds_upload() && self.config.features.hold;
        let call = Call {
            text: Some(text),
            sent: false,
            answer: None,
            answered: false,
            informational: Informed::default(),
            body: ReceiveWindow::new(self.config.window_bytes, None),
            failed: None,
            upload: upload.then(|| SendWindow::new(self.config.server_window_bytes)),
            upload_wanted: upload,
            taken: false,
            cut: false,
            until_final: self.config.ends_uploads,
            upload_held,
            turn: None,
        };
        self.calls.insert(id, call);
        self.unsent.insert(id);
        id
    }

    /// The request's answer, once. After a failure, or with a body that is complete, the request is over.
    pub fn poll_answer(&mut self, now: Instant, id: u64) -> HeadPoll {
        let Some(call) = self.calls.get_mut(&id) else {
            return HeadPoll::Failed(Error::internal("the request is unknown"));
        };
        match call.answer.take() {
            None => HeadPoll::Pending,
            Some(Ok(raw)) => HeadPoll::Answer(raw),
            Some(Err(error)) => {
                self.acknowledge(now, id);
                HeadPoll::Failed(error)
            }
        }
    }

    /// The next of the body: `None` while there is nothing, `Some(None)` at the clean end, behind the trailers if there are
    /// any; an error once, then the end. The clean end comes when the upload is over, too: the executor has read it whole, or
    /// wants no more of it.
    pub fn poll_body(&mut self, now: Instant, id: u64) -> Option<Option<Result<BodyFrame, Error>>> {
        let Some(call) = self.calls.get_mut(&id) else { return Some(None) };
        let read = match call.body.read(now) {
            Some(Piece::Data(bytes)) => {
                if self.stage == Stage::Live && call.body.should_say(now) {
                    self.say_consumed(id);
                } else if let Some(by) = call.body.say_by() {
                    self.say_by.insert((by, id));
                }
                return Some(Some(Ok(BodyFrame::Data(bytes))));
            }
            Some(Piece::Trailers(fields)) => match decode_trailers(&fields) {
                Some(fields) => return Some(Some(Ok(BodyFrame::Trailers(fields)))),
                None => Some(Err(unreadable_trailers())),
            },
            Some(Piece::Abort(error)) => Some(Err(aborted(&error))),
            end => match call.failed.take() {
                Some(error) => Some(Err(error)),
                None if call.is_uploading() || !(call.taken || end.is_some()) => return None,
                None => None,
            },
        };
        self.acknowledge(now, id);
        Some(read)
    }

    /// Gives a request up. What comes for it is thrown away; one that was not sent never will be.
    pub fn cancel(&mut self, id: u64) {
        let Some(call) = self.forget(id) else { return };
        match self.stage {
            Stage::Live if call.sent => self.say_cancel(id),
            // It is in the list that is on its way: the executor must hear that it no longer belongs there.
            Stage::Syncing if self.asked.contains(&id) => _ = self.given_up.insert(id),
            // What is not listed at the next sync is forgotten.
            _ => {}
        }
    }

    /// The answer has been taken whole. The executor may forget it, unless its upload is still under way: then the request
    /// stays active, and [`poll_body`](Self::poll_body) says when that is over.
    pub fn done(&mut self, now: Instant, id: u64) {
        match self.calls.get_mut(&id) {
            Some(call) if call.is_uploading() || call.cut => call.taken = true,
            _ => self.acknowledge(now, id),
        }
    }

    /// Lets the executor forget a request that is over, soon.
    fn acknowledge(&mut self, now: Instant, id: u64) {
        if self.stage != Stage::Live {
            return self.cancel(id);
        }
        let Some(call) = self.forget(id) else { return };
        if call.sent && self.finals.add(now, id, call.body.consumed()) {
            self.say_finals();
        }
    }

    fn forget(&mut self, id: u64) -> Option<Call> {
        let mut call = self.calls.remove(&id)?;
        self.turns.leave(call.turn.take());
        if let Some(by) = call.body.say_by() {
            self.say_by.remove(&(by, id));
        }
        if self.unsent.remove(&id) {
            self.queued -= call.text.as_ref().map_or(0, CallText::len);
        }
        Some(call)
    }
}

fn unreadable_trailers() -> Error {
    let message = "the trailer fields are not of the protocol's shape, or too large";
    Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, message).with_phase(Phase::Body)
}

/// What an abort's error object means.
fn aborted(error: &[u8]) -> Error {
    match RpcError::from_abort(error) {
        Some(error) => error.into_error(),
        None => {
            Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, "the response body was aborted")
                .with_phase(Phase::Body)
        }
    }
}
