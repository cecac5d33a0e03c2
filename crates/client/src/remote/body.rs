use super::call::Call;
use afield_exchange::{Error, ResponseBody};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The body of a streamed call. At its end it lets go of the call: its place, and the connection.
pub(crate) struct Body(Option<Call>);

impl Body {
    pub fn of(call: Call) -> ResponseBody {
        ResponseBody::new(Self(Some(call)))
    }

    /// A body that came with its head.
    pub fn whole(bytes: Bytes) -> ResponseBody {
        let bytes = (!bytes.is_empty()).then_some(Ok(bytes));
        ResponseBody::new(futures_util::stream::iter(bytes))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(call) = &mut self.0 else { return Poll::Ready(None) };
        let read = ready!(call.poll_body(cx));
        if !matches!(read, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(read)
    }
}
