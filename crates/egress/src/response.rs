//! The response: its head in our words, its body as a stream under the deadlines.

use crate::failure;
use crate::observe::{HopOutcome, Watch};
use crate::secrets::{Sent, redacted, redacted_name};
use afield_exchange::{Error, Head, Header};
use bytes::Bytes;
use futures_core::Stream;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The head as the caller sees it: secrets that were `sent` and are to be redacted are.
pub(crate) fn head(status: http::StatusCode, headers: &http::HeaderMap, sent: &[Sent]) -> Head {
    let headers = headers.iter().map(|(name, value)| {
        let value = redacted(Bytes::copy_from_slice(value.as_bytes()), sent);
        Header { name: redacted_name(name.as_str(), sent), value, env_var: None, secret: None }
    });
    Head::new(status.as_u16(), headers.collect())
}

/// What makes a head unacceptable that the HTTP client accepts.
pub(crate) fn refused(head: &http::response::Parts) -> Option<&'static str> {
    if head.status.is_informational() {
        return Some("the origin switched protocols unasked");
    }
    // The client would read such a body up to the end of the connection (RFC 9112, section 6.3): whoever framed it so
    // knows more than we do about where it ends.
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let last = codings.next_back()?.as_bytes().rsplit(|byte| *byte == b',').next()?.trim_ascii();
    (!last.eq_ignore_ascii_case(b"chunked")).then_some("the origin's transfer coding does not end the body")
}

/// Whether the body has two lengths. The chunks are right (RFC 9112, section 6.3), but what follows them on the connection
/// may have been made by somebody who went by the other.
pub(crate) fn is_ambiguous(head: &http::response::Parts) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING) && head.headers.contains_key(CONTENT_LENGTH)
}

/// The deadlines that hold while a body is read.
#[derive(Clone, Copy)]
pub(crate) struct BodyDeadlines {
    /// When the whole exchange must be over.
    pub(crate) total: Option<Instant>,
    /// The longest wait between two pieces.
    pub(crate) idle: Option<Duration>,
}

/// Body bytes as they come. Time counts while somebody waits for them: the idle deadline starts when a poll finds
/// nothing and ends with the next bytes. Ends after the first error. Trailers are dropped.
pub(crate) struct Incoming {
    body: Option<reqwest::Body>,
    deadlines: BodyDeadlines,
    hop: u32,
    /// Made when a poll first has to wait, and only if there is a deadline.
    timer: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
    watch: Option<Watch>,
}

impl Incoming {
    pub(crate) fn new(body: reqwest::Body, deadlines: BodyDeadlines, hop: u32, watch: Option<Watch>) -> Self {
        Self { body: Some(body), deadlines, hop, timer: None, waiting_since: None, watch }
    }

    /// Gives up on the body, for this reason.
    pub(crate) fn abandon(mut self, error: &Error) {
        if let Some(watch) = self.watch.take() {
            watch.failed(error);
        }
    }

    /// The length in bytes, where the origin announced it.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.body.as_ref().and_then(|body| body.size_hint().exact())
    }

    /// The next bytes, `None` at the clean end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(failure::body(&error, self.hop)))),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let BodyDeadlines { total, idle } = self.deadlines;
        // A deadline beyond what the clock can express is none.
        let idle_until =
            idle.and_then(|idle| self.waiting_since.get_or_insert_with(Instant::now).checked_add(idle));
        let Some(next) = [total, idle_until].into_iter().flatten().min() else { return Poll::Pending };
        let timer = match &mut self.timer {
            Some(timer) => {
                if timer.deadline() != next {
                    timer.as_mut().reset(next);
                }
                timer
            }
            None => self.timer.insert(Box::pin(sleep_until(next))),
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(match total {
            Some(total) if total == next => failure::total_timeout_in_body(self.hop),
            _ => failure::idle_timeout(self.hop, idle.unwrap_or_default()),
        })
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.body.is_none() {
            return Poll::Ready(None);
        }
        let item = match self.poll_body(cx) {
            // An origin that never pauses gives the timer no turn.
            Poll::Ready(Some(Ok(_))) if self.deadlines.total.is_some_and(|total| total <= Instant::now()) => {
                Some(Err(failure::total_timeout_in_body(self.hop)))
            }
            Poll::Ready(item) => item,
            Poll::Pending => Some(Err(ready!(self.poll_deadlines(cx)))),
        };
        self.waiting_since = None;
        match &item {
            Some(Ok(bytes)) => {
                if let Some(watch) = &mut self.watch {
                    watch.received(bytes.len());
                }
            }
            ended => {
                self.body = None;
                self.timer = None;
                if let Some(Err(error)) = ended {
                    failure::log(error);
                }
                match (self.watch.take(), ended) {
                    (Some(watch), Some(Err(error))) => watch.failed(error),
                    (Some(watch), _) => watch.ended(HopOutcome::Answered),
                    (None, _) => {}
                }
            }
        }
        Poll::Ready(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::{Kind, detail};
    use http_body::Frame;

    /// A body that always has something.
    struct Eager;

    impl Body for Eager {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
        }
    }

    /// Proves that a body which never lets a poll wait, so that no timer gets a turn, ends at the total deadline.
    #[tokio::test]
    async fn a_body_that_never_pauses_ends_at_the_deadline() {
        let with = |total| {
            let deadlines = BodyDeadlines { total: Some(total), idle: None };
            Incoming::new(reqwest::Body::wrap(Eager), deadlines, 0, None)
        };
        let in_time = Instant::now() + Duration::from_secs(3600);
        assert_eq!(with(in_time).next().await.expect("there is more").expect("in time"), "more");
        let mut late = with(Instant::now());
        let error = late.next().await.expect("an error").expect_err("too late");
        assert_eq!((error.kind(), error.detail()), (Kind::Timeout, Some(detail::TOTAL)));
        assert!(late.next().await.is_none());
    }
}
