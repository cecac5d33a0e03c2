use crate::wire::{Encoder, encode_call_fields, method};
use afield_exchange::{Request, RequestBody};
use bytes::Bytes;

/// The text of an `http/request`, but for its id: written by the task that has the request, outside any lock, before
/// it is known which id it will have. Ids go out in order, so they are given when the request is queued.
#[derive(Debug)]
pub struct CallText(Bytes);

impl CallText {
    /// Writes a request. A body that is a stream is announced; its bytes follow in body messages.
    pub fn new(request: &Request) -> Self {
        let mut out = Encoder::with_capacity(512);
        encode_call_fields(request, &mut out);
        if let RequestBody::Stream { length, .. } = &request.body {
            out.raw(b",\"body\":{\"stream\":true");
            out.optional_number(b",\"length\":", *length);
            out.raw(b"}");
        }
        Self(out.finish())
    }

    /// The whole message.
    pub(super) fn message(&self, id: u64) -> Bytes {
        let mut out = Encoder::with_capacity(self.0.len() + 96);
        out.raw(b"{\"id\":");
        out.number(id);
        out.raw(b",\"method\":");
        out.string(method::HTTP_REQUEST);
        out.raw(b",\"params\":");
        out.raw(&self.0);
        out.raw(b",\"requestId\":");
        out.number(id);
        out.raw(b"}}");
        out.finish()
    }

    /// Its length in bytes, nearly.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
