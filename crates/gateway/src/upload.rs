//! The request's body.

use crate::headers;
use afield_exchange::{BodyError, Error, Phase, Recorded, RequestBody, Retry, Trailers, detail};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A body up to this length can be sent again.
const BUFFERED: u64 = 64 * 1024;

/// The body as it goes on, and where its trailers will be, if it may have some: whole if it is short, else as it comes. One
/// that waits to be asked for (`held`) is not read here: reading it asks for it.
pub(crate) async fn take(body: Incoming, held: bool) -> Result<(RequestBody, Option<Trailers>), Error> {
    let length = body.size_hint().exact();
    Ok(match length {
        Some(0) => (RequestBody::Empty, None),
        Some(short) if short <= BUFFERED => {
            if held {
                let stream = Box::pin(Upload { body, trailers: None });
                return Ok((RequestBody::Recorded(Recorded::new(length, stream)), None));
            }
            let whole = body.collect().await.map_err(|_| broken_off())?;
            (RequestBody::Bytes(whole.to_bytes()), None)
        }
        Some(_) => (RequestBody::Stream { length, stream: Box::pin(Upload { body, trailers: None }) }, None),
        None => {
            let trailers = Trailers::new();
            let stream = Box::pin(Upload { body, trailers: Some(trailers.clone()) });
            (RequestBody::Stream { length, stream }, Some(trailers))
        }
    })
}

fn broken_off() -> Error {
    Error::cancelled().with_retry(Retry::Safe).with_detail(detail::REQUEST_BODY).with_phase(Phase::Request)
}

struct Upload {
    body: Incoming,
    trailers: Option<Trailers>,
}

impl Stream for Upload {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => {
                    return Poll::Ready(Some(Err("it ended before its end".into())));
                }
                Some(Ok(frame)) => match (frame.into_data(), &self.trailers) {
                    (Ok(bytes), _) => return Poll::Ready(Some(Ok(bytes))),
                    (Err(frame), Some(trailers)) => {
                        if let Some(fields) = frame.trailers_ref() {
                            trailers.set(headers::trailers(fields));
                        }
                    }
                    (Err(_), None) => {}
                },
            }
        }
    }
}
