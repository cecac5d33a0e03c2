use crate::{
    json::{Text, objects, parse_object},
    wire::{Encoder, decode_base64, header::WireHeader, header::encode_headers},
};
use afield_exchange::{Buffered, Head};
use bytes::Bytes;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    status: u16,
    #[serde(borrow, default, deserialize_with = "objects")]
    headers: Vec<WireHeader<'a>>,
    #[serde(borrow, default)]
    body_base64: Text<'a>,
    #[serde(default)]
    body_complete: bool,
}

/// Decodes the result of `http/request`; `None` where it is of another shape. Also tells whether the body is said to be
/// complete, as it may be in afield/1.
pub fn decode_response(result: &str) -> Option<(Buffered, bool)> {
    let wire: Wire<'_> = parse_object(result).ok()?;
    let headers = wire.headers.into_iter().map(WireHeader::into_header).collect::<Result<_, _>>().ok()?;
    let head = Head::new(wire.status, headers);
    Some((Buffered::new(head, decode_base64(&wire.body_base64)?), wire.body_complete))
}

/// Writes the result of `http/request`. `complete` says, in afield/1, that the body is whole.
pub fn encode_response(head: &Head, body: &Bytes, complete: bool, out: &mut Encoder) {
    out.raw(b"{\"status\":");
    out.number(head.status.into());
    out.raw(b",\"headers\":");
    encode_headers(&head.headers, out);
    out.raw(b",\"bodyBase64\":");
    out.base64(body);
    out.raw(if complete { b",\"bodyComplete\":true}" } else { b"}" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Header;

    /// Proves that a response survives writing and reading, with header values that are not UTF-8, and that a peer
    /// that knows only `value` still sees them as Latin-1.
    #[test]
    fn a_response_comes_back_as_it_was() {
        let head = Head::new(299, vec![Header::new("a", "b"), Header::new("a", &b"caf\xe9"[..])]);
        let mut out = Encoder::default();
        encode_response(&head, &Bytes::from_static(&[0, 1, 255]), true, &mut out);
        let text = out.finish();
        let text = std::str::from_utf8(&text).unwrap();
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(json["headers"][1]["value"], "caf\u{e9}");
        assert_eq!(
            decode_response(text),
            Some((Buffered::new(head, Bytes::from_static(&[0, 1, 255])), true))
        );
    }
}
