//! The request's body.

use crate::headers;
use afield_exchange::{BodyError, Error, Phase, Recorded, RequestBody, Retry, Trailers, detail};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

/// A body up to this length can be sent again.
const BUFFERED: u64 = 64 * 1024;

/// How long what nobody wants of a body is read all the same, and how long it may pause meanwhile.
const LINGER: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(5);

/// The body as it goes on, and where its trailers will be, if it may have some: whole if it is short, else as it comes. One
/// that waits to be asked for (`held`) is not read here: reading it asks for it.
pub(crate) async fn take(mut upload: Upload) -> Result<(RequestBody, Option<Trailers>), Error> {
    let length = upload.body.as_ref().and_then(|body| body.size_hint().exact());
    Ok(match length {
        Some(0) => (RequestBody::Empty, None),
        Some(short) if short <= BUFFERED => {
            if upload.held {
                return Ok((RequestBody::Recorded(Recorded::new(length, Box::pin(upload))), None));
            }
            let Some(body) = upload.body.take() else { return Ok((RequestBody::Empty, None)) };
            let whole = body.collect().await.map_err(|_| broken_off())?;
            (RequestBody::Bytes(whole.to_bytes()), None)
        }
        Some(_) => (RequestBody::Stream { length, stream: Box::pin(upload) }, None),
        None => {
            let trailers = Trailers::new();
            upload.trailers = Some(trailers.clone());
            (RequestBody::Stream { length, stream: Box::pin(upload) }, Some(trailers))
        }
    })
}

fn broken_off() -> Error {
    Error::cancelled().with_retry(Retry::Safe).with_detail(detail::REQUEST_BODY).with_phase(Phase::Request)
}

/// A caller's body. What is not read of it by whoever drops this is left over: an answer that is given meanwhile is heard by
/// callers that send all they have before they listen only if somebody goes on reading.
pub(crate) struct Upload {
    body: Option<Incoming>,
    trailers: Option<Trailers>,
    /// Reading it asks for it, and nobody has.
    held: bool,
    leftovers: mpsc::Sender<Incoming>,
}

impl Upload {
    /// `held`: the caller waits to be asked for it.
    pub(crate) fn new(body: Incoming, held: bool, leftovers: mpsc::Sender<Incoming>) -> Self {
        Self { body: Some(body), trailers: None, held, leftovers }
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.held = false;
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                None => {
                    self.body = None;
                    return Poll::Ready(None);
                }
                Some(Err(_)) => {
                    self.body = None;
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

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !self.held && !body.is_end_stream()) {
            // A connection has one request at a time, and so one body.
            let _ = self.leftovers.try_send(body);
        }
    }
}

/// Reads what is left over, and drops it: for 30 s, and while no pause is longer than 5 s. Giving up closes the connection.
pub(crate) async fn drain(leftovers: &mut mpsc::Receiver<Incoming>) -> std::convert::Infallible {
    while let Some(mut body) = leftovers.recv().await {
        let end = Instant::now() + LINGER;
        let mut next = async || {
            let until = end.min(Instant::now() + PAUSE);
            timeout_at(until, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await
        };
        while let Ok(Some(Ok(_))) = next().await
            && Instant::now() < end
        {}
    }
    std::future::pending().await
}
