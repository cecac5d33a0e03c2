use crate::failure;
use crate::hop::Hop;
use afield_exchange::{
    Blame, BodyError, BodyStream, Error, Kind, Phase, RequestBody, Retry, Trailers, detail,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
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

/// A request body on its way, which tells its hop when it was taken whole or failed.
///
/// With a known length, exactly that many bytes are sent: the last of them are held back until the stream has ended, so
/// a body that turns out longer or shorter is cut off by closing the connection, never passed off as complete.
pub(crate) struct Upload {
    source: Source,
    /// What is still to come from the source, if its length is known.
    remaining: Option<u64>,
    /// What is still to be handed out, if the length is known: `remaining` and what is held back.
    owed: Option<u64>,
    held: Option<Bytes>,
    ended: bool,
    trailers: Option<Trailers>,
    hop: Arc<Hop>,
}

enum Source {
    Whole(Bytes),
    Stream(BodyStream),
}

impl Upload {
    /// The body as a connection takes it. Trailer fields follow a streamed one.
    pub(crate) fn new(body: RequestBody, trailers: Option<Trailers>, hop: &Arc<Hop>) -> Self {
        let length = body.length();
        let (source, ended) = match body {
            RequestBody::Empty => (Source::Whole(Bytes::new()), true),
            RequestBody::Bytes(bytes) => {
                let ended = bytes.is_empty();
                (Source::Whole(bytes), ended)
            }
            RequestBody::Stream { stream, .. } => (Source::Stream(stream), false),
            RequestBody::Recorded(body) => (Source::Stream(body.reader()), false),
        };
        let trailers = trailers.filter(|_| !ended);
        let hop = Arc::clone(hop);
        Self { source, remaining: length, owed: length, held: None, ended, trailers, hop }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.source {
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(PIECE))))),
            Source::Stream(stream) => stream.as_mut().poll_next(cx),
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

    /// The trailer fields, once; those that no trailer may be are left out (RFC 9110, section 6.5.1).
    fn take_trailers(&mut self) -> Option<HeaderMap> {
        let fields = self.trailers.take()?.get();
        let mut map = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_maybe_shared(field.value);
            if let (Ok(name), Ok(value)) = (name, value)
                && !super::headers::is_ours(&name)
            {
                map.append(name, value);
            }
        }
        (!map.is_empty()).then_some(map)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Whoever releases it polls the connection again.
        if self.hop.is_body_held() {
            return Poll::Pending;
        }
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(match piece {
            Some(Ok(bytes)) => {
                self.hop.upload(bytes.len());
                self.owed = self.owed.map(|owed| owed.saturating_sub(bytes.len() as u64));
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                self.hop.upload_failed(error.clone());
                Some(Err(error))
            }
            None => self.take_trailers().map(|fields| Ok(Frame::trailers(fields))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.held.is_none() && self.trailers.is_none()
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
