//! The response's body.

use crate::{between::BetweenEvents, headers, socket::Socket};
use afield_exchange::{Blame, Error, Kind, Phase, ResponseBody, Retry};
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What a response's body is made of.
pub(crate) enum Body {
    /// There is none. The length is what a `HEAD` would have had.
    None(Option<u64>),
    /// An answer of the gateway's own.
    Whole(Bytes),
    /// The origin's.
    Relayed(Box<Relayed>),
}

impl Body {
    pub fn whole(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::None(_) => Poll::Ready(None),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Relayed(relayed) => relayed.poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let exact = match self {
            Self::None(length) => Some(length.unwrap_or(0)),
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Relayed(relayed) => relayed.owed,
        };
        exact.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// The origin's body as it comes.
///
/// Where its length is known, the last bytes are held back until it has ended: the caller's HTTP asks for no more than
/// the length, and a body that is never read to its end would count as given up.
pub(crate) struct Relayed {
    body: ResponseBody,
    /// What is still to come, if the length is known.
    remaining: Option<u64>,
    /// What is still to be handed out, if the length is known: `remaining` and what is held back.
    owed: Option<u64>,
    held: Option<Bytes>,
    ended: bool,
    /// Whether trailers may follow.
    trailers: bool,
    failed: Option<Error>,
    /// To be reset when the body fails, where nothing but the connection's end would end it.
    reset: Option<Socket>,
    /// When it is to end though the origin's goes on.
    ending: Option<BetweenEvents>,
}

impl Relayed {
    pub fn new(
        body: ResponseBody,
        length: Option<u64>,
        trailers: bool,
        reset: Option<Socket>,
        ending: Option<BetweenEvents>,
    ) -> Self {
        Self {
            body,
            remaining: length,
            owed: length,
            held: None,
            ended: false,
            trailers,
            failed: None,
            reset,
            ending: ending.filter(|_| length.is_none()),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = ready!(self.poll_next(cx));
        if next.is_none() && std::mem::take(&mut self.trailers) {
            let trailers = headers::of_trailers(&self.body.take_trailers());
            return Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(next.map(|next| next.map(Frame::data)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            if let Some(socket) = &self.reset {
                socket.reset_on_close();
            }
            return Poll::Ready(Some(Err(error)));
        }
        let next = if self.ended { None } else { ready!(self.poll_piece(cx)) };
        match next {
            Some(Err(error)) => {
                // One turn later, so that what came before the failure is written before it.
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Ok(bytes)) => {
                self.owed = self.owed.map(|owed| owed.saturating_sub(bytes.len() as u64));
                Poll::Ready(Some(Ok(bytes)))
            }
            None => Poll::Ready(None),
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let next = match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => match &mut self.ending {
                    Some(ending) => {
                        ready!(ending.poll(cx));
                        None
                    }
                    None => return Poll::Pending,
                },
            };
            if let (Some(Ok(bytes)), Some(ending)) = (&next, &mut self.ending) {
                ending.pass(bytes);
            }
            match next {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    let Some(remaining) = &mut self.remaining else { return Poll::Ready(Some(Ok(bytes))) };
                    match remaining.checked_sub(bytes.len() as u64) {
                        Some(0) => {
                            *remaining = 0;
                            self.held = Some(bytes);
                        }
                        Some(rest) => {
                            *remaining = rest;
                            return Poll::Ready(Some(Ok(bytes)));
                        }
                        None => return Poll::Ready(Some(Err(wrong_length("longer")))),
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.remaining.is_some_and(|remaining| remaining > 0) => {
                    return Poll::Ready(Some(Err(wrong_length("shorter"))));
                }
                None => {
                    self.ended = true;
                    return Poll::Ready(self.held.take().map(Ok));
                }
            }
        }
    }
}

fn wrong_length(how: &str) -> Error {
    let message = format!("the response body is {how} than announced");
    Error::new(Kind::OriginProtocol, Blame::Origin, Retry::Unknown, message).with_phase(Phase::Body)
}
