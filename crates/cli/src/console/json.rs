use super::clean::is_harmful;
use std::{borrow::Cow, fmt::Write};

/// JSON that means the same, with what a terminal might act upon as JSON's escapes.
pub(crate) fn clean(json: &str) -> Cow<'_, str> {
    // Between values there are spaces and ends of lines; within texts, controls are escapes already.
    let is_harmful = |c| is_harmful(c) && c != '\r';
    if !json.contains(is_harmful) {
        return json.into();
    }
    let mut cleaned = String::with_capacity(json.len() + 32);
    for c in json.chars() {
        if !is_harmful(c) {
            cleaned.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(cleaned, "\\u{unit:04x}");
        }
    }
    cleaned.into()
}

/// Cleans JSON as it comes. What may be the first half of a character waits for the rest.
#[derive(Default)]
pub(crate) struct JsonCleaner {
    held: Vec<u8>,
}

impl JsonCleaner {
    /// Cleans a piece; returns what can be shown of it by now. Bytes that are not UTF-8, which JSON has not, are replaced.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let waits = match std::str::from_utf8(&all) {
            Err(error) if error.error_len().is_none() => all.len() - error.valid_up_to(),
            _ => 0,
        };
        self.held = all.split_off(all.len() - waits);
        clean(&String::from_utf8_lossy(&all)).into_owned().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Proves that cleaned JSON means the same and holds nothing that a terminal might act upon (case 163).
    #[test]
    fn clean_json_means_the_same() {
        let value = Value::from("\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{2028}\u{e0041} é 👩\r\n\t\"");
        let text = value.to_string();
        let cleaned = clean(&text);
        assert!(!cleaned.contains(is_harmful), "{cleaned}");
        assert_eq!(serde_json::from_str::<Value>(&cleaned).unwrap(), value);
        assert!(cleaned.contains(" é 👩"), "{cleaned}");
        let mut cleaner = JsonCleaner::default();
        let pieces: Vec<u8> = text.as_bytes().chunks(1).flat_map(|piece| cleaner.push(piece)).collect();
        assert_eq!(String::from_utf8(pieces).unwrap(), cleaned);
    }
}
