use crate::{Error, Header};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The head of a response: its status and its header fields, in order, repeats kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The status code, 100 to 999.
    pub status: u16,
    /// Header fields. Names come in lower case.
    pub headers: Vec<Header>,
}

impl Head {
    /// The first field of this name.
    pub fn header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().find(|header| header.is(name))
    }
}

/// A response whose body has been read whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Buffered {
    /// The head.
    pub head: Head,
    /// The body as the origin sent it: nothing is decompressed.
    pub body: Bytes,
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered").field("head", &self.head).field("body_len", &self.body.len()).finish()
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

/// Body bytes as they arrive, exactly as the origin sent them.
///
/// Ends with `None` only if the body is whole. A body that was cut, cancelled, timed out or lost with its connection
/// yields one `Err` and then `None`: a lost connection is never a clean end. Dropping it cancels the exchange.
pub struct ResponseBody(Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>);

impl ResponseBody {
    /// A body that yields what `stream` yields. The stream keeps the promises of this type.
    pub fn new(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The next bytes, `None` at the clean end. Cancel safe: a dropped call loses no bytes.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }

    /// Reads to the end, into memory. More than `limit` bytes fail with kind `too_large` and cancel the exchange.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, Error> {
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
        Ok(if all.is_empty() { first } else { all.into() })
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}
