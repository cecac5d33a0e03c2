use super::{BodyMessage, TRAILERS_BYTES};
use afield_exchange::{Gathered, Share};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long it may take to say that all that came has been taken.
const SAY_WITHIN: Duration = Duration::from_millis(20);

/// Pieces smaller than this are copied together while they wait to be read, up to [`GATHER`] bytes.
const SMALL: usize = 1024;
const GATHER: usize = 16 * 1024;

/// The longest error object of an abort that is kept, in bytes.
const LONGEST_ERROR: usize = 64 * 1024;

/// What comes next of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// Trailer fields, as JSON that has not been looked into. The end follows.
    Trailers(Bytes),
    /// The body is whole.
    End,
    /// The body failed; this is the error object, said once. After it there is [`End`](Self::End) and no meaning to it.
    Abort(Bytes),
}

/// A body as it comes in: what the consumer has not taken yet, and what the sender has been told.
#[derive(Debug)]
pub struct ReceiveWindow {
    window: u64,
    announced: Option<u64>,
    received: u64,
    consumed: u64,
    said: u64,
    queue: VecDeque<Bytes>,
    /// Small pieces that follow what is in the queue, copied together: a body of single bytes must not take many times
    /// its window.
    tail: Gathered,
    end: Option<Piece>,
    say_by: Option<Instant>,
}

/// Why a stream cannot be made whole. It fails alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenStream {
    /// Bytes are missing.
    #[error("body bytes are missing before offset {0}")]
    Gap(u64),
    /// More bytes than the window allows.
    #[error(
        "the body overruns its window: bytes before offset {allowed} may be sent, and some before {until} came"
    )]
    Overrun {
        /// What may be sent.
        allowed: u64,
        /// What came.
        until: u64,
    },
    /// More or fewer bytes than announced.
    #[error("the body is not of the length that was announced: {announced} bytes")]
    Length {
        /// How many bytes it was to be.
        announced: u64,
    },
    /// An end before bytes that came.
    #[error("the body ends at offset {end}, after {received} bytes of it have come")]
    EarlyEnd {
        /// Where it is said to end.
        end: u64,
        /// How many bytes came before that.
        received: u64,
    },
}

impl ReceiveWindow {
    /// An empty body with this window, of this length if it was announced.
    pub fn new(window: u64, announced: Option<u64>) -> Self {
        Self {
            window,
            announced,
            received: 0,
            consumed: 0,
            said: 0,
            queue: VecDeque::new(),
            tail: Gathered::default(),
            end: None,
            say_by: None,
        }
    }

    /// The same body; what is copied together of it counts in this share.
    #[must_use]
    pub fn within(self, share: Option<Share>) -> Self {
        Self { tail: Gathered::new(share), ..self }
    }

    /// Every byte before this offset has come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Every byte before this offset has been taken by the consumer.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Whether the end has come.
    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Takes a message. Bytes that came before are skipped, and so is all that comes after the end: whether anybody has
    /// read that end by then makes no difference. Returns whether there is something new to read.
    pub fn receive(&mut self, message: BodyMessage) -> Result<bool, BrokenStream> {
        let BodyMessage { end, abort, trailers, offset, mut payload, .. } = message;
        if self.end.is_some() {
            return Ok(false);
        }
        if offset > self.received {
            return Err(BrokenStream::Gap(offset));
        }
        if abort {
            if payload.len() > LONGEST_ERROR {
                payload = Bytes::new();
            }
            self.end = Some(Piece::Abort(payload));
            return Ok(true);
        }
        let last = if trailers {
            let fields = std::mem::take(&mut payload);
            // What is too long cannot be read, and fails the body where it is read.
            Some(Piece::Trailers(if fields.len() > TRAILERS_BYTES { Bytes::new() } else { fields }))
        } else {
            end.then_some(Piece::End)
        };
        let end = last.is_some();
        let until = offset + payload.len() as u64;
        let allowed = self.said + self.window;
        if until > allowed {
            return Err(BrokenStream::Overrun { allowed, until });
        }
        if let Some(announced) = self.announced.filter(|length| until > *length || (end && until != *length))
        {
            return Err(BrokenStream::Length { announced });
        }
        if end && until < self.received {
            return Err(BrokenStream::EarlyEnd { end: until, received: self.received });
        }
        let new = until.saturating_sub(self.received);
        if new > 0 {
            let skip = payload.len() - usize::try_from(new).unwrap_or(usize::MAX).min(payload.len());
            self.keep(payload.split_off(skip));
            self.received = until;
        }
        self.end = last;
        Ok(new > 0 || end)
    }

    fn keep(&mut self, bytes: Bytes) {
        let waits = !(self.queue.is_empty() && self.tail.is_empty());
        if waits && bytes.len() < SMALL {
            self.tail.push(&bytes);
            if self.tail.len() >= GATHER {
                self.queue.push_back(self.tail.take());
            }
            return;
        }
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.take());
        }
        self.queue.push_back(bytes);
    }

    fn next(&mut self) -> Option<Bytes> {
        let tail = (self.queue.is_empty() && !self.tail.is_empty()).then(|| self.tail.take());
        tail.or_else(|| self.queue.pop_front())
    }

    /// The next piece for the consumer; `None` while there is none.
    pub fn read(&mut self, now: Instant) -> Option<Piece> {
        if let Some(bytes) = self.next() {
            self.consumed += bytes.len() as u64;
            if self.consumed == self.received {
                self.say_by.get_or_insert(now + SAY_WITHIN);
            }
            return Some(Piece::Data(bytes));
        }
        self.end.as_mut().map(|end| std::mem::replace(end, Piece::End))
    }

    /// Whether the sender should be told now what has been taken: after each quarter of the window, and within 20 ms
    /// whenever all that came has been taken. (At the end there is another word for it.)
    pub fn should_say(&self, now: Instant) -> bool {
        let unsaid = self.consumed - self.said;
        unsaid > 0 && (unsaid >= self.window / 4 || self.say_by.is_some_and(|by| now >= by))
    }

    /// Whether the consumer has taken more than the sender has been told.
    pub fn has_unsaid(&self) -> bool {
        self.consumed > self.said
    }

    /// When [`should_say`](Self::should_say) changes by itself.
    pub fn say_by(&self) -> Option<Instant> {
        self.say_by.filter(|_| self.consumed > self.said)
    }

    /// What the sender is told; it counts as told.
    pub fn say(&mut self) -> u64 {
        self.said = self.consumed;
        self.say_by = None;
        self.consumed
    }

    /// Forgets what has not been read: nobody wants it any more.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.tail.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::BodyKind, *};

    fn message(offset: u64, payload: &'static str, end: bool) -> BodyMessage {
        BodyMessage {
            kind: BodyKind::Response,
            end,
            abort: false,
            trailers: false,
            request_id: 1,
            offset,
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    fn read(window: &mut ReceiveWindow) -> String {
        let mut all = Vec::new();
        while let Some(Piece::Data(bytes)) = window.read(Instant::now()) {
            all.extend_from_slice(&bytes);
        }
        String::from_utf8(all).unwrap()
    }

    /// Proves that repeated and overlapping bytes are delivered once.
    #[test]
    fn every_byte_is_delivered_once() {
        let mut window = ReceiveWindow::new(1000, None);
        assert_eq!(window.receive(message(0, "abc", false)), Ok(true));
        assert_eq!(window.receive(message(0, "abc", false)), Ok(false));
        assert_eq!(window.receive(message(1, "bcde", false)), Ok(true));
        assert_eq!(window.receive(message(5, "", true)), Ok(true));
        assert_eq!(window.receive(message(3, "de", true)), Ok(false), "said again after a loss");
        assert_eq!(read(&mut window), "abcde");
        assert_eq!(window.read(Instant::now()), Some(Piece::End));
    }

    /// Proves that small pieces which wait are kept together, in order, and that a long error object is not kept.
    #[test]
    fn small_pieces_are_kept_together() {
        let mut window = ReceiveWindow::new(100_000, None);
        for offset in 0..50_000 {
            window.receive(message(offset, ["a", "b"][offset as usize % 2], false)).unwrap();
        }
        let pieces = window.queue.len();
        assert!(pieces < 6, "{pieces}");
        assert_eq!(read(&mut window), "ab".repeat(25_000));
        let payload = Bytes::from(vec![b' '; LONGEST_ERROR + 1]);
        window.receive(BodyMessage { abort: true, payload, ..message(0, "", true) }).unwrap();
        assert_eq!(window.read(Instant::now()), Some(Piece::Abort(Bytes::new())));
    }

    /// Proves that trailers are read once, after all bytes; that they end the body as an END does; that repeated ones are
    /// ignored; and that too long ones are not kept.
    #[test]
    fn trailers_are_read_once_after_the_bytes() {
        let trailers = |offset, text| BodyMessage { trailers: true, ..message(offset, text, true) };
        let mut window = ReceiveWindow::new(9, Some(3));
        window.receive(message(0, "abc", false)).unwrap();
        let early = BrokenStream::EarlyEnd { end: 2, received: 3 };
        assert_eq!(ReceiveWindow::new(9, None).receive(trailers(0, "{}")), Ok(true));
        assert_eq!(window.receive(trailers(2, "{}")), Err(BrokenStream::Length { announced: 3 }));
        assert_eq!(window.receive(trailers(4, "{}")), Err(BrokenStream::Gap(4)));
        assert_eq!(window.receive(trailers(3, "longer than the window")), Ok(true));
        assert_eq!(window.receive(trailers(3, "again")), Ok(false));
        assert_eq!(window.receive(message(3, "d", false)), Ok(false));
        assert_eq!(read(&mut window), "abc");
        let mut window = ReceiveWindow::new(9, None);
        window.receive(message(0, "abc", false)).unwrap();
        assert_eq!(window.receive(trailers(2, "{}")), Err(early), "before bytes that came");
        let mut window = ReceiveWindow::new(9, Some(3));
        window.receive(message(0, "abc", false)).unwrap();
        window.receive(trailers(3, "{}")).unwrap();
        let pieces: Vec<_> = std::iter::from_fn(|| window.read(Instant::now())).take(4).collect();
        let expected = [Piece::Data("abc".into()), Piece::Trailers("{}".into()), Piece::End, Piece::End];
        assert_eq!(pieces, expected);
        let mut window = ReceiveWindow::new(9, None);
        let payload = Bytes::from(vec![b' '; TRAILERS_BYTES + 1]);
        window.receive(BodyMessage { payload, ..trailers(0, "") }).unwrap();
        assert_eq!(window.read(Instant::now()), Some(Piece::Trailers(Bytes::new())));
    }

    /// Proves that a gap, an overrun, a wrong length and an early end are seen, each for what it is (case 180).
    #[test]
    fn receive_window_names_the_breach() {
        let receives = |window, announced, message| ReceiveWindow::new(window, announced).receive(message);
        assert_eq!(receives(9, None, message(1, "x", false)), Err(BrokenStream::Gap(1)));
        let overrun = BrokenStream::Overrun { allowed: 2, until: 3 };
        assert_eq!(receives(2, None, message(0, "abc", false)), Err(overrun));
        assert_eq!(
            receives(9, Some(2), message(0, "abc", false)),
            Err(BrokenStream::Length { announced: 2 })
        );
        assert_eq!(receives(9, Some(4), message(0, "abc", true)), Err(BrokenStream::Length { announced: 4 }));
        let mut window = ReceiveWindow::new(9, None);
        window.receive(message(0, "abc", false)).unwrap();
        let early = BrokenStream::EarlyEnd { end: 1, received: 3 };
        assert_eq!(window.receive(message(0, "a", true)), Err(early));
    }

    /// Proves that nothing after the end counts, whether or not that end has been read (case 177).
    #[test]
    fn receive_window_after_end_ignores_everything() {
        for is_read_first in [false, true] {
            let mut window = ReceiveWindow::new(9, None);
            window.receive(message(0, "abc", true)).unwrap();
            if is_read_first {
                assert_eq!(read(&mut window), "abc");
                assert_eq!(window.read(Instant::now()), Some(Piece::End));
            }
            for late in [
                message(3, "d", false),
                message(3, "d", true),
                message(7, "gap", false),
                message(0, "x".repeat(99).leak(), false),
                message(0, "ab", true),
                BodyMessage { abort: true, ..message(3, "", true) },
            ] {
                assert_eq!(window.receive(late), Ok(false));
            }
            assert_eq!(read(&mut window), if is_read_first { "" } else { "abc" });
            assert_eq!(window.read(Instant::now()), Some(Piece::End));
            assert_eq!(window.received(), 3);
        }
    }

    /// Proves when the sender is told: after a quarter of the window at once, else within 20 ms of having taken all.
    #[test]
    fn the_sender_is_told_in_time() {
        let start = Instant::now();
        let mut window = ReceiveWindow::new(8, None);
        window.receive(message(0, "a", false)).unwrap();
        window.receive(message(1, "b", false)).unwrap();
        window.read(start);
        assert!(
            !window.should_say(start + SAY_WITHIN) && window.say_by().is_none(),
            "something is still unread"
        );
        window.read(start);
        assert!(window.should_say(start), "a quarter");
        assert_eq!(window.say(), 2);
        window.receive(message(2, "c", false)).unwrap();
        window.read(start);
        assert!(!window.should_say(start));
        assert_eq!(window.say_by(), Some(start + SAY_WITHIN));
        assert!(window.should_say(start + SAY_WITHIN));
        assert_eq!(window.say(), 3);
        assert!(!window.should_say(start + SAY_WITHIN));
    }
}
