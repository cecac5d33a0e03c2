use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

/// What a route answers, whatever the protocol.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) body: Body,
    /// Whether the connection ends after it.
    pub(super) close: bool,
}

pub(super) enum Body {
    Whole(Bytes),
    Parts { length: Option<u64>, parts: BoxStream<'static, Bytes> },
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Bytes::new()), close: false }
    }

    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::status(status).header("content-type", "text/plain; charset=utf-8").whole(text.into())
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::status(200).header("content-type", "application/json").whole(value.to_string())
    }

    pub(super) fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn whole(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    pub(super) fn parts(
        mut self,
        length: Option<u64>,
        parts: impl futures_util::Stream<Item = Bytes> + Send + 'static,
    ) -> Self {
        self.body = Body::Parts { length, parts: parts.boxed() };
        self
    }

    /// Whether a response with this status never has a body (RFC 9112, section 6.3).
    pub(super) fn bodiless(&self) -> bool {
        matches!(self.status, 100..=199 | 204 | 304)
    }
}

impl Body {
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Parts { length, .. } => *length,
        }
    }

    pub(super) fn into_parts(self) -> BoxStream<'static, Bytes> {
        match self {
            Self::Whole(bytes) => stream::iter((!bytes.is_empty()).then_some(bytes)).boxed(),
            Self::Parts { parts, .. } => parts,
        }
    }
}
