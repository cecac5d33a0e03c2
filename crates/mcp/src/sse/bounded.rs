use super::size::{EventSize, TooLarge};
use afield_exchange::{Error, ResponseBody};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// An event of a stream has more bytes than the transport takes. The stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than {limit} bytes")]
pub struct EventTooLarge {
    /// The limit, in bytes.
    pub limit: usize,
}

/// Why the bytes of a stream end before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Body(#[from] Error),
    #[error(transparent)]
    TooLarge(#[from] EventTooLarge),
}

/// The bytes of a stream, in pieces none of which goes beyond the end of an event.
///
/// So what is parsed of it does not depend on how the network split it, and an event that is too large costs nothing of
/// what is before it. Ends after the first error. Nothing is copied.
pub(super) struct Bounded {
    body: Option<ResponseBody>,
    piece: Bytes,
    size: EventSize,
    limit: usize,
    too_large: bool,
}

impl Bounded {
    pub(super) fn new(body: ResponseBody, limit: usize) -> Self {
        Self { body: Some(body), piece: Bytes::new(), size: EventSize::new(limit), limit, too_large: false }
    }

    /// The next piece of what is here; nothing if the first line of it is too much.
    fn cut(&mut self) -> Bytes {
        let end = self.size.take(&self.piece).unwrap_or_else(|TooLarge(before)| {
            self.too_large = true;
            self.body = None;
            self.piece.truncate(before);
            before
        });
        self.piece.split_to(end)
    }
}

impl Stream for Bounded {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if !self.piece.is_empty() {
                let piece = self.cut();
                if !piece.is_empty() {
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
            if std::mem::take(&mut self.too_large) {
                return Poll::Ready(Some(Err(EventTooLarge { limit: self.limit }.into())));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_next(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => {
                    self.body = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {
                    self.body = None;
                    return Poll::Ready(None);
                }
            }
        }
    }
}
