use super::call::Call;
use afield_exchange::{Error, ResponseBody};
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
    call: Option<Call>,
}

impl Body {
    pub fn of(call: Call) -> ResponseBody {
        ResponseBody::new(Self { first: Bytes::new(), call: Some(call) })
    }

    /// A body that came with its head. It ends when the call's upload is over.
    pub fn whole(first: Bytes, call: Call) -> ResponseBody {
        ResponseBody::new(Self { first, call: call.done() })
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        let Some(call) = &mut self.call else { return Poll::Ready(None) };
        let read = ready!(call.poll_body(cx));
        if !matches!(read, Some(Ok(_))) {
            self.call = None;
        }
        Poll::Ready(read)
    }
}
