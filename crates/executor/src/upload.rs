use crate::shared::Shared;
use afield_exchange::{BodyError, Recorded, RequestBody};
use afield_protocol::{server::CallId, wire::Upload};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A request body as the orchestrator sends it: read only as fast as the origin takes it. Dropping it before its end
/// tells the orchestrator that no more is wanted.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    call: CallId,
    over: bool,
}

impl Reader {
    pub fn new(shared: Arc<Shared>, call: CallId) -> Self {
        Self { shared, call, over: false }
    }

    /// The body of the request as it comes. Where the orchestrator has it whole, and it is no larger than `kept`, it is kept
    /// while it is sent, so that it can be repeated as any whole body can, for a redirect for example.
    pub fn body(self, upload: Upload, kept: usize) -> RequestBody {
        let Upload { length, whole } = upload;
        if whole && length.is_some_and(|length| length <= kept as u64) {
            return RequestBody::Recorded(Recorded::new(length, Box::pin(self)));
        }
        RequestBody::Stream { length, stream: Box::pin(self) }
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let read = ready!(self.shared.poll_upload(self.call, cx));
        self.over |= !matches!(read, Some(Ok(_)));
        Poll::Ready(read.map(|read| read.map_err(BodyError::from)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.over {
            self.shared.with(|state, _| state.server.drop_upload(self.call));
        }
    }
}
