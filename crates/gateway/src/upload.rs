//! The request's body.

use afield_exchange::{BodyError, Error, Phase, RequestBody, Retry, detail};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A body up to this length is read before the request goes out, so that it can be sent again.
const BUFFERED: u64 = 64 * 1024;

/// The body as it goes on: whole if it is short, else as it comes. Trailers are dropped.
pub(crate) async fn take(body: Incoming) -> Result<RequestBody, Error> {
    let length = body.size_hint().exact();
    Ok(match length {
        Some(0) => RequestBody::Empty,
        Some(length) if length <= BUFFERED => {
            let whole = body.collect().await.map_err(|_| broken_off())?;
            RequestBody::Bytes(whole.to_bytes())
        }
        _ => RequestBody::Stream { length, stream: Box::pin(Upload(body)) },
    })
}

fn broken_off() -> Error {
    Error::cancelled().with_retry(Retry::Safe).with_detail(detail::REQUEST_BODY).with_phase(Phase::Request)
}

struct Upload(Incoming);

impl Stream for Upload {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => {
                    return Poll::Ready(Some(Err("it ended before its end".into())));
                }
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }
}
