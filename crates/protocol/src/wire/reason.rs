use crate::{
    json::Text,
    wire::{Encoder, decode_base64},
};
use bytes::Bytes;
use std::borrow::Cow;

/// Writes a reason phrase, if there is one, behind other fields. One that is not UTF-8 is written as Latin-1 text and as
/// exact bytes.
pub fn encode_reason(reason: Option<&Bytes>, out: &mut Encoder) {
    let Some(reason) = reason else { return };
    out.raw(b",\"reason\":");
    match std::str::from_utf8(reason) {
        Ok(text) => out.string(text),
        Err(_) => {
            let latin1: Cow<'_, str> = reason.iter().map(|byte| char::from(*byte)).collect();
            out.string(&latin1);
            out.raw(b",\"reasonBase64\":");
            out.base64(reason);
        }
    }
}

/// Reads a reason phrase. `None`: it is not such as HTTP has (RFC 9112, section 4).
pub fn decode_reason(reason: Option<Text<'_>>, exact: Option<Text<'_>>) -> Option<Option<Bytes>> {
    let bytes = match (reason, exact) {
        (_, Some(exact)) => decode_base64(&exact)?,
        (Some(text), None) => Bytes::copy_from_slice(text.as_bytes()),
        (None, None) => return Some(None),
    };
    let is_phrase = bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    is_phrase.then_some(Some(bytes))
}
