use super::call::Call;
use afield_exchange::{BodyFrame, Error, Header, ResponseBody};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The body of a streamed call. At its end it lets go of the call: its place, and the connection.
pub(crate) struct Body {
    /// What came with the head.
    first: Bytes,
    trailers: Vec<Header>,
    call: Option<Call>,
}

impl Body {
    pub fn of(call: Call) -> ResponseBody {
        ResponseBody::from_frames(Self { first: Bytes::new(), trailers: Vec::new(), call: Some(call) })
    }

    /// A body that came with its head, and its trailers with it. It ends when the call's upload is over.
    pub fn whole(first: Bytes, trailers: Vec<Header>, call: Call) -> ResponseBody {
        ResponseBody::from_frames(Self { first, trailers, call: call.done() })
    }
}

impl Stream for Body {
    type Item = Result<BodyFrame, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(BodyFrame::Data(std::mem::take(&mut self.first)))));
        }
        if !self.trailers.is_empty() {
            return Poll::Ready(Some(Ok(BodyFrame::Trailers(std::mem::take(&mut self.trailers)))));
        }
        let Some(call) = &mut self.call else { return Poll::Ready(None) };
        let read = ready!(call.poll_body(cx));
        if !matches!(read, Some(Ok(_))) {
            self.call = None;
        }
        Poll::Ready(read)
    }
}
