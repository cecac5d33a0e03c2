use crate::{
    error::shortened,
    json::{Text, parse_object},
    wire::{decode_base64, method, notification},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The parameters of `http/request/bodyDelta`: a piece of a streamed body, or its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Delta {
    /// The stream.
    pub request_id: Box<str>,
    /// Counts 1, 2, 3…
    pub seq: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// Whether this is the last of the stream.
    pub done: bool,
    /// Why the body failed, if it did.
    pub error: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    seq: u64,
    #[serde(borrow, default)]
    delta_base64: Text<'a>,
    #[serde(default)]
    done: bool,
    #[serde(borrow)]
    error: Option<Text<'a>>,
}

impl Delta {
    /// Decodes the parameters; `None` where they are of another shape.
    pub fn decode(params: &RawValue) -> Option<Self> {
        let wire: Wire<'_> = parse_object(params.get()).ok()?;
        Some(Self {
            request_id: wire.request_id.0.into(),
            seq: wire.seq,
            bytes: decode_base64(&wire.delta_base64)?,
            done: wire.done,
            error: wire.error.map(|error| shortened(error.0.into_owned().into()).into()),
        })
    }

    /// Writes the whole notification. The bytes may come in pieces; together they are `bytes`.
    pub fn encode(request_id: &str, seq: u64, pieces: &[Bytes], end: Option<Option<&str>>) -> Bytes {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        notification(method::BODY_DELTA, length / 3 * 4 + request_id.len() + 128, |out| {
            out.raw(b"{\"requestId\":");
            out.string(request_id);
            out.raw(b",\"seq\":");
            out.number(seq);
            out.raw(b",\"deltaBase64\":");
            match pieces {
                [one] => out.base64(one),
                many => out.base64(&many.concat()),
            }
            out.raw(if end.is_some() { b",\"done\":true,\"error\":" } else { b",\"done\":false,\"error\":" });
            match end.flatten() {
                Some(error) => out.string(error),
                None => out.raw(b"null"),
            }
            out.raw(b"}");
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Envelope, decode};

    /// Proves that deltas survive writing and reading, in one piece or several, with and without an end.
    #[test]
    fn a_delta_comes_back_as_it_was() {
        let pieces = [Bytes::from_static(b"ab"), Bytes::from_static(b"cde")];
        for (pieces, end) in
            [(&pieces[..], None), (&pieces[..1], None), (&[], Some(None)), (&[], Some(Some("why")))]
        {
            let text = Delta::encode("r-1", 7, pieces, end);
            let Ok(Envelope::Notification { method, params: Some(params) }) =
                decode(std::str::from_utf8(&text).unwrap())
            else {
                panic!("not a notification");
            };
            assert_eq!(&*method, method::BODY_DELTA);
            let delta = Delta::decode(params).unwrap();
            assert_eq!(delta.bytes, pieces.concat());
            assert_eq!((&*delta.request_id, delta.seq, delta.done), ("r-1", 7, end.is_some()));
            assert_eq!(delta.error.as_deref(), end.flatten());
        }
    }
}
