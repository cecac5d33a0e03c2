/// What a size in a file means: `64K`, `4M`, `1G` (powers of 1,024), or a number of bytes.
///
/// # Errors
///
/// It is none.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "this is no number of bytes: write 1000, 64K, 10M or 2G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_size;

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
            ("+1", None),
            ("-1", None),
            ("1.5M", None),
            ("18446744073709551615K", None),
        ] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
    }
}
