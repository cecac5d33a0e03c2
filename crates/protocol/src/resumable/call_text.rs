use crate::wire::{Encoder, encode_call_fields, encode_resumable_fields, method};
use afield_exchange::{Request, RequestBody};
use bytes::Bytes;

/// The text of an `http/request`, but for its id: written by the task that has the request, outside any lock, before
/// it is known which id it will have. Ids go out in order, so they are given when the request is queued.
#[derive(Debug)]
pub struct CallText {
    text: Bytes,
    holds_upload: bool,
}

/// A request body of more bytes than this is not written into the request: its bytes follow in body messages.
pub const INLINE_UPLOAD: usize = 64 * 1024;

impl CallText {
    /// Writes a request. A body that is a stream, or is larger than [`INLINE_UPLOAD`], is announced; its bytes follow in
    /// body messages.
    pub fn new(request: &Request) -> Self {
        let mut holds_upload = false;
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
                if body.is_replayable() {
                    out.raw(b",\"whole\":true");
                }
                if request.trailers.is_some() {
                    out.raw(b",\"trailers\":true");
                }
                holds_upload = expects_continue(request);
                out.raw(if holds_upload { b",\"hold\":true}" } else { b"}" });
            }
        }
        Self { text: out.finish(), holds_upload }
    }

    /// Whether the body of such a request follows in body messages.
    pub fn has_upload(request: &Request) -> bool {
        match &request.body {
            RequestBody::Empty => false,
            RequestBody::Bytes(bytes) => bytes.len() > INLINE_UPLOAD,
            RequestBody::Stream { .. } | RequestBody::Recorded(_) => true,
        }
    }

    /// Whether the body is to be held back until the executor asks for it.
    pub(super) fn holds_upload(&self) -> bool {
        self.holds_upload
    }

    /// The whole message.
    pub(super) fn message(&self, id: u64) -> Bytes {
        let mut out = Encoder::with_capacity(self.text.len() + 96);
        out.raw(b"{\"id\":");
        out.number(id);
        out.raw(b",\"method\":");
        out.string(method::HTTP_REQUEST);
        out.raw(b",\"params\":");
        out.raw(&self.text);
        out.raw(b",\"requestId\":");
        out.number(id);
        out.raw(b"}}");
        out.finish()
    }

    /// Its length in bytes, nearly.
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.text.len()
    }
}

/// Whether the caller has asked to be asked for the body (RFC 9110, section 10.1.1).
fn expects_continue(request: &Request) -> bool {
    let words = request.headers.iter().filter(|header| header.is("expect"));
    let mut words = words.flat_map(|header| header.value.split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"100-continue"))
}
