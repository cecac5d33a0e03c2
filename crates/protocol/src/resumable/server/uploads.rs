use super::{Hold, ResumableServer, ServerEvent};
use crate::{
    RpcError,
    resumable::{Consumed, Piece},
    wire::{decode_trailers, method, notification},
};
use afield_exchange::{Blame, BodyFrame, Error, Kind, Phase, Retry, detail};
use bytes::Bytes;
use std::time::Instant;

impl ResumableServer {
    /// The next of a request's upload: `None` while there is nothing, `Some(None)` at the clean end, behind the trailers if
    /// there are any; an error if the upload failed. A request that was cancelled has nothing. One that is held back is
    /// asked for.
    pub fn read_upload(&mut self, now: Instant, call: u64) -> Option<Option<Result<BodyFrame, Error>>> {
        let upload = self.calls.get_mut(&call)?.upload.as_mut()?;
        if let Some(broken) = &upload.broken {
            return Some(Some(Err(broken.clone())));
        }
        if !upload.wanted && !upload.window.is_ended() {
            return Some(Some(Err(Error::cancelled())));
        }
        if upload.hold == Hold::Held {
            upload.hold = Hold::Asked;
            self.said.insert(call);
        }
        let read = upload.window.read(now)?;
        if upload.window.should_say(now) {
            self.said.insert(call);
        } else if let Some(by) = upload.window.say_by() {
            self.say_by.insert((by, call));
        }
        let end = match read {
            Piece::Data(bytes) => return Some(Some(Ok(BodyFrame::Data(bytes)))),
            Piece::Trailers(fields) => match decode_trailers(&fields) {
                Some(fields) => return Some(Some(Ok(BodyFrame::Trailers(fields)))),
                None => {
                    Err(Error::invalid(detail::REQUEST_BODY, UNREADABLE_TRAILERS).with_phase(Phase::Request))
                }
            },
            Piece::End => Ok(()),
            Piece::Abort(error) => Err(aborted(&error)),
        };
        // Said again whenever it is asked for: never must such a body seem to end well.
        upload.broken = end.clone().err();
        if std::mem::take(&mut upload.wanted) {
            // The client waits for this before it lets go of the request.
            self.said.insert(call);
        }
        Some(end.err().map(Err))
    }

    /// How many bytes of a request's upload have been taken; `None` once no more of it is wanted.
    pub fn upload_progress(&self, call: u64) -> Option<u64> {
        let upload = self.calls.get(&call)?.upload.as_ref().filter(|upload| upload.wanted)?;
        Some(upload.window.consumed())
    }

    /// What came of a request's upload cannot be kept: whoever reads it hears why, and no more of it is taken.
    pub fn break_upload(&mut self, call: u64, why: Error) {
        if let Some(upload) = self.calls.get_mut(&call).and_then(|call| call.upload.as_mut())
            && upload.wanted
            && upload.broken.is_none()
        {
            upload.window.clear();
            upload.broken = Some(why);
            self.events.push_back(ServerEvent::UploadReadable(call));
        }
    }

    /// The request wants no more of its upload: the origin has answered without it, or the exchange has failed.
    pub fn drop_upload(&mut self, call: u64) {
        if let Some(upload) = self.calls.get_mut(&call).and_then(|call| call.upload.as_mut())
            && upload.wanted
        {
            upload.wanted = false;
            upload.window.clear();
            self.said.insert(call);
        }
    }

    pub(super) fn consumed_text(&mut self, call: u64) -> Option<Bytes> {
        let upload = self.calls.get_mut(&call)?.upload.as_mut()?;
        if let Some(by) = upload.window.say_by() {
            self.say_by.remove(&(by, call));
        }
        let consumed = Consumed { request_id: call, offset: upload.window.say(), is_final: !upload.wanted };
        Some(notification(method::CONSUMED, 64, |out| out.json(&consumed)))
    }
}

const UNREADABLE_TRAILERS: &str = "the trailer fields are not of the protocol's shape, or too large";

/// What an abort's error object means.
fn aborted(error: &[u8]) -> Error {
    match RpcError::from_abort(error) {
        Some(error) => error.into_error(),
        None => Error::new(Kind::Cancelled, Blame::Caller, Retry::Unknown, "the request body was aborted")
            .with_detail(detail::REQUEST_BODY)
            .with_phase(Phase::Request),
    }
}
