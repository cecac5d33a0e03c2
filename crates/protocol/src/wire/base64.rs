use base64_simd::STANDARD;
use bytes::Bytes;

/// Appends `bytes` in the standard alphabet, padded (RFC 4648, section 4).
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    STANDARD.encode_append(bytes, out);
}

/// Decodes the standard alphabet with padding; `None` for anything else.
pub fn decode(text: &str) -> Option<Bytes> {
    STANDARD.decode_to_vec(text).ok().map(Bytes::from)
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
