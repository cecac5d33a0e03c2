use crate::shared::Shared;
use afield_exchange::{BodyError, BodyFrame, Recorded, RequestBody, Trailers};
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
    /// Where its trailers go, if they were announced. Others are dropped.
    trailers: Option<Trailers>,
    over: bool,
}

impl Reader {
    pub fn new(shared: Arc<Shared>, call: CallId, trailers: Option<Trailers>) -> Self {
        Self { shared, call, trailers, over: false }
    }

    /// The body of the request as it comes. Where the orchestrator has it whole, and it is no larger than `kept`, it is kept
    /// while it is sent, so that it can be repeated as any whole body can, for a redirect for example.
    pub fn body(self, upload: Upload, kept: usize) -> RequestBody {
        let Upload { length, whole, .. } = upload;
        if whole && length.is_some_and(|length| length <= kept as u64) {
            return RequestBody::Recorded(Recorded::new(length, Box::pin(self)));
        }
        RequestBody::Stream { length, stream: Box::pin(self) }
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let read = ready!(self.shared.poll_upload(self.call, cx));
            self.over |= !matches!(read, Some(Ok(_)));
            return Poll::Ready(match read {
                Some(Ok(BodyFrame::Data(bytes))) => Some(Ok(bytes)),
                Some(Ok(BodyFrame::Trailers(fields))) => {
                    if let Some(trailers) = &self.trailers {
                        trailers.set(fields);
                    }
                    continue;
                }
                Some(Err(error)) => Some(Err(BodyError::from(error))),
                None => None,
            });
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.over {
            self.shared.with(|state, _| state.server.drop_upload(self.call));
        }
    }
}
