//! Finding secrets that come back, in any writing that a header field or a URL is likely to give them.

use super::Sent;
use bytes::Bytes;
use memchr::memmem;
use std::ops::Range;

pub(crate) const MARK: &[u8] = b"[redacted]";

/// How often percent-encoding is undone: once is usual, twice happens when a URL is put into another's query.
const DECODED: usize = 3;

/// `value` with every secret among `sent` that is to be redacted replaced wherever it stands, whatever its case and however
/// often it is percent-encoded. Where several overlap, one mark stands for all of them.
pub(crate) fn redacted(value: Bytes, sent: &[Sent]) -> Bytes {
    if !sent.iter().any(|secret| secret.redact) {
        return value;
    }
    let found = found(&value, sent.iter().filter(|secret| secret.redact));
    if found.is_empty() {
        return value;
    }
    let mut clean = Vec::with_capacity(value.len());
    let mut from = 0;
    for place in found {
        clean.extend_from_slice(&value[from..place.start]);
        clean.extend_from_slice(MARK);
        from = place.end;
    }
    clean.extend_from_slice(&value[from..]);
    clean.into()
}

/// A header field's name with the same replaced by something that a name can be.
pub(crate) fn redacted_name(name: &str, sent: &[Sent]) -> String {
    match found(name.as_bytes(), sent.iter().filter(|secret| secret.redact)).is_empty() {
        true => name.to_owned(),
        false => "redacted".to_owned(),
    }
}

/// Whether one of the secrets stands in `text`, redacted or not.
pub(crate) fn carries(text: &[u8], sent: &[Sent]) -> bool {
    !found(text, sent.iter()).is_empty()
}

/// Where secrets stand in `value`, in order and without overlaps.
fn found<'a>(value: &[u8], secrets: impl Iterator<Item = &'a Sent> + Clone) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut view = Some(View::of(value));
    for _ in 0..=DECODED {
        let Some(seen) = view else { break };
        for form in secrets.clone().flat_map(Sent::forms) {
            let ends = memmem::find_iter(&seen.bytes, form).map(|start| start..start + form.len());
            found.extend(ends.map(|place| seen.at[place.start]..seen.at[place.end]));
        }
        view = seen.decoded();
    }
    found.sort_by_key(|place| (place.start, std::cmp::Reverse(place.end)));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for place in found {
        match apart.last_mut() {
            Some(last) if place.start < last.end => last.end = last.end.max(place.end),
            _ => apart.push(place),
        }
    }
    apart
}

/// Bytes in lower case, each with where it begins in what it was read from, and the end.
struct View {
    bytes: Vec<u8>,
    at: Vec<usize>,
}

impl View {
    fn of(value: &[u8]) -> Self {
        Self { bytes: value.to_ascii_lowercase(), at: (0..=value.len()).collect() }
    }

    /// The same with percent-encoding undone once; `None` if there is none.
    fn decoded(&self) -> Option<Self> {
        memchr::memchr(b'%', &self.bytes)?;
        let hex = |at: usize| self.bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (mut bytes, mut places) = (Vec::with_capacity(self.bytes.len()), Vec::new());
        let (mut at, mut any) = (0, false);
        while at < self.bytes.len() {
            places.push(self.at[at]);
            match (self.bytes[at], hex(at + 1), hex(at + 2)) {
                (b'%', Some(high), Some(low)) => {
                    // Both digits are below 16.
                    bytes.push(((high << 4 | low) as u8).to_ascii_lowercase());
                    at += 3;
                    any = true;
                }
                (byte, _, _) => {
                    bytes.push(byte);
                    at += 1;
                }
            }
        }
        places.push(self.at[self.bytes.len()]);
        any.then_some(Self { bytes, at: places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::value::SecretBytes;
    use std::sync::Arc;
    use zeroize::Zeroizing;

    fn sent(value: &str, whole: &str) -> Sent {
        let value = SecretBytes::new(Zeroizing::new(value.into()));
        Sent::new("name".into(), true, Arc::new(value), whole.as_bytes())
    }

    fn clean(value: &[u8], secrets: &[Sent]) -> String {
        redacted(Bytes::copy_from_slice(value), secrets).escape_ascii().to_string()
    }

    /// Proves that every occurrence is replaced, in any case and encoding, whatever bytes surround it, and that other
    /// values stay as they are (case 157).
    #[test]
    fn case_157_every_occurrence_is_replaced() {
        let secrets = [sent("canary/1", "canary/1")];
        for (value, expected) in [
            (&b"canary/1"[..], "[redacted]"),
            (b"a=canary/1&b=CANARY/1", "a=[redacted]&b=[redacted]"),
            (b"canary/1canary/1\xff", "[redacted][redacted]\\xff"),
            (b"x%63anary%2f1y", "x[redacted]y"),
            (b"x%2563anary%252F1y", "x[redacted]y"),
            (b"%63%61%6e%61%72%79%2F%31%", "[redacted]%"),
            (b"canary%2", "canary%2"),
            (b"canary", "canary"),
            (b"", ""),
            (b"cancanary/1", "can[redacted]"),
        ] {
            assert_eq!(clean(value, &secrets), expected);
            assert_eq!(carries(value, &secrets), expected.contains("[redacted]"), "{expected}");
        }
        let silent = [Sent { redact: false, ..sent("canary/1", "canary/1") }];
        assert_eq!(clean(b"canary/1", &silent), "canary/1");
        assert!(carries(b"canary/1", &silent));
        assert_eq!(redacted_name("x-canary", &[sent("Canary", "Canary")]), "redacted");
        assert_eq!(redacted_name("x-other", &secrets), "x-other");
    }

    /// Proves that of two secrets of which one begins or overlaps the other nothing is left, whichever was sent first
    /// (case 157).
    #[test]
    fn case_157_overlapping_secrets_leave_nothing() {
        let (short, long) = (|| sent("canary", "canary"), || sent("canary-long", "canary-long"));
        for secrets in [[short(), long()], [long(), short()]] {
            assert_eq!(clean(b"a canary-long b canary c", &secrets), "a [redacted] b [redacted] c");
        }
        assert_eq!(clean(b"<abcdefgh>", &[sent("abcdef", ""), sent("cdefgh", "")]), "<[redacted]>");
    }

    /// Proves that Basic credentials are found decoded, that a part of them is found encoded, and that what stands behind a
    /// scheme is found without it (case 157).
    #[test]
    fn case_157_basic_credentials_are_found_in_both_forms() {
        // `user:canary-pass`
        let encoded = [sent("dXNlcjpjYW5hcnktcGFzcw==", "Basic dXNlcjpjYW5hcnktcGFzcw==")];
        for echoed in
            ["dXNlcjpjYW5hcnktcGFzcw==", "dXNlcjpjYW5hcnktcGFzcw", "user:canary-pass", "x=canary-pass"]
        {
            assert!(carries(echoed.as_bytes(), &encoded), "{echoed}");
        }
        let plain = [sent("canary-pass", "canary-pass")];
        for echoed in
            ["dXNlcjpjYW5hcnktcGFzcw==", "Y2FuYXJ5LXBhc3M", "eDpjYW5hcnktcGFzcw", "eHk6Y2FuYXJ5LXBhc3M6eg"]
        {
            assert!(carries(echoed.as_bytes(), &plain), "{echoed}");
        }
        assert!(!carries(b"dXNlcjpvdGhlci1wYXNz", &plain));
        let with_scheme = [sent("Bearer canary-token", "Bearer canary-token")];
        assert!(carries(b"canary-token", &with_scheme) && !carries(b"bearer", &with_scheme));
    }
}
