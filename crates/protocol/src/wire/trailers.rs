use crate::wire::{
    Encoder,
    fields::{bounded, response_fields},
    header::{WireHeader, encode_headers},
};
use afield_exchange::Header;
use bytes::Bytes;
use serde::Deserialize;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, deserialize_with = "bounded")]
    trailers: Vec<WireHeader<'a>>,
}

/// Writes the payload of a TRAILERS message.
pub fn encode_trailers(fields: &[Header]) -> Bytes {
    let mut out = Encoder::with_capacity(64 * fields.len() + 16);
    out.raw(b"{\"trailers\":");
    encode_headers(fields, &mut out);
    out.raw(b"}");
    out.finish()
}

/// Reads the payload of a TRAILERS message; `None` where it is of another shape.
pub fn decode_trailers(payload: &[u8]) -> Option<Vec<Header>> {
    let text = std::str::from_utf8(payload).ok().filter(|text| text.trim_start().starts_with('{'))?;
    let wire: Wire<'_> = serde_json::from_str(text).ok()?;
    response_fields(wire.trailers).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that trailer fields survive writing and reading, exact bytes and repeats included, and that another shape is
    /// seen.
    #[test]
    fn trailers_come_back_as_they_were() {
        let fields = [Header::new("a", "1"), Header::new("a", &b"\xff"[..]), Header::new("grpc-status", "0")];
        assert_eq!(decode_trailers(&encode_trailers(&fields)).unwrap(), fields);
        for other in
            [&b""[..], b"[]", b"{}", b"[[]]", b"{\"trailers\":{}}", b"{\"trailers\":[{\"name\":\"a\"}]}"]
        {
            assert_eq!(decode_trailers(other), None, "{}", other.escape_ascii());
        }
    }
}
