use bytes::Bytes;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long bytes wait for company after the stream's previous delta. Reference clients fail a stream that has 256
/// deltas queued, so a burst of small events must not become a burst of deltas.
const COALESCE: Duration = Duration::from_millis(5);

/// The body of one streamed call on its way out: the bytes that are not yet in a delta, and the end.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pending: VecDeque<Bytes>,
    pending_bytes: usize,
    end: Option<Option<String>>,
    seq: u64,
    previous: Option<Instant>,
    /// Whether the stream stands in the queue of turns.
    pub queued: bool,
    /// Whether the stream waits for its coalescing deadline, and until when.
    pub waiting: Option<Instant>,
    /// Whether whoever fills the stream waits for room.
    pub blocked: bool,
}

/// When a stream has something to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Now,
    At(Instant),
    Never,
}

/// What a stream sends in one turn.
pub(super) enum Turn {
    Delta { seq: u64, pieces: Vec<Bytes>, bytes: usize },
    End { seq: u64, error: Option<String> },
}

impl Stream {
    /// Takes bytes and returns how many: none after the end.
    pub fn push(&mut self, bytes: Bytes) -> usize {
        let length = bytes.len();
        if length == 0 || self.end.is_some() {
            return 0;
        }
        self.pending_bytes += length;
        self.pending.push_back(bytes);
        length
    }

    /// Ends the stream after what is pending. The first end counts.
    pub fn finish(&mut self, error: Option<String>) {
        self.end.get_or_insert(error);
    }

    /// Forgets what is pending and returns how much that was.
    pub fn discard(&mut self) -> usize {
        self.pending.clear();
        std::mem::take(&mut self.pending_bytes)
    }

    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    pub fn ready(&self, now: Instant, message_bytes: usize) -> Ready {
        if self.end.is_some() || self.pending_bytes >= message_bytes {
            return Ready::Now;
        }
        if self.pending_bytes == 0 {
            return Ready::Never;
        }
        match self.previous.map(|previous| previous + COALESCE) {
            Some(due) if due > now => Ready::At(due),
            _ => Ready::Now,
        }
    }

    /// The next message: at most `message_bytes` of what is pending, or the end. `None` if there is nothing.
    pub fn take(&mut self, now: Instant, message_bytes: usize) -> Option<Turn> {
        if self.pending_bytes == 0 {
            let error = self.end.take()?;
            self.seq += 1;
            return Some(Turn::End { seq: self.seq, error });
        }
        let mut pieces = Vec::with_capacity(self.pending.len().min(64));
        let mut bytes = 0;
        while let Some(mut piece) = self.pending.pop_front() {
            let room = message_bytes - bytes;
            if piece.len() > room {
                self.pending.push_front(piece.split_off(room));
            }
            bytes += piece.len();
            if !piece.is_empty() {
                pieces.push(piece);
            }
            if bytes == message_bytes {
                break;
            }
        }
        self.pending_bytes -= bytes;
        self.previous = Some(now);
        self.seq += 1;
        Some(Turn::Delta { seq: self.seq, pieces, bytes })
    }
}
