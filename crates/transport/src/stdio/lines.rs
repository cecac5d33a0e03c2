//! One text message a line.

use crate::{
    CloseReason, Closed, Connection, HIGH_WATER, Message, Received, Room,
    buffer::{ReadBuffer, WriteBuffer, take},
};
use bytes::{Buf, BytesMut};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Up to this size a message is copied into the write buffer, so that many small ones leave in one write.
const COPIED: usize = 16 * 1024;

/// A connection in lines, which is what every connection over pipes begins as.
pub(super) struct Lines<R, W> {
    input: R,
    output: W,
    limit: usize,
    read: ReadBuffer,
    /// The bytes before this hold no line feed.
    scanned: usize,
    write: WriteBuffer,
    /// The large message in the write buffer still wants its line feed.
    line_feed_due: bool,
    unflushed: bool,
    closing: bool,
    ended: bool,
    /// The next message to be sent is the last line.
    pub(super) last_line: bool,
}

/// What a connection in lines consists of: what frames go on with.
pub(super) struct Parts<R, W> {
    pub(super) input: R,
    pub(super) output: W,
    pub(super) message_bytes: usize,
    /// Read, and not yet understood.
    pub(super) read_ahead: BytesMut,
    /// Lines that are still to be written.
    pub(super) unwritten: WriteBuffer,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// A connection that reads `input`, writes `output`, and takes lines of at most `message_bytes` bytes.
    pub(super) fn new(input: R, output: W, message_bytes: usize) -> Self {
        Self {
            input,
            output,
            limit: message_bytes,
            read: ReadBuffer::new(BytesMut::new()),
            scanned: 0,
            write: WriteBuffer::default(),
            line_feed_due: false,
            unflushed: false,
            closing: false,
            ended: false,
            last_line: false,
        }
    }

    /// Takes it apart between two messages.
    pub(super) fn into_parts(self) -> Parts<R, W> {
        Parts {
            input: self.input,
            output: self.output,
            message_bytes: self.limit,
            read_ahead: self.read.bytes,
            unwritten: self.write,
        }
    }

    /// The next line that is not blank, among what has been read.
    fn next_line(&mut self) -> Result<Option<Received>, Closed> {
        loop {
            let found = memchr::memchr(b'\n', &self.read.bytes[self.scanned..]);
            let Some(at) = found.map(|at| self.scanned + at) else {
                self.scanned = self.read.bytes.len();
                // One byte more may be the CR of a CRLF.
                return if self.scanned > self.limit + 1 { Err(self.too_large()) } else { Ok(None) };
            };
            let line = take(&mut self.read.bytes, at);
            self.read.bytes.advance(1);
            self.scanned = 0;
            if let Some(received) = self.received(line)? {
                return Ok(Some(received));
            }
        }
    }

    fn received(&mut self, mut line: BytesMut) -> Result<Option<Received>, Closed> {
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.limit {
            return Err(self.too_large());
        }
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        Ok(Some(match std::str::from_utf8(&line) {
            Ok(_) => Received::Message(Message::Text(line.freeze())),
            Err(_) => Received::Malformed,
        }))
    }

    fn too_large(&mut self) -> Closed {
        self.ended = true;
        CloseReason::TooLarge.into()
    }

    fn poll_write_until(
        &mut self,
        cx: &mut Context<'_>,
        enough: impl Fn(&Self) -> bool,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.line_feed_due && !self.write.has_large() {
                self.write.small().extend_from_slice(b"\n");
                self.line_feed_due = false;
            }
            if enough(self) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.write.poll_write(&mut self.output, cx))?;
            self.unflushed = true;
        }
    }
}

impl<R, W> Connection for Lines<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Closed>> {
        loop {
            if self.ended {
                return Poll::Ready(Err(CloseReason::Ended.into()));
            }
            if let Some(received) = self.next_line()? {
                return Poll::Ready(Ok(received));
            }
            match ready!(self.read.poll_fill(&mut self.input, 0, cx)) {
                Ok(0) => {
                    self.ended = true;
                    let line = self.read.bytes.split();
                    if let Some(received) = self.received(line)? {
                        return Poll::Ready(Ok(received));
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.poll_write_until(cx, |stdio| !stdio.write.has_large() && stdio.write.len() < HIGH_WATER)
            .map_err(Closed::from)
    }

    fn send(&mut self, message: Message) {
        if self.closing {
            return;
        }
        let (Message::Text(bytes) | Message::Binary(bytes)) = message;
        debug_assert!(memchr::memchr(b'\n', &bytes).is_none(), "a message on stdio is one line");
        if bytes.len() <= COPIED || self.last_line {
            let small = self.write.small();
            small.reserve(bytes.len() + 1);
            small.extend_from_slice(&bytes);
            small.extend_from_slice(b"\n");
        } else {
            self.write.put_large(bytes);
            self.line_feed_due = true;
        }
    }

    fn ping(&mut self) {}

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        ready!(self.poll_write_until(cx, |stdio| stdio.write.is_empty()))?;
        self.write.rest();
        if self.unflushed {
            ready!(Pin::new(&mut self.output).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn close(&mut self, _: u16, _: &str) {
        self.closing = true;
    }

    /// Flushes and closes the output. The input's end is not waited for: a terminal has none.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.closing = true;
        if ready!(self.poll_flush(cx)).is_ok() {
            let _ = ready!(Pin::new(&mut self.output).poll_shutdown(cx));
        }
        Poll::Ready(())
    }

    fn has_pings(&self) -> bool {
        false
    }

    fn has_binary(&self) -> bool {
        false
    }

    /// Whoever started this process is its only principal: messages are bounded and not counted.
    fn set_room(&mut self, room: Room) {
        self.limit = room.message_bytes;
    }

    fn unfinished_bytes(&self) -> usize {
        self.read.bytes.len()
    }

    fn unwritten_bytes(&self) -> usize {
        self.write.len()
    }

    fn has_half_close(&self) -> bool {
        true
    }

    fn bytes_received(&self) -> u64 {
        self.read.received()
    }
}
