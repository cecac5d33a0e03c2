use super::Decoder;
use crate::{BodyFrame, Error, ResponseBody};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A body that is decoded while it comes.
pub(super) struct Decoded {
    body: ResponseBody,
    decoder: Decoder,
    state: State,
    /// Bytes that were decoded since others on the thread got their turn.
    burst: usize,
}

/// Bytes that are decoded before others on the thread get their turn: a little that came may be a thousand times as much.
const BURST: usize = 512 * 1024;

enum State {
    /// There may be decoded bytes.
    Pulling,
    Ended,
    Over,
}

impl Decoded {
    pub fn new(body: ResponseBody, decoder: Decoder) -> Self {
        Self { body, decoder, state: State::Pulling, burst: 0 }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<BodyFrame, Error>>> {
        self.state = State::Over;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Decoded {
    type Item = Result<BodyFrame, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.state {
                State::Over => return Poll::Ready(None),
                State::Ended => {
                    self.state = State::Over;
                    let trailers = self.body.take_trailers();
                    return Poll::Ready((!trailers.is_empty()).then_some(Ok(BodyFrame::Trailers(trailers))));
                }
                State::Pulling => {}
            }
            if self.burst >= BURST {
                self.burst = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.decoder.pull() {
                Ok(Some(bytes)) => {
                    self.burst += bytes.len();
                    return Poll::Ready(Some(Ok(BodyFrame::Data(bytes))));
                }
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(encoded)) => self.decoder.push(encoded),
                Some(Err(error)) => return self.fail(error),
                None => match self.decoder.finish() {
                    Ok(()) => self.state = State::Ended,
                    Err(error) => return self.fail(error),
                },
            }
        }
    }
}
