//! A request body whose bytes a test hands to the session itself.

use afield_exchange::{BodyError, RequestBody};
use bytes::Bytes;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Such a body, of this length if it is announced.
pub fn streamed(length: Option<u64>) -> RequestBody {
    RequestBody::Stream { length, stream: Box::pin(Nothing) }
}

struct Nothing;

impl futures_core::Stream for Nothing {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}
