use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// A piece up to this many bytes is copied rather than kept by itself when others wait before it.
const SMALL: usize = 1024;

/// The body of one streamed call as it comes in: what has not been read yet, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Stream {
    unread: VecDeque<Bytes>,
    /// Small pieces that came after those and while nobody read, as one: a flood of tiny ones takes no more memory than
    /// their bytes.
    gathered: BytesMut,
    unread_bytes: usize,
    next_seq: u64,
    end: Option<Result<(), Error>>,
}

impl Stream {
    /// Takes a piece. `Err` if the body can no longer be made whole: the stream fails, alone.
    pub fn push(&mut self, seq: u64, bytes: Bytes, most_unread: usize) -> Result<(), Error> {
        self.next_seq += 1;
        if seq != self.next_seq {
            return Err(Error::new(
                Kind::OriginProtocol,
                Blame::Executor,
                Retry::Unknown,
                format!("the executor sent body message {seq} where {} was due", self.next_seq),
            )
            .with_phase(Phase::Body));
        }
        if self.unread_bytes + bytes.len() > most_unread {
            return Err(Error::new(
                Kind::TooLarge,
                Blame::Caller,
                Retry::Unknown,
                format!("more than {most_unread} bytes of the body were left unread"),
            )
            .with_detail(detail::UNREAD)
            .with_phase(Phase::Body));
        }
        let nothing_waits = self.unread_bytes == 0;
        self.unread_bytes += bytes.len();
        if bytes.len() <= SMALL && !nothing_waits {
            self.gathered.extend_from_slice(&bytes);
        } else if !bytes.is_empty() {
            self.put_gathered();
            self.unread.push_back(bytes);
        }
        Ok(())
    }

    fn put_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.unread.push_back(self.gathered.split().freeze());
        }
    }

    /// Ends the body. The first end counts.
    pub fn finish(&mut self, end: Result<(), Error>) {
        self.end.get_or_insert(end);
    }

    pub fn unread_bytes(&self) -> usize {
        self.unread_bytes
    }

    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The next piece, then the end: `None` for a clean one, or one error.
    pub fn read(&mut self) -> Option<Option<Result<Bytes, Error>>> {
        if self.unread.is_empty() {
            self.put_gathered();
        }
        if let Some(bytes) = self.unread.pop_front() {
            self.unread_bytes -= bytes.len();
            return Some(Some(Ok(bytes)));
        }
        let end = self.end.take()?;
        self.end = Some(Ok(()));
        match end {
            Ok(()) => Some(None),
            Err(error) => Some(Some(Err(error))),
        }
    }
}
