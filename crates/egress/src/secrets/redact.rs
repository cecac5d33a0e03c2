use super::Sent;
use bytes::Bytes;

const MARK: &[u8] = b"[redacted]";

/// `value` with every secret among `sent` that is to be redacted replaced, byte for byte, wherever it stands.
pub(crate) fn redacted(value: Bytes, sent: &[Sent]) -> Bytes {
    sent.iter()
        .filter(|secret| secret.redact)
        .fold(value, |value, secret| replace(value, secret.value.expose()))
}

fn replace(value: Bytes, secret: &[u8]) -> Bytes {
    let find = |rest: &[u8]| rest.windows(secret.len()).position(|window| window == secret);
    let Some(first) = find(&value) else { return value };
    let mut clean = Vec::with_capacity(value.len());
    let (mut rest, mut at) = (&value[..], Some(first));
    while let Some(start) = at {
        clean.extend_from_slice(&rest[..start]);
        clean.extend_from_slice(MARK);
        rest = &rest[start + secret.len()..];
        at = find(rest);
    }
    clean.extend_from_slice(rest);
    clean.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every occurrence is replaced, whatever bytes surround it, and that other values stay as they are.
    #[test]
    fn every_occurrence_is_replaced() {
        for (value, clean) in [
            (&b"key"[..], &b"[redacted]"[..]),
            (b"a=key&b=key", b"a=[redacted]&b=[redacted]"),
            (b"keykey\xff", b"[redacted][redacted]\xff"),
            (b"ke", b"ke"),
            (b"", b""),
            (b"kekey", b"ke[redacted]"),
        ] {
            assert_eq!(replace(Bytes::from_static(value), b"key"), clean);
        }
    }
}
