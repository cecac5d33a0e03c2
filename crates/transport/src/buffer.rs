use bytes::{Buf, Bytes, BytesMut};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// What an idle connection reads into.
const REST: usize = 16 * 1024;

/// What a busy one reads into.
const BUSY: usize = 64 * 1024;

/// The most that is allocated at once for what a peer merely announced. Of a peer that has sent as much the rest is believed:
/// a buffer that grows step by step is copied each time, with its heap locked.
const STEP: usize = 1024 * 1024;

/// Up to this size what is taken out of a read buffer is copied. What is not copied keeps its whole allocation alive
/// for as long as somebody holds it, and that has to be in proportion: it is at most about four times as large.
const COPIED: usize = 16 * 1024;

/// Takes the first `length` bytes out of a read buffer.
pub(crate) fn take(buffer: &mut BytesMut, length: usize) -> BytesMut {
    if length > COPIED {
        return buffer.split_to(length);
    }
    let taken = BytesMut::from(&buffer[..length]);
    buffer.advance(length);
    taken
}

/// Bytes read and not yet understood.
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    next: usize,
    oversized: bool,
    received: u64,
}

impl ReadBuffer {
    pub(crate) fn new(bytes: BytesMut) -> Self {
        Self { received: bytes.len() as u64, bytes, next: REST, oversized: false }
    }

    /// Every byte that ever came.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Reads once. `missing` is what must still come for the next step, or 0 where that is not known. Ready with 0 at the end.
    pub(crate) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        missing: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room(missing);
        let room = self.bytes.capacity() - self.bytes.len();
        let Poll::Ready(read) = tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut self.bytes) else {
            self.rest();
            return Poll::Pending;
        };
        let count = read?;
        self.next = if count == room { BUSY } else { REST };
        self.received += count as u64;
        Poll::Ready(Ok(count))
    }

    /// Reads once and throws away what came. Ready with 0 at the end.
    pub(crate) fn poll_discard<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.bytes.clear();
        self.poll_fill(io, 0, cx)
    }

    fn make_room(&mut self, missing: usize) {
        let room = self.bytes.capacity() - self.bytes.len();
        let more = if missing > room {
            // A little more than asked for, so that the same read brings the start of what follows.
            let believed = if self.bytes.len() < STEP { STEP } else { usize::MAX };
            missing.min(believed) + REST
        } else if missing == 0 && room < REST / 4 {
            self.next
        } else {
            return;
        };
        self.oversized |= self.bytes.len() + more > REST;
        self.bytes.reserve(more);
    }

    /// Nothing is to be read for now: gives memory back.
    fn rest(&mut self) {
        self.next = REST;
        if self.oversized && self.bytes.is_empty() {
            self.bytes = BytesMut::new();
            self.oversized = false;
        }
    }
}

/// Bytes to be written: small things copied together, then at most one large thing that is not copied.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    small: BytesMut,
    large: Bytes,
    /// Every byte ever written.
    written: u64,
    /// Where what is being written began, in the same count.
    begun: u64,
    /// Where each thing that waits ends, if its end was marked.
    ends: VecDeque<u64>,
}

impl WriteBuffer {
    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    /// Whether something large waits: nothing can be added before it is written.
    pub(crate) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// The place for small things. Only while nothing large waits.
    pub(crate) fn small(&mut self) -> &mut BytesMut {
        debug_assert!(self.large.is_empty(), "small things go before the large one");
        &mut self.small
    }

    /// Adds the large thing. Only while none waits.
    pub(crate) fn put_large(&mut self, bytes: Bytes) {
        debug_assert!(self.large.is_empty(), "one large thing at a time");
        self.large = bytes;
    }

    /// Marks the end of a thing that makes sense only whole.
    pub(crate) fn mark_end(&mut self) {
        self.ends.push_back(self.written + self.len() as u64);
    }

    /// Forgets everything but the rest of what has been begun to be written.
    pub(crate) fn cut(&mut self) {
        let end = if self.written == self.begun {
            self.written
        } else {
            self.ends.front().copied().unwrap_or(u64::MAX)
        };
        let keep = usize::try_from(end - self.written).unwrap_or(usize::MAX);
        if keep <= self.small.len() {
            self.small.truncate(keep);
            self.large = Bytes::new();
        }
        self.ends.truncate(usize::from(keep > 0));
    }

    /// Writes once.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let io = Pin::new(io);
        let count = ready!(match (self.small.is_empty(), self.large.is_empty()) {
            (false, false) if io.is_write_vectored() => {
                io.poll_write_vectored(cx, &[IoSlice::new(&self.small), IoSlice::new(&self.large)])
            }
            (false, _) => io.poll_write(cx, &self.small),
            (true, _) => io.poll_write(cx, &self.large),
        })?;
        self.written += count as u64;
        while let Some(end) = self.ends.front().copied().filter(|end| *end <= self.written) {
            self.begun = end;
            self.ends.pop_front();
        }
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let small = count.min(self.small.len());
        self.small.advance(small);
        self.large.advance(count - small);
        if self.large.is_empty() {
            self.large = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Gives memory back once nothing waits.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && self.small.capacity() > 0 {
            self.small = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;
    use std::task::Waker;
    use tokio::io::{AsyncWriteExt, duplex};

    /// Proves that what a large message needed is given back once nothing is to be read, and that what was announced is
    /// not allocated at once.
    #[tokio::test]
    async fn an_idle_read_buffer_is_small_again() {
        let (mut peer, mut ours) = duplex(4 * STEP);
        let mut cx = Context::from_waker(Waker::noop());
        let mut buffer = ReadBuffer::new(BytesMut::new());
        peer.write_all(&vec![0; STEP]).await.unwrap();
        while buffer.bytes.len() < STEP {
            let missing = 64 * STEP - buffer.bytes.len();
            assert!(buffer.poll_fill(&mut ours, missing, &mut cx).is_ready());
        }
        assert!(
            buffer.bytes.capacity() <= 4 * STEP,
            "{} bytes for what was announced",
            buffer.bytes.capacity()
        );
        drop(take(&mut buffer.bytes, STEP));
        assert!(buffer.poll_fill(&mut ours, 0, &mut cx).is_pending());
        assert!(buffer.bytes.capacity() <= REST, "{} bytes at rest", buffer.bytes.capacity());
        assert_eq!(buffer.received(), STEP as u64);
    }

    /// Proves that a small message that is kept does not keep a large buffer with it.
    #[test]
    fn a_small_message_has_an_allocation_of_its_own() {
        let mut buffer = BytesMut::with_capacity(STEP);
        buffer.put_bytes(7, STEP);
        let taken = take(&mut buffer, COPIED).freeze();
        buffer.clear();
        assert!(buffer.try_reclaim(STEP), "something else refers to the buffer");
        assert_eq!(taken, vec![7; COPIED]);
    }
}
