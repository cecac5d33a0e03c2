use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

/// Appends `bytes` in the standard alphabet, padded (RFC 4648, section 4).
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written =
        STANDARD.encode_slice(bytes, &mut out[start..]).expect("the room is exactly what padding makes it");
    out.truncate(start + written);
}

/// Decodes the standard alphabet with padding; `None` for anything else.
pub fn decode(text: &str) -> Option<Bytes> {
    if text.is_empty() {
        return Some(Bytes::new());
    }
    STANDARD.decode(text).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the alphabet, the padding, and that anything lax is refused.
    #[test]
    fn only_the_padded_standard_alphabet_is_accepted() {
        for (plain, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xfb\xff", "+/8=")]
        {
            let mut out = b"x".to_vec();
            encode(plain, &mut out);
            assert_eq!(out, [b"x", text.as_bytes()].concat());
            assert_eq!(decode(text).as_deref(), Some(plain));
        }
        for bad in ["Zg", "Zg=", "Zg==\n", "-_8=", "Zh==", "====", "Z", "Zm9v=", " Zm9v"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
