use crate::failure;
use crate::hop::Hop;
use afield_exchange::{Blame, BodyError, BodyStream, Error, Kind, Phase, RequestBody, Retry, detail};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, timeout_at};

/// A whole body up to this size counts as sent once there is a connection; a larger one goes out in pieces of this size,
/// so that the deadline for the head starts when the last of them was taken.
const PIECE: usize = 256 * 1024;

/// Whether sending `body` takes long enough to be watched.
pub(crate) fn is_watched(body: &RequestBody) -> bool {
    match body {
        RequestBody::Empty => false,
        RequestBody::Bytes(bytes) => bytes.len() > PIECE,
        RequestBody::Stream { .. } | RequestBody::Recorded(_) => true,
    }
}

/// The body as the HTTP client takes it.
pub(crate) fn for_client(body: RequestBody, hop: &Arc<Hop>) -> Option<reqwest::Body> {
    match body {
        RequestBody::Empty => None,
        RequestBody::Bytes(bytes) if bytes.len() <= PIECE => {
            hop.upload(bytes.len());
            Some(bytes.into())
        }
        RequestBody::Bytes(bytes) => {
            let length = Some(bytes.len() as u64);
            Some(reqwest::Body::wrap(Upload::new(Source::Whole(bytes), length, hop)))
        }
        RequestBody::Stream { length, stream } => {
            Some(reqwest::Body::wrap(Upload::new(Source::Stream(Mutex::new(stream)), length, hop)))
        }
        RequestBody::Recorded(body) => {
            let stream = Mutex::new(body.reader());
            Some(reqwest::Body::wrap(Upload::new(Source::Stream(stream), body.length(), hop)))
        }
    }
}

/// A request body that tells its hop when it was taken whole or failed.
///
/// With a known length, exactly that many bytes are sent: the last of them are held back until the stream has ended, so
/// a body that turns out longer or shorter is cut off by closing the connection, never passed off as complete.
struct Upload {
    source: Source,
    /// What is still to come from the source, if its length is known.
    remaining: Option<u64>,
    /// What is still to be handed out, if the length is known: `remaining` and what is held back.
    owed: Option<u64>,
    held: Option<Bytes>,
    ended: bool,
    hop: Arc<Hop>,
}

enum Source {
    Whole(Bytes),
    /// The lock is never taken: it makes the stream `Sync`, as the HTTP client demands.
    Stream(Mutex<BodyStream>),
}

impl Upload {
    fn new(source: Source, length: Option<u64>, hop: &Arc<Hop>) -> Self {
        Self { source, remaining: length, owed: length, held: None, ended: false, hop: Arc::clone(hop) }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.source {
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(PIECE))))),
            Source::Stream(stream) => {
                stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
            }
        }
    }

    /// The next piece that may go out, `None` at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.held.take().map(Ok));
            }
            match ready!(self.poll_source(cx)) {
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
                Some(Err(error)) => return Poll::Ready(Some(Err(Error::of_body_error(&error)))),
                None if self.remaining.is_some_and(|remaining| remaining > 0) => {
                    return Poll::Ready(Some(Err(wrong_length("shorter"))));
                }
                None => {
                    self.ended = true;
                    self.hop.upload_done();
                }
            }
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(piece.map(|piece| match piece {
            Ok(bytes) => {
                self.hop.upload(bytes.len());
                self.owed = self.owed.map(|owed| owed.saturating_sub(bytes.len() as u64));
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                self.hop.upload_failed(error.clone());
                Err(error)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.owed.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

fn wrong_length(how: &str) -> Error {
    let message = format!("the request body is {how} than announced");
    Error::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message)
        .with_detail(detail::REQUEST_BODY)
        .with_phase(Phase::Request)
}

/// Whether a stream that is announced as empty is: the HTTP client does not look at a body of length 0.
pub(crate) async fn check_announced_empty(
    body: &mut RequestBody,
    total: Option<Instant>,
) -> Result<(), Error> {
    let RequestBody::Stream { length: Some(0), stream } = body else { return Ok(()) };
    let ended = async {
        while let Some(bytes) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            match bytes {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(_) => return Err(wrong_length("longer")),
                // Nothing was sent.
                Err(error) => {
                    let error = Error::of_body_error(&error);
                    return Err(match error.retry() {
                        Retry::Unknown => error.with_retry(Retry::Safe),
                        _ => error,
                    });
                }
            }
        }
        Ok(())
    };
    match total {
        Some(total) => timeout_at(total, ended).await.map_err(|_| failure::total_timeout_unsent())??,
        None => ended.await?,
    }
    *body = RequestBody::Empty;
    Ok(())
}
