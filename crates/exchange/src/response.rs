use crate::{Error, Header, Timings};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The head of a response: its status and its header fields, in order, repeats kept.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Head {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The reason phrase, where the origin sent another than the usual one for the status (RFC 9112, section 4). HTTP/2 has
    /// none, the base dialect carries none.
    pub reason: Option<Bytes>,
    /// Header fields. Names come in lower case.
    pub headers: Vec<Header>,
    /// How the exchange went. Only in the head of a final response, and not in the base dialect.
    pub timings: Option<Box<Timings>>,
}

impl Head {
    /// A head of this status with these fields.
    pub fn new(status: u16, headers: Vec<Header>) -> Self {
        Self { status, reason: None, headers, timings: None }
    }

    /// Sets the reason phrase.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<Bytes>) -> Self {
        self.reason = reason;
        self
    }

    /// Sets how the exchange went.
    #[must_use]
    pub fn with_timings(mut self, timings: Option<Box<Timings>>) -> Self {
        self.timings = timings;
        self
    }

    /// The first field of this name.
    pub fn header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().find(|header| header.is(name))
    }
}

/// A response whose body has been read whole.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Buffered {
    /// The head.
    pub head: Head,
    /// The body as the origin sent it: nothing is decompressed.
    pub body: Bytes,
    /// The trailer fields (RFC 9110, section 6.5). None in the base dialect.
    pub trailers: Vec<Header>,
}

impl Buffered {
    /// A response of this head and body, without trailer fields.
    pub fn new(head: Head, body: Bytes) -> Self {
        Self { head, body, trailers: Vec::new() }
    }

    /// Sets the trailer fields.
    #[must_use]
    pub fn with_trailers(mut self, trailers: Vec<Header>) -> Self {
        self.trailers = trailers;
        self
    }
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("head", &self.head)
            .field("body_len", &self.body.len())
            .field("trailers", &self.trailers)
            .finish()
    }
}

/// A response whose body is still coming.
#[derive(Debug)]
pub struct Response {
    /// The head.
    pub head: Head,
    /// The body. Dropping it cancels the exchange, through to the origin's socket.
    pub body: ResponseBody,
}

/// A part of a response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyFrame {
    /// Bytes of the body.
    Data(Bytes),
    /// The trailer fields. Nothing follows them.
    Trailers(Vec<Header>),
}

/// Body bytes as they arrive, exactly as the origin sent them.
///
/// Ends with `None` only if the body is whole. A body that was cut, cancelled, timed out or lost with its connection
/// yields one `Err` and then `None`: a lost connection is never a clean end. Dropping it cancels the exchange.
pub struct ResponseBody {
    source: Source,
    trailers: Vec<Header>,
}

enum Source {
    Bytes(Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>),
    Frames(Pin<Box<dyn Stream<Item = Result<BodyFrame, Error>> + Send>>),
}

impl ResponseBody {
    /// A body that yields what `stream` yields, and has no trailer fields. The stream keeps the promises of this type.
    pub fn new(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self { source: Source::Bytes(Box::pin(stream)), trailers: Vec::new() }
    }

    /// A body of these parts. The stream keeps the promises of this type.
    pub fn from_frames(frames: impl Stream<Item = Result<BodyFrame, Error>> + Send + 'static) -> Self {
        Self { source: Source::Frames(Box::pin(frames)), trailers: Vec::new() }
    }

    /// The next bytes, `None` at the clean end. Cancel safe: a dropped call loses no bytes.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The trailer fields, once the body has ended; none before that.
    pub fn trailers(&self) -> &[Header] {
        &self.trailers
    }

    /// Takes the trailer fields, once the body has ended.
    pub fn take_trailers(&mut self) -> Vec<Header> {
        std::mem::take(&mut self.trailers)
    }

    /// Reads to the end, into memory. More than `limit` bytes fail with kind `too_large` and cancel the exchange.
    pub async fn collect(self, limit: usize) -> Result<Bytes, Error> {
        Ok(self.collect_with_trailers(limit).await?.0)
    }

    /// Reads to the end, into memory, and returns the trailer fields too. Fails as [`collect`](Self::collect) does.
    pub async fn collect_with_trailers(mut self, limit: usize) -> Result<(Bytes, Vec<Header>), Error> {
        let mut first = Bytes::new();
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await {
            let bytes = bytes?;
            if first.len() + all.len() + bytes.len() > limit {
                return Err(Error::response_body_too_large(limit as u64));
            }
            if all.is_empty() && first.is_empty() {
                first = bytes;
                continue;
            }
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&bytes);
        }
        Ok((if all.is_empty() { first } else { all.into() }, self.trailers))
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frames = match &mut self.source {
                Source::Bytes(bytes) => return bytes.as_mut().poll_next(cx),
                Source::Frames(frames) => frames,
            };
            match ready!(frames.as_mut().poll_next(cx)) {
                Some(Ok(BodyFrame::Data(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Some(Ok(BodyFrame::Trailers(fields))) => self.trailers = fields,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}
