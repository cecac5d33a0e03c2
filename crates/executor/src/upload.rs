use crate::shared::Shared;
use afield_exchange::{BodyError, RequestBody};
use afield_protocol::{server::CallId, wire::Upload};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use std::{
    future::poll_fn,
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

    /// The body of the request: as it comes, or, where the orchestrator has it whole and it is no larger than
    /// `collected`, gathered first. Then it can be repeated as any whole body can, for a redirect for example.
    pub async fn body(mut self, upload: Upload, collected: usize) -> Result<RequestBody, BodyError> {
        match upload.length {
            Some(length) if upload.whole && length <= collected as u64 => {
                let mut body = BytesMut::with_capacity(usize::try_from(length)?);
                while let Some(bytes) = poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
                    body.extend_from_slice(&bytes?);
                }
                Ok(RequestBody::Bytes(body.freeze()))
            }
            length => Ok(RequestBody::Stream { length, stream: Box::pin(self) }),
        }
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
