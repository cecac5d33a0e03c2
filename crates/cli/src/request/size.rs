use std::str::FromStr;

/// A number of bytes, written with or without one of the suffixes K, M, G (powers of 1,024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
            Some(b'K') => (&text[..text.len() - 1], 10),
            Some(b'M') => (&text[..text.len() - 1], 20),
            Some(b'G') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a number of bytes: write 1000, 64K, 10M or 2G"))
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    /// Proves which texts are sizes, and how large.
    #[test]
    fn suffixes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("1k", Some(1024)),
            ("2M", Some(2 << 20)),
            ("1G", Some(1 << 30)),
            ("", None),
            ("K", None),
            ("-1", None),
            ("1.5M", None),
            ("99999999999G", None),
        ] {
            assert_eq!(text.parse::<Size>().ok().map(|size| size.0), bytes, "{text}");
        }
    }
}
