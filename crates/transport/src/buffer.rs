use bytes::{Buf, Bytes, BytesMut};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// What an idle connection reads into.
const REST: usize = 16 * 1024;

/// What a busy one reads into, and the most kept by one that is idle again.
const BUSY: usize = 64 * 1024;

/// The most that is allocated at once for what a peer merely announced.
const STEP: usize = 1024 * 1024;

/// Bytes read and not yet understood.
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    next: usize,
    large: bool,
    received: u64,
}

impl ReadBuffer {
    pub(crate) fn new(bytes: BytesMut) -> Self {
        Self { received: bytes.len() as u64, bytes, next: REST, large: false }
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
        let count = ready!(tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut self.bytes))?;
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
        // A message that is gone must not be kept alive by the unused end of its allocation.
        if self.large && self.bytes.is_empty() {
            self.bytes = BytesMut::new();
            self.large = false;
        }
        let room = self.bytes.capacity() - self.bytes.len();
        if missing > room {
            // A little more than asked for, so that the same read brings the start of what follows.
            let more = missing.min(STEP) + self.next;
            self.large |= more > BUSY;
            self.bytes.reserve(more);
        } else if room < REST / 4 && missing == 0 {
            self.large |= self.bytes.len() > BUSY;
            self.bytes.reserve(self.next);
        }
    }
}

/// Bytes to be written: small things copied together, then at most one large thing that is not copied.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    small: BytesMut,
    large: Bytes,
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
