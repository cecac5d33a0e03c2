use crate::wire::{Encoder, encode_call_fields, encode_resumable_fields, method};
use afield_exchange::{Request, RequestBody};
use bytes::Bytes;

/// The text of an `http/request`, but for its id: written by the task that has the request, outside any lock, before
/// it is known which id it will have. Ids go out in order, so they are given when the request is queued.
#[derive(Debug)]
pub struct CallText(Bytes);

/// A request body of more bytes than this is not written into the request: its bytes follow in body messages.
pub const INLINE_UPLOAD: usize = 64 * 1024;

impl CallText {
    /// Writes a request. A body that is a stream, or is larger than [`INLINE_UPLOAD`], is announced; its bytes follow in
    /// body messages.
    pub fn new(request: &Request) -> Self {
        let mut out = Encoder::with_capacity(512);
        encode_call_fields(request, &mut out);
        encode_resumable_fields(request, &mut out);
        match &request.body {
            RequestBody::Empty => {}
            RequestBody::Bytes(bytes) if bytes.len() <= INLINE_UPLOAD => {
                out.raw(b",\"bodyBase64\":");
                out.base64(bytes);
            }
            body => {
                out.raw(b",\"body\":{\"stream\":true");
                out.optional_number(b",\"length\":", body.length());
                out.raw(if body.is_replayable() { b",\"whole\":true}" } else { b"}" });
            }
        }
        Self(out.finish())
    }

    /// Whether the body of such a request follows in body messages.
    pub fn has_upload(request: &Request) -> bool {
        match &request.body {
            RequestBody::Empty => false,
            RequestBody::Bytes(bytes) => bytes.len() > INLINE_UPLOAD,
            RequestBody::Stream { .. } | RequestBody::Recorded(_) => true,
        }
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
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
