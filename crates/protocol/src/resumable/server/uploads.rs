use super::ResumableServer;
use crate::{
    RpcError,
    resumable::Consumed,
    wire::{method, notification},
};
use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
use bytes::Bytes;
use std::time::Instant;

impl ResumableServer {
    /// The next of a request's upload: `None` while there is nothing, `Some(None)` at the clean end, an error if the
    /// upload failed. A request that was cancelled has nothing.
    pub fn read_upload(&mut self, now: Instant, call: u64) -> Option<Option<Result<Bytes, Error>>> {
        let upload = self.calls.get_mut(&call)?.upload.as_mut()?;
        if let Some(broken) = &upload.broken {
            return Some(Some(Err(broken.clone())));
        }
        let read = upload.window.read(now)?;
        if upload.window.should_say(now) {
            self.said.insert(call);
        } else if let Some(by) = upload.window.say_by() {
            self.say_by.insert((by, call));
        }
        Some(read.map(|read| {
            read.map_err(|error| {
                let error = aborted(&error);
                // Said again whenever it is asked for: never must such a body seem to end well.
                upload.broken = Some(error.clone());
                error
            })
        }))
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

/// What an abort's error object means.
fn aborted(error: &[u8]) -> Error {
    match serde_json::from_slice::<RpcError>(error) {
        Ok(error) => error.into_error(),
        Err(_) => Error::new(Kind::Cancelled, Blame::Caller, Retry::Unknown, "the request body was aborted")
            .with_detail(detail::REQUEST_BODY)
            .with_phase(Phase::Request),
    }
}
