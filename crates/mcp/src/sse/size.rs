//! Where events end, and how large they grow, in bytes that have not been parsed yet.

use memchr::memchr2;

/// Measures a stream of events as its bytes come, however they are split.
///
/// The size of an event is what a parser has to keep for it: its lines with one byte for the end of each, comments left
/// out, and the line that has not ended yet, comment or not. So a line that never ends is an event that grows for ever.
#[derive(Debug)]
pub(super) struct EventSize {
    limit: usize,
    /// Of the lines that ended since the last event did.
    kept: usize,
    /// Of the line that has not ended.
    line: usize,
    line_is_comment: bool,
    after_cr: bool,
}

/// The event at hand is over the limit. So many of the bytes given are lines that ended before the one that is too much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge(pub(super) usize);

impl EventSize {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: 0, line: 0, line_is_comment: false, after_cr: false }
    }

    /// Takes bytes up to the end of the first event that ends in them, or all of them, and says how many that was.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, TooLarge> {
        let mut at = 0;
        while at < bytes.len() {
            let too_large = TooLarge(at);
            if std::mem::take(&mut self.after_cr) && bytes[at] == b'\n' {
                at += 1;
                continue;
            }
            let rest = &bytes[at..];
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                return if self.grow(rest) { Ok(bytes.len()) } else { Err(too_large) };
            };
            if !self.grow(&rest[..end]) {
                return Err(too_large);
            }
            self.after_cr = rest[end] == b'\r';
            at += end + 1;
            let ended = self.end_line();
            if !self.fits() {
                return Err(too_large);
            }
            if ended {
                // The second half of the line's end, if it is here, goes with the event.
                if self.after_cr && bytes.get(at) == Some(&b'\n') {
                    self.after_cr = false;
                    at += 1;
                }
                return Ok(at);
            }
        }
        Ok(bytes.len())
    }

    /// Whether the line that goes on with these bytes fits.
    fn grow(&mut self, piece: &[u8]) -> bool {
        if let (0, Some(first)) = (self.line, piece.first()) {
            self.line_is_comment = *first == b':';
        }
        self.line = self.line.saturating_add(piece.len());
        self.fits()
    }

    /// Whether this line, an empty one, ended an event.
    fn end_line(&mut self) -> bool {
        let ended = self.line == 0 && self.kept > 0;
        if self.line == 0 {
            self.kept = 0;
        } else if !self.line_is_comment {
            self.kept = self.kept.saturating_add(self.line).saturating_add(1);
        }
        self.line = 0;
        ended
    }

    fn fits(&self) -> bool {
        self.kept.saturating_add(self.line) <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(limit: usize, bytes: &[u8]) -> Result<Vec<usize>, TooLarge> {
        let mut size = EventSize::new(limit);
        let (mut at, mut ends) = (0, Vec::new());
        while at < bytes.len() {
            at += size.take(&bytes[at..])?;
            ends.push(at);
        }
        Ok(ends)
    }

    /// Proves that an event ends at its empty line, whichever way lines end, and that nothing else ends one.
    #[test]
    fn an_event_ends_at_its_empty_line() {
        assert_eq!(ends(99, b"data: a\n\ndata: b\n\n"), Ok(vec![9, 18]));
        assert_eq!(ends(99, b"data: a\r\n\r\ndata: b\r\n\r\n"), Ok(vec![11, 22]));
        assert_eq!(ends(99, b"data: a\r\rdata: b\r\r"), Ok(vec![9, 18]));
        assert_eq!(ends(99, b"\n\n: hello\n\n\ndata: a\n"), Ok(vec![20]));
    }

    /// Proves that the limit is kept to the byte: with the end of the line, with comments, and without any end of line.
    #[test]
    fn the_limit_is_kept_to_the_byte() {
        assert!(ends(8, b"data: a\n\n").is_ok());
        assert_eq!(ends(7, b"data: a\n\n"), Err(TooLarge(0)));
        assert!(ends(7, b"data: a").is_ok());
        assert_eq!(ends(6, b"data: a"), Err(TooLarge(0)));
        assert!(ends(8, b": 34567\n: 34567\n: 34567\n").is_ok(), "comments are not kept");
        assert_eq!(ends(8, b": 3456789"), Err(TooLarge(0)));
        assert_eq!(ends(15, b"data: a\ndata: b\n\n"), Err(TooLarge(8)));
        assert!(ends(8, &b"data: a\n\n".repeat(50)).is_ok(), "each event counts by itself");
    }
}
