//! The response: its head in our words, its body as a stream under the deadlines.

use crate::deadlines::Alarm;
use crate::hop::Hop;
use crate::observe::{HopOutcome, Watch};
use crate::secrets::{Sent, redacted, redacted_name};
use crate::{failure, http1, http2};
use afield_exchange::{BodyFrame, Error, Head, Header, Limits, Timings};
use bytes::Bytes;
use futures_core::Stream;
use http::header::{CONTENT_LENGTH, PROXY_AUTHENTICATE, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http_body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// The head as the caller sees it: secrets that were `sent` and are to be redacted are.
pub(crate) fn head(parts: &http::response::Parts, sent: &[Sent], timings: Timings) -> Head {
    let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>();
    let reason = reason.map(|reason| redacted(Bytes::copy_from_slice(reason.as_bytes()), sent));
    Head::new(parts.status.as_u16(), fields(&parts.headers, sent))
        .with_reason(reason)
        .with_timings(Some(Box::new(timings)))
}

/// Fields as the caller sees them.
pub(crate) fn fields(headers: &http::HeaderMap, sent: &[Sent]) -> Vec<Header> {
    let fields = headers.iter().map(|(name, value)| {
        let value = redacted(Bytes::copy_from_slice(value.as_bytes()), sent);
        Header { name: redacted_name(name.as_str(), sent), value, env_var: None, secret: None }
    });
    fields.collect()
}

/// Whether a head has more fields, or more bytes in their names and values, than there may be.
pub(crate) fn is_too_large(headers: &http::HeaderMap, limits: &Limits) -> bool {
    let bytes = || headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    headers.len() > limits.response_header_count || bytes() > limits.response_headers_bytes
}

/// Whether the origin authenticates the connection, not the request, by one of the schemes that do: whoever uses the
/// connection next would be taken for the same user.
pub(crate) fn authenticates_connection(headers: &http::HeaderMap) -> bool {
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter().chain(headers.get_all(PROXY_AUTHENTICATE));
    challenges
        .into_iter()
        .any(|value| value.as_bytes().split(|byte| *byte == b',').any(names_connection_scheme))
}

/// Whether credentials or a challenge begin with a scheme that authenticates the connection.
pub(crate) fn names_connection_scheme(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    let scheme = value.split(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    [&b"ntlm"[..], b"negotiate", b"kerberos"].iter().any(|other| scheme.eq_ignore_ascii_case(other))
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

/// A response body on its connection.
pub(crate) enum Source {
    Http1(http1::Body),
    Http2(http2::Body),
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Self::Http1(body) => body.poll_frame(cx),
            Self::Http2(body) => body.poll_frame(cx),
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(body) => body.poll_upload(cx),
            Self::Http2(body) => body.poll_upload(cx),
        }
    }

    /// The length in bytes, where the origin announced it.
    pub(crate) fn announced(&self, head: &http::response::Parts) -> Option<u64> {
        match self {
            Self::Http1(body) => body.announced(),
            Self::Http2(body) if body.is_end() => Some(0),
            Self::Http2(_) => {
                std::str::from_utf8(head.headers.get(CONTENT_LENGTH)?.as_bytes()).ok()?.parse().ok()
            }
        }
    }

    /// Reads what is left, if it is little and there already, so that the connection can be used for the next hop. Else the
    /// connection closes.
    pub(crate) async fn finish(mut self) {
        let mut left = DISCARDED;
        std::future::poll_fn(|cx| {
            loop {
                match self.poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let length = frame.data_ref().map_or(0, Bytes::len);
                        let Some(rest) = left.checked_sub(length) else { return Poll::Ready(()) };
                        left = rest;
                    }
                    Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}

/// Bytes of a redirect's body that are read to save its connection.
const DISCARDED: usize = 64 * 1024;

/// A request body that goes on although its origin has answered whole.
pub(crate) struct Rest {
    pub(crate) hop: Arc<Hop>,
    /// Whether the origin may be expected to read on: one that refuses does not want the rest.
    pub(crate) is_wanted: bool,
}

impl Rest {
    /// How long it may stand still.
    const PATIENCE: Duration = Duration::from_secs(1);
}

/// Body bytes as they come. Time counts while somebody waits for them: the idle deadline starts when a poll finds
/// nothing and ends with the next bytes. Ends after the first error.
pub(crate) struct Incoming {
    source: Option<Source>,
    announced: Option<u64>,
    deadlines: BodyDeadlines,
    hop: u32,
    /// Secrets that were sent and are not to come back in trailer fields.
    sent: Vec<Sent>,
    /// Made when a poll first has to wait, and only if there is a deadline.
    alarm: Alarm,
    waiting_since: Option<Instant>,
    rest: Rest,
    /// What of the request body was sent when the answer was whole, or when this was last looked at, and when that is again.
    lingering: Option<(u64, Instant)>,
    watch: Option<Watch>,
    /// Whether a failure is logged here.
    logs: bool,
}

impl Incoming {
    pub(crate) fn new(
        source: Source,
        announced: Option<u64>,
        deadlines: BodyDeadlines,
        hop: u32,
        sent: Vec<Sent>,
        rest: Rest,
        watch: Option<Watch>,
    ) -> Self {
        let (alarm, waiting_since) = (Alarm::default(), None);
        Self {
            source: Some(source),
            announced,
            deadlines,
            hop,
            sent,
            alarm,
            waiting_since,
            rest,
            lingering: None,
            watch,
            logs: true,
        }
    }

    /// The same body, whose failure is logged here or left to its owner to log.
    pub(crate) fn logged(self, logs: bool) -> Self {
        Self { logs, ..self }
    }

    /// Gives up on the body, for this reason.
    pub(crate) fn abandon(mut self, error: &Error) {
        self.log(error);
        if let Some(watch) = self.watch.take() {
            watch.failed(error);
        }
    }

    fn log(&self, error: &Error) {
        if self.logs {
            failure::log(error);
        }
    }

    /// The length in bytes, where the origin announced it.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next part, `None` at the clean end.
    pub(crate) async fn next(&mut self) -> Option<Result<BodyFrame, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, Error>>> {
        if self.lingering.is_some() {
            return self.poll_rest(cx).map(|()| None);
        }
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        loop {
            let frame = match ready!(source.poll_frame(cx)) {
                None => return self.poll_rest(cx).map(|()| None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.with_hop(self.hop)))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(BodyFrame::Data(bytes)))),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let trailers = fields(&trailers, &self.sent);
                        return Poll::Ready(Some(Ok(BodyFrame::Trailers(trailers))));
                    }
                }
            }
        }
    }

    /// Waits for the rest of the request body once the answer is whole, as long as it gets on: a call that succeeds has not cut
    /// its own upload.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(source) = &mut self.source else { return Poll::Ready(()) };
        if !self.rest.is_wanted || source.poll_upload(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let sent = self.rest.hop.uploaded();
            let (seen, until) = self.lingering.get_or_insert_with(|| (sent, Instant::now() + Rest::PATIENCE));
            ready!(self.alarm.poll_until(cx, *until));
            if *seen == sent {
                return Poll::Ready(());
            }
            self.lingering = None;
        }
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let BodyDeadlines { total, idle } = self.deadlines;
        // It counts the pauses of the response body.
        let idle = idle.filter(|_| self.lingering.is_none());
        // A deadline beyond what the clock can express is none.
        let idle_until =
            idle.and_then(|idle| self.waiting_since.get_or_insert_with(Instant::now).checked_add(idle));
        let Some(next) = [total, idle_until].into_iter().flatten().min() else { return Poll::Pending };
        ready!(self.alarm.poll_until(cx, next));
        Poll::Ready(match total {
            Some(total) if total == next => failure::total_timeout_in_body(self.hop),
            _ => failure::idle_timeout(self.hop, idle.unwrap_or_default()),
        })
    }
}

impl Stream for Incoming {
    type Item = Result<BodyFrame, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.source.is_none() {
            return Poll::Ready(None);
        }
        let item = match self.poll_source(cx) {
            // An origin that never pauses gives the timer no turn.
            Poll::Ready(Some(Ok(_))) if self.deadlines.total.is_some_and(|total| total <= Instant::now()) => {
                Some(Err(failure::total_timeout_in_body(self.hop)))
            }
            Poll::Ready(item) => item,
            Poll::Pending => Some(Err(ready!(self.poll_deadlines(cx)))),
        };
        self.waiting_since = None;
        match &item {
            Some(Ok(BodyFrame::Data(bytes))) => {
                if let Some(watch) = &mut self.watch {
                    watch.received(bytes.len());
                }
            }
            Some(Ok(BodyFrame::Trailers(_))) => {}
            ended => {
                self.source = None;
                if let Some(Err(error)) = ended {
                    self.log(error);
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

    /// Proves which credentials and challenges are a connection's, in any case and anywhere in a list (case 123).
    #[test]
    fn connection_authentication_is_known_by_its_scheme() {
        for value in ["NTLM", "ntlm TlRMTVNT", "Negotiate YII=", " Kerberos x", "Negotiate"] {
            assert!(names_connection_scheme(value.as_bytes()), "{value}");
        }
        for value in ["Basic ntlm", "Bearer negotiate", "NTLMv9 x", "", "Digest realm=NTLM"] {
            assert!(!names_connection_scheme(value.as_bytes()), "{value}");
        }
        let mut headers = http::HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, http::HeaderValue::from_static("Basic realm=x, Negotiate"));
        assert!(authenticates_connection(&headers));
        headers.insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Basic realm=x"));
        assert!(!authenticates_connection(&headers));
    }
}
