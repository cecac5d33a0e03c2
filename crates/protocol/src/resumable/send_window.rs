use super::{BODY_MESSAGE_BYTES, BodyKind, BodyMessage, TRAILERS_BYTES};
use crate::wire::encode_trailers;
use afield_exchange::{Blame, Error, Gathered, Header, Kind, Phase, Retry, Share, detail};
use bytes::Bytes;
use std::collections::VecDeque;

/// How a body ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Whole.
    Complete,
    /// It failed; the bytes are a JSON error object.
    Abort(Bytes),
    /// Whole, and trailer fields follow it; the bytes are the JSON that [`trailers`](Self::trailers) writes.
    Trailers(Bytes),
}

impl End {
    /// The end of a body that is whole, with these trailer fields.
    ///
    /// # Errors
    ///
    /// Fields that are larger than [`TRAILERS_BYTES`] as JSON.
    pub fn trailers(fields: &[Header]) -> Result<Self, Error> {
        if fields.is_empty() {
            return Ok(Self::Complete);
        }
        let text = encode_trailers(fields);
        if text.len() > TRAILERS_BYTES {
            let message = format!("the trailer fields are larger than {TRAILERS_BYTES} bytes as a message");
            return Err(Error::new(Kind::TooLarge, Blame::Origin, Retry::Unknown, message)
                .with_detail(detail::HEADERS)
                .with_phase(Phase::Body));
        }
        Ok(Self::Trailers(text))
    }

    /// The same end for a peer that takes no trailer fields: they are dropped, as HTTP permits.
    pub(super) fn without_trailers(self) -> Self {
        match self {
            Self::Trailers(_) => Self::Complete,
            end => end,
        }
    }

    /// Whether it has a message of its own: the payload is no body.
    fn stands_alone(&self) -> bool {
        matches!(self, Self::Abort(_) | Self::Trailers(_))
    }
}

/// A piece of a body to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment {
    /// The position of its first byte.
    pub offset: u64,
    /// The bytes.
    pub payload: Bytes,
    /// Whether, and how, the body ends with it. The payload of an abort and of trailers is in here.
    pub end: Option<End>,
}

impl Segment {
    /// The message that carries it.
    pub(super) fn into_message(self, kind: BodyKind, request_id: u64) -> BodyMessage {
        let Self { offset, payload, end } = self;
        let (end, abort, trailers, payload) = match end {
            None => (false, false, false, payload),
            Some(End::Complete) => (true, false, false, payload),
            Some(End::Abort(error)) => (true, true, false, error),
            Some(End::Trailers(fields)) => (true, false, true, fields),
        };
        BodyMessage { kind, end, abort, trailers, request_id, offset, payload }
    }
}

/// A body on its way out: what the receiver has not yet taken is kept, at most one window and what was pushed last, and can
/// be sent again.
///
/// ```text
///   forgotten    │    sent, kept     │  kept, not sent  │
/// ───────────────┼───────────────────┼──────────────────┤
///              taken               next               end of what is known
/// ```
#[derive(Debug)]
pub struct SendWindow {
    window: u64,
    taken: u64,
    next: u64,
    /// The most that `next` ever was.
    sent: u64,
    length: u64,
    kept: VecDeque<Piece>,
    /// Small chunks that follow what is in `kept`, copied together: a body of single bytes must not take many times its
    /// window, and what keeping it costs takes none of the window.
    tail: Gathered,
    end: Option<End>,
    end_sent: bool,
    /// The most bytes of one message.
    message: u64,
    /// From where on it was sent on this connection, and how much of it the receiver has taken since `message` was last
    /// changed.
    from: u64,
    taken_since: u64,
    /// Nobody wants it any more.
    cleared: bool,
}

/// A chunk as it was pushed, several small ones together, or what is left of them.
#[derive(Debug)]
struct Piece {
    offset: u64,
    bytes: Bytes,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl SendWindow {
    /// An empty body, towards a receiver with this window.
    pub fn new(window: u64) -> Self {
        Self {
            window,
            taken: 0,
            next: 0,
            sent: 0,
            length: 0,
            kept: VecDeque::new(),
            tail: Gathered::default(),
            end: None,
            end_sent: false,
            message: u64::MAX,
            from: 0,
            taken_since: 0,
            cleared: false,
        }
    }

    /// The same body; what is copied together of it counts in this share.
    #[must_use]
    pub fn within(self, share: Option<Share>) -> Self {
        Self { tail: Gathered::new(share), ..self }
    }

    /// Bytes kept: pushed and not yet taken by the receiver.
    pub fn kept(&self) -> u64 {
        self.length - self.taken
    }

    /// Whether to bring more: there is credit for all that was pushed. A body that fills its window exactly has room, so that
    /// its end is found without any credit; one chunk beyond the window is kept for that.
    pub fn has_room(&self) -> bool {
        self.kept() <= self.window
    }

    /// Whether the end is known.
    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the end was sent, and the receiver has taken all that comes before it.
    pub fn is_taken(&self) -> bool {
        self.end_sent && self.taken == self.length
    }

    /// The length of what was pushed.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether something can be sent now.
    pub fn has_segment(&self) -> bool {
        self.next < self.length.min(self.taken + self.window)
            || (self.end.is_some() && !self.end_sent && self.next == self.length)
    }

    /// Adds bytes. Nothing can be added after the end.
    pub fn push(&mut self, bytes: Bytes) {
        if self.end.is_none() && !self.cleared && !bytes.is_empty() {
            if bytes.len() < SMALL {
                self.length += bytes.len() as u64;
                self.tail.push(&bytes);
                if self.tail.len() >= GATHER {
                    self.settle_tail();
                }
                return;
            }
            self.settle_tail();
            let offset = self.length;
            self.length += bytes.len() as u64;
            self.kept.push_back(Piece { offset, bytes });
        }
    }

    /// Makes a piece of the small chunks.
    fn settle_tail(&mut self) {
        if !self.tail.is_empty() {
            let bytes = self.tail.take();
            self.kept.push_back(Piece { offset: self.length - bytes.len() as u64, bytes });
        }
    }

    /// Ends the body. The first end counts.
    pub fn finish(&mut self, end: End) {
        if !self.cleared {
            self.end.get_or_insert(end);
        }
    }

    /// The next piece: at most `most` bytes, within the receiver's credit. The end needs no credit, but follows all bytes.
    pub fn take(&mut self, most: usize) -> Option<Segment> {
        if !self.has_segment() {
            return None;
        }
        let offset = self.next;
        let credit = self.length.min(self.taken + self.window) - offset;
        let payload = self.slice(offset, credit.min(most as u64).min(self.message));
        self.next += payload.len() as u64;
        self.sent = self.sent.max(self.next);
        let end = if self.next == self.length && !self.end_sent { self.end.clone() } else { None };
        // The payload of an abort or of trailers is no body, so it never shares a message with bytes.
        let end = end.filter(|end| payload.is_empty() || !end.stands_alone());
        self.end_sent |= end.is_some();
        if payload.is_empty() && end.is_none() {
            return None;
        }
        Some(Segment { offset, payload, end })
    }

    /// The receiver has taken every byte before `offset`; returns how many bytes are newly forgotten. Late and repeated
    /// ones do no harm; what was never sent cannot be taken and is not believed.
    pub fn taken(&mut self, offset: u64) -> u64 {
        let offset = offset.min(self.next);
        let newly = offset.saturating_sub(self.taken);
        self.taken += newly;
        self.grow(newly);
        while self.kept.front().is_some_and(|piece| piece.end() <= self.taken) {
            self.kept.pop_front();
        }
        if let Some(front) = self.kept.front_mut().filter(|piece| piece.offset < self.taken) {
            // The rest of a large chunk pins its memory; what it pins is at most one read from the origin.
            let _ = front.bytes.split_to(usize::try_from(self.taken - front.offset).unwrap_or(usize::MAX));
            front.offset = self.taken;
        }
        let left = usize::try_from(self.kept()).unwrap_or(usize::MAX);
        if left == 0 {
            // A stream that is silent for hours keeps no memory.
            self.tail.clear();
        } else if left < self.tail.len() {
            self.tail.advance(self.tail.len() - left);
        }
        newly
    }

    /// After a lost connection the receiver has every byte before `received`: goes on from there, and says the end
    /// again if it was reached, even when no byte is left. Returns whether something has arrived that was sent on the lost
    /// connection.
    pub fn resume(&mut self, received: u64) -> bool {
        if self.cleared {
            return false;
        }
        // Below what it has taken it cannot be; beyond what was ever sent it is not believed.
        let next = received.clamp(self.taken, self.sent);
        let has_arrived = next > self.from;
        if !has_arrived && self.next > next {
            self.shrink();
        }
        (self.next, self.from) = (next, next);
        self.end_sent = false;
        has_arrived
    }

    /// Nothing of what was sent on the connection that was lost has arrived: the path may never let a message of that size
    /// through.
    fn shrink(&mut self) {
        self.message = (self.message.min(BODY_MESSAGE_BYTES as u64) / SHRINK).max(LEAST);
        self.taken_since = 0;
    }

    /// Messages grow again where many of them pass.
    fn grow(&mut self, taken: u64) {
        self.taken_since += taken;
        if self.message < BODY_MESSAGE_BYTES as u64 && self.taken_since >= ENOUGH * self.message {
            self.message *= 2;
            self.taken_since = 0;
        }
    }

    /// Forgets everything: nobody wants the body any more. Returns how many bytes that were.
    pub fn clear(&mut self) -> u64 {
        let kept = self.kept();
        self.kept.clear();
        self.tail.clear();
        self.taken = self.length;
        self.next = self.length;
        self.end = None;
        self.cleared = true;
        kept
    }

    /// At most `length` kept bytes from `offset` on: a share of one piece, or several small ones copied together.
    fn slice(&self, offset: u64, length: u64) -> Bytes {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let index = self.kept.partition_point(|piece| piece.end() <= offset);
        let tail_offset = self.length - self.tail.len() as u64;
        let mut first = Bytes::new();
        if let Some(piece) = self.kept.get(index) {
            let start = usize::try_from(offset - piece.offset).unwrap_or(usize::MAX);
            first = piece.bytes.slice(start..start + (piece.bytes.len() - start).min(length));
        }
        // Small neighbours are gathered: a message for each of many small events would cost more than the copy.
        let most = length.min(GATHER);
        let is_alone = index + 1 >= self.kept.len() && self.tail.is_empty();
        if first.len() >= most || is_alone {
            return first;
        }
        let mut gathered = Vec::with_capacity(most);
        gathered.extend_from_slice(&first);
        let pieces = self.kept.iter().skip(index + 1).map(|piece| &piece.bytes[..]);
        let in_tail = usize::try_from(offset.saturating_sub(tail_offset)).unwrap_or(usize::MAX);
        for bytes in pieces.chain([&self.tail[in_tail.min(self.tail.len())..]]) {
            let wanted = most - gathered.len();
            gathered.extend_from_slice(&bytes[..bytes.len().min(wanted)]);
            if gathered.len() == most {
                break;
            }
        }
        gathered.into()
    }
}

/// Messages become so many times smaller for each connection on which none arrived, and no smaller than this.
const SHRINK: u64 = 4;
const LEAST: u64 = 1024;

/// They become twice as large when so many of them were taken.
const ENOUGH: u64 = 16;

/// Chunks smaller than this are copied together while they are kept.
const SMALL: usize = 1024;

/// Neighbouring pieces are gathered into messages of this many bytes; a piece that has as many goes uncopied.
const GATHER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(window: &mut SendWindow, most: usize) -> Vec<(u64, usize, bool)> {
        std::iter::from_fn(|| window.take(most))
            .map(|s| (s.offset, s.payload.len(), s.end.is_some()))
            .collect()
    }

    /// Proves that messages become smaller while none arrives on a connection, and larger again once many do.
    #[test]
    fn messages_shrink_until_they_arrive_and_grow_again() {
        let mut window = SendWindow::new(1 << 20);
        window.push(vec![0; 1 << 20].into());
        let largest = |window: &mut SendWindow| {
            let first = window.take(1 << 18).unwrap().payload.len();
            all(window, 1 << 18);
            first
        };
        assert_eq!(largest(&mut window), 1 << 18);
        for size in [1 << 16, 1 << 14, 1 << 12, 1 << 10, 1 << 10] {
            window.resume(0);
            assert_eq!(largest(&mut window), size, "none arrived");
        }
        window.resume(1024);
        assert_eq!(largest(&mut window), 1 << 10, "one did");
        assert_eq!(window.taken(20_000), 20_000);
        window.resume(20_000);
        assert_eq!(largest(&mut window), 1 << 11, "many did");
        window.taken(1 << 20);
        window.resume(1 << 20);
        window.resume(1 << 20);
        assert_eq!(window.message, 1 << 12, "nothing was sent that could have been lost");
    }

    /// Proves that no byte is sent beyond the credit, and that credit comes from what the receiver has taken.
    #[test]
    fn credit_is_never_exceeded() {
        let mut window = SendWindow::new(100_000);
        window.push(vec![0; 250_000].into());
        window.finish(End::Complete);
        assert_eq!(all(&mut window, 60_000), [(0, 60_000, false), (60_000, 40_000, false)]);
        assert_eq!(window.taken(30_000), 30_000);
        assert_eq!(all(&mut window, 60_000), [(100_000, 30_000, false)]);
        assert_eq!(window.taken(20_000), 0, "late");
        assert_eq!(window.taken(250_000), 100_000, "what was never sent is not believed");
        assert_eq!(all(&mut window, 100_000), [(130_000, 100_000, false)]);
        assert_eq!(window.taken(230_000), 100_000);
        assert_eq!(all(&mut window, 100_000), [(230_000, 20_000, true)]);
        assert_eq!(window.taken(250_000), 20_000);
        assert_eq!(window.kept(), 0);
    }

    /// Proves that after a loss exactly what the receiver lacks is sent again, and the end always.
    #[test]
    fn a_resumed_body_goes_on_where_the_receiver_is() {
        let mut window = SendWindow::new(100_000);
        window.push(Bytes::from((0..50_000_u32).map(|n| n as u8).collect::<Vec<_>>()));
        window.finish(End::Complete);
        assert_eq!(all(&mut window, 20_000).len(), 3);
        window.taken(10_000);
        window.resume(30_000);
        let segment = window.take(1_000).unwrap();
        assert_eq!((segment.offset, segment.payload[0]), (30_000, 30_000_u32 as u8));
        assert_eq!(all(&mut window, 20_000), [(31_000, 19_000, true)]);
        window.resume(50_000);
        assert_eq!(all(&mut window, 20_000), [(50_000, 0, true)], "the end again, even when no byte is left");
        window.resume(5_000);
        assert_eq!(window.take(10).unwrap().offset, 10_000, "what was taken is gone");
    }

    /// Proves that a receiver that claims bytes it was never sent gets neither past them nor past its credit.
    #[test]
    fn what_was_never_sent_was_not_received() {
        let mut window = SendWindow::new(100_000);
        window.push(vec![0; 250_000].into());
        window.finish(End::Complete);
        window.resume(u64::MAX);
        assert_eq!(window.take(60_000).map(|segment| segment.offset), Some(0));
        window.resume(u64::MAX);
        assert_eq!(all(&mut window, 60_000), [(60_000, 40_000, false)]);
    }

    /// Proves that what nobody wants any more is not ended as if it were whole, whatever happens to the connection.
    #[test]
    fn what_is_cleared_says_nothing_more() {
        let mut window = SendWindow::new(100);
        window.push("abc".into());
        assert_eq!(window.clear(), 3);
        window.push("def".into());
        window.finish(End::Complete);
        window.resume(0);
        assert!(!window.has_segment());
        assert_eq!((window.take(100), window.kept()), (None, 0));
    }

    /// Proves that a window holds as many bytes in small chunks as in large ones, in few pieces (case 178).
    #[test]
    fn send_window_small_chunks_take_only_their_bytes() {
        let mut window = SendWindow::new(100_000);
        for chunk in 0..100_000_u32 {
            assert!(window.has_room(), "{chunk}");
            window.push(Bytes::copy_from_slice(&[chunk as u8]));
        }
        assert!(window.kept.len() < 10 && window.has_room());
        window.push("x".into());
        assert!(!window.has_room());
        let mut all = Vec::new();
        while let Some(segment) = window.take(700) {
            assert_eq!(segment.offset, all.len() as u64);
            all.extend_from_slice(&segment.payload);
        }
        assert_eq!(all, (0..100_000_u32).map(|n| n as u8).collect::<Vec<_>>());
        assert_eq!(window.taken(99_999), 99_999);
        assert_eq!((window.kept(), window.has_room()), (2, true));
        assert_eq!(window.take(700).map(|segment| segment.payload), Some("x".into()));
        assert_eq!((window.taken(100_001), window.tail.capacity()), (2, 0));
    }

    /// Proves that a body which ends at its window or a little below, brought in chunks of any size, is sent whole and with its
    /// end before any credit is given (case 178).
    #[test]
    fn send_window_end_needs_no_credit() {
        const WINDOW: usize = 65_536;
        for below in [0, 1, 53, 100] {
            for chunk in [1, 53, 1000, 1024, 16_384, WINDOW] {
                let (mut window, mut left) = (SendWindow::new(WINDOW as u64), WINDOW - below);
                while left > 0 {
                    assert!(window.has_room(), "{below} below, in chunks of {chunk}: {left} are left");
                    let bytes = chunk.min(left);
                    window.push(vec![0; bytes].into());
                    left -= bytes;
                }
                assert!(window.has_room(), "{below} below, in chunks of {chunk}: nobody looks for the end");
                window.finish(End::Complete);
                let sent = all(&mut window, 100_000);
                let bytes: usize = sent.iter().map(|(_, bytes, _)| bytes).sum();
                assert_eq!(
                    (bytes, sent.last().map(|last| last.2)),
                    (WINDOW - below, Some(true)),
                    "{below} {chunk}"
                );
            }
        }
    }

    /// Proves that an abort comes after all bytes, in a message of its own.
    #[test]
    fn an_abort_follows_the_bytes() {
        let mut window = SendWindow::new(100_000);
        window.push("abc".into());
        window.finish(End::Abort("{}".into()));
        let first = window.take(100).unwrap();
        assert_eq!((first.payload, first.end), (Bytes::from_static(b"abc"), None));
        let second = window.take(100).unwrap();
        assert_eq!(
            (second.offset, second.payload, second.end),
            (3, Bytes::new(), Some(End::Abort("{}".into())))
        );
        assert_eq!(window.take(100), None);
    }

    /// Proves that trailers come after all bytes, in a message of their own, and again after a loss although no byte is
    /// left; that none is an ordinary end; and that too many are refused.
    #[test]
    fn trailers_follow_the_bytes_and_come_again() {
        let mut window = SendWindow::new(100_000);
        window.push("abc".into());
        let end = End::trailers(&[Header::new("a", "b")]).unwrap();
        window.finish(end.clone());
        assert_eq!(all(&mut window, 100), [(0, 3, false), (3, 0, true)]);
        window.taken(3);
        window.resume(3);
        let segment = window.take(100).unwrap();
        assert_eq!((segment.offset, segment.end), (3, Some(end)));
        assert_eq!(End::trailers(&[]), Ok(End::Complete));
        let large = Header::new("a", vec![b'x'; TRAILERS_BYTES]);
        assert_eq!(End::trailers(&[large]).unwrap_err().kind(), Kind::TooLarge);
    }

    /// Proves that many small pieces become few messages and one large piece is not copied.
    #[test]
    fn small_pieces_are_gathered() {
        let mut window = SendWindow::new(1 << 20);
        for _ in 0..1000 {
            window.push("data: event\n\n".into());
        }
        assert_eq!(all(&mut window, 256 * 1024).len(), 1);
        let large = Bytes::from(vec![0; 100_000]);
        window.push(large.clone());
        assert_eq!(window.take(256 * 1024).unwrap().payload.as_ptr(), large.as_ptr());
    }
}
