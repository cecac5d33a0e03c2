use std::{borrow::Cow, fmt::Write};

/// Tells whether a terminal might act upon a character, or show something else than what is there: controls (C0, DEL, C1)
/// but for the end of a line and the tab, what orders or hides text (Unicode's bidirectional controls, deprecated format
/// characters, annotations, tags), and other ends of lines.
pub(super) fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// The text with what a terminal might act upon as escapes, ends of lines included: for a piece of a line.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c == '\n' || is_harmful(c)) {
        return text.into();
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c == '\n' || is_harmful(c) {
            true => escape(c, &mut cleaned),
            false => cleaned.push(c),
        }
    }
    cleaned.into()
}

fn escape(c: char, into: &mut String) {
    let _ = match (c, u32::from(c)) {
        ('\r', _) => into.write_str("\\r"),
        ('\n', _) => into.write_str("\\n"),
        (_, code @ 0..=0xff) => write!(into, "\\x{code:02x}"),
        (_, code) => write!(into, "\\u{{{code:x}}}"),
    };
}

fn escape_byte(byte: u8, into: &mut String) {
    let _ = write!(into, "\\x{byte:02x}");
}

/// Cleans bytes as they come, for a terminal: what is harmful, and bytes that are not UTF-8, become escapes.
///
/// A carriage return passes where a line ends with it. What may be the first half of something waits for the rest.
#[derive(Default)]
pub(crate) struct Cleaner {
    /// Not yet told: the beginning of a character, or a carriage return.
    held: Vec<u8>,
    /// Lets colours pass: for text in which only we can have set them.
    colours: bool,
}

impl Cleaner {
    /// A cleaner for our own log, in which only we can have set colours.
    pub fn with_colours() -> Self {
        Self { held: Vec::new(), colours: true }
    }

    /// Cleans all of it.
    pub fn whole(bytes: &[u8]) -> Vec<u8> {
        let mut cleaner = Self::default();
        let mut cleaned = cleaner.push(bytes);
        cleaned.extend(cleaner.finish());
        cleaned
    }

    /// Cleans a piece; returns what can be shown of it by now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut cleaned = String::with_capacity(all.len() + 16);
        let mut rest = &all[..];
        while !rest.is_empty() {
            let (valid, after) = match std::str::from_utf8(rest) {
                Ok(text) => (text, &[][..]),
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    let invalid = error.error_len();
                    self.text(std::str::from_utf8(valid).unwrap_or_default(), false, &mut cleaned);
                    match invalid {
                        Some(length) => {
                            let (wrong, after) = after.split_at(length);
                            wrong.iter().for_each(|byte| escape_byte(*byte, &mut cleaned));
                            rest = after;
                        }
                        None => {
                            self.held = after.to_vec();
                            rest = &[];
                        }
                    }
                    continue;
                }
            };
            self.text(valid, true, &mut cleaned);
            rest = after;
        }
        cleaned.into_bytes()
    }

    /// Returns what was still held: nothing follows it.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut cleaned = String::new();
        for byte in std::mem::take(&mut self.held) {
            match byte {
                b'\r' => cleaned.push_str("\\r"),
                byte => escape_byte(byte, &mut cleaned),
            }
        }
        cleaned.into_bytes()
    }

    fn text(&mut self, text: &str, is_last: bool, cleaned: &mut String) {
        let mut rest = text;
        while let Some(at) = rest.find(is_harmful) {
            cleaned.push_str(&rest[..at]);
            let from = &rest[at..];
            let c = from.chars().next().unwrap_or_default();
            let after = &from[c.len_utf8()..];
            rest = match c {
                '\r' if after.is_empty() && is_last => {
                    self.held.push(b'\r');
                    after
                }
                '\r' if after.starts_with('\n') => {
                    cleaned.push('\r');
                    after
                }
                '\x1b' if self.colours => match colour(after) {
                    Some(length) => {
                        cleaned.push_str(&from[..=length]);
                        &after[length..]
                    }
                    None => {
                        escape(c, cleaned);
                        after
                    }
                },
                c => {
                    escape(c, cleaned);
                    after
                }
            };
        }
        cleaned.push_str(rest);
    }
}

/// The length of what follows an ESC, where that sets a colour and nothing else.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix('[')?;
    let length = parameters.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    parameters[length..].starts_with('m').then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(bytes: impl AsRef<[u8]>) -> String {
        String::from_utf8(Cleaner::whole(bytes.as_ref())).unwrap()
    }

    /// Proves that whatever a terminal might act upon is shown as an escape, and that other text is not touched
    /// (case 163).
    #[test]
    fn clean_escapes_what_a_terminal_acts_upon() {
        for (text, expected) in [
            ("plain é 日本 👩‍👩‍👧 \t|\n", "plain é 日本 👩‍👩‍👧 \t|\n"),
            ("\u{1b}[2J\u{7}\u{8}\0\u{7f}", "\\x1b[2J\\x07\\x08\\x00\\x7f"),
            ("\u{9b}2J\u{90}\u{85}", "\\x9b2J\\x90\\x85"),
            ("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e", "a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}e"),
            ("\u{2028}\u{2029}\u{feff}\u{fff9}\u{e0041}", "\\u{2028}\\u{2029}\\u{feff}\\u{fff9}\\u{e0041}"),
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\n", "HTTP/1.1 200 OK\r\na: b\r\n\r\n"),
            ("all is well\rHACKED\r", "all is well\\rHACKED\\r"),
            ("\u{1b}[31mred", "\\x1b[31mred"),
        ] {
            assert_eq!(cleaned(text), expected);
        }
        assert_eq!(cleaned(b"\x9b2J caf\xe9 \xc2"), "\\x9b2J caf\\xe9 \\xc2", "what is no UTF-8");
        assert_eq!(clean("a\r\nb\u{1b}"), "a\\r\\nb\\x1b", "a piece of a line has no end of a line");
    }

    /// Proves that it makes no difference where the bytes are cut.
    #[test]
    fn clean_is_the_same_wherever_the_pieces_are_cut() {
        let text = "é\u{1b}[31m\u{9b}\u{202e}\r\n\rx\r\n日".as_bytes();
        let whole = cleaned(text);
        for size in 1..text.len() {
            let mut cleaner = Cleaner::default();
            let mut pieces: Vec<u8> = text.chunks(size).flat_map(|piece| cleaner.push(piece)).collect();
            pieces.extend(cleaner.finish());
            assert_eq!(String::from_utf8(pieces).unwrap(), whole, "pieces of {size}");
        }
    }

    /// Proves that of what a terminal acts upon only colours pass in the log, and nothing else that begins like one.
    #[test]
    fn clean_log_lets_colours_alone_pass() {
        let logged = |text: &str| String::from_utf8(Cleaner::with_colours().push(text.as_bytes())).unwrap();
        assert_eq!(
            logged("\u{1b}[2m12:00\u{1b}[0m \u{1b}[1;31mx\u{1b}[m"),
            "\u{1b}[2m12:00\u{1b}[0m \u{1b}[1;31mx\u{1b}[m"
        );
        for text in ["\u{1b}[2J", "\u{1b}]0;t", "\u{1b}[31", "\u{1b}", "\u{1b}[?25l", "\u{1b}c"] {
            assert!(logged(text).starts_with("\\x1b"), "{text:?}");
        }
        assert_eq!(logged("\u{202e}"), "\\u{202e}");
    }
}
