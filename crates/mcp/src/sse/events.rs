use super::{
    bounded::{Bounded, Broken, EventTooLarge},
    oversized::{Lineage, Oversized},
};
use afield_exchange::ResponseBody;
use bytes::Bytes;
use futures_core::Stream;
use sse_stream::{ByteStreamBody, Error as SseError, Sse, SseStream};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The events of a body. Ends after the first error: what follows it cannot be told from what it broke.
pub(crate) fn events(
    body: ResponseBody,
    limit: usize,
    lineage: Lineage,
    oversized: Oversized,
) -> Pin<Box<dyn Stream<Item = Result<Sse, SseError>> + Send>> {
    let parser = SseStream::from_bytes_stream(Bounded::new(body, limit));
    Box::pin(Events { parser: Some(Box::pin(parser)), lineage, oversized })
}

/// Pinned, as it may not move once it has been polled.
type Parser = Pin<Box<SseStream<ByteStreamBody<Bounded, Bytes>>>>;

struct Events {
    parser: Option<Parser>,
    lineage: Lineage,
    oversized: Oversized,
}

impl Stream for Events {
    type Item = Result<Sse, SseError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(parser) = &mut self.parser else { return Poll::Ready(None) };
        let next = match ready!(parser.as_mut().poll_next(cx)) {
            Some(Ok(mut event)) => {
                if let Some(id) = &event.id {
                    self.lineage.seen(id);
                }
                // Events of other names are of something else than MCP, whatever they hold.
                if !matches!(event.event.as_deref(), None | Some("" | "message")) {
                    event.data = None;
                }
                return Poll::Ready(Some(Ok(event)));
            }
            Some(Err(error)) => Some(Err(self.plain(error))),
            None => None,
        };
        self.parser = None;
        Poll::Ready(next)
    }
}

impl Events {
    /// The error with what broke the stream right inside, so that it can be told by its type.
    fn plain(&self, error: SseError) -> SseError {
        let SseError::Body(inner) = error else { return error };
        match inner.downcast::<Broken>() {
            Ok(broken) => match *broken {
                Broken::TooLarge(too_large) => {
                    self.oversized.ended(&self.lineage);
                    SseError::Body(Box::<EventTooLarge>::new(too_large))
                }
                Broken::Body(error) => SseError::Body(Box::new(error)),
            },
            Err(other) => SseError::Body(other),
        }
    }
}
