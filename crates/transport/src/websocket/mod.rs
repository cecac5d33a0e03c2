//! WebSocket (RFC 6455) over any stream, after the upgrade. No extension is ever agreed to.
//!
//! Frame headers and close codes are [`tungstenite`]'s. Putting fragments together and taking messages apart is done
//! here, because three promises need it: a large payload is written from where it lies, an idle connection holds no
//! buffer the size of the largest message it ever sent, and the fragments of one message are counted.

mod incoming;
mod mask;
mod outgoing;

use crate::{
    CloseReason, Closed, Connection, Message, Prefix, Received, Room,
    buffer::{ReadBuffer, WriteBuffer},
};
use bytes::{Bytes, BytesMut};
use incoming::{Event, Failure, Incoming};
use outgoing::Outgoing;
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes that are read before others on the thread get their turn.
const BURST: u64 = 256 * 1024;

/// A message longer than this (and 64 bytes) is sent in fragments of this many bytes.
pub const FRAGMENT: usize = 256 * 1024;

/// A message in more fragments than this is refused as too large.
pub const MAX_FRAGMENTS: usize = 131_072;

/// Which end of a WebSocket this is: a client masks what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that dialled.
    Client,
    /// The end that accepted.
    Server,
}

/// A WebSocket. Made by [`Acceptor::accept`](crate::Acceptor::accept) and [`dial`](crate::dial()).
pub struct WebSocket<S> {
    io: S,
    role: Role,
    read: ReadBuffer,
    incoming: Incoming,
    outgoing: Outgoing,
    state: State,
    /// Written to the stream since it was last flushed.
    unflushed: bool,
    shut_down: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The peer's close frame has come.
    PeerClosed,
    /// The peer broke a rule: what it goes on sending has no meaning.
    Failed,
    /// The stream has ended.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> WebSocket<S> {
    /// A WebSocket on a stream whose upgrade is done. `read_ahead` is what was read beyond the upgrade, and
    /// `message_bytes` the limit on one incoming message.
    pub fn new(io: S, read_ahead: BytesMut, role: Role, message_bytes: usize) -> Self {
        Self {
            io,
            role,
            read: ReadBuffer::new(read_ahead),
            incoming: Incoming::new(role, Room::of(message_bytes)),
            outgoing: Outgoing::new(role),
            state: State::Open,
            unflushed: false,
            shut_down: false,
        }
    }

    /// A WebSocket on a stream that has carried something else so far: behind what is still to be written of that.
    pub(crate) fn going_on(
        io: S,
        read_ahead: BytesMut,
        role: Role,
        message_bytes: usize,
        unwritten: WriteBuffer,
    ) -> Self {
        let mut websocket = Self::new(io, read_ahead, role, message_bytes);
        websocket.outgoing.buffer = unwritten;
        websocket.outgoing.buffer.mark_end();
        websocket.unflushed = true;
        websocket
    }

    /// The stream, and what was read beyond the last message, for whoever carries what follows without understanding it. To be
    /// called between two messages, with everything [flushed](Connection::poll_flush) that was sent.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.io, self.read.bytes)
    }

    /// The stream underneath.
    pub fn stream(&self) -> &S {
        &self.io
    }

    fn poll_write_until(
        &mut self,
        cx: &mut Context<'_>,
        enough: impl Fn(&Outgoing) -> bool,
    ) -> Poll<io::Result<()>> {
        loop {
            self.outgoing.encode();
            if enough(&self.outgoing) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.outgoing.buffer.poll_write(&mut self.io, cx))?;
            self.unflushed = true;
        }
    }

    fn poll_flush_io(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_until(cx, Outgoing::is_flushed))?;
        self.outgoing.buffer.rest();
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Tries to write what waits, control frames above all. A failure to write shows when somebody waits for writing; what the
    /// peer sent before it went away is still to be read.
    fn nudge(&mut self, cx: &mut Context<'_>) {
        if self.unflushed || !self.outgoing.is_flushed() {
            let _ = self.poll_flush_io(cx);
        }
    }

    fn fail(&mut self, failure: Failure, cx: &mut Context<'_>) -> Closed {
        let (code, words, reason) = match failure {
            Failure::TooLarge => (1009, "message too large", CloseReason::TooLarge),
            Failure::Utf8 => (1007, "text is not UTF-8", CloseReason::Protocol("text is not UTF-8")),
            Failure::Protocol(what) => (1002, what, CloseReason::Protocol(what)),
        };
        self.state = State::Failed;
        self.outgoing.close_now(Some(code), words);
        self.nudge(cx);
        reason.into()
    }

    fn peer_closed(&mut self, said: Option<(u16, String)>, cx: &mut Context<'_>) -> Closed {
        let (code, text) = said.map_or((None, String::new()), |(code, text)| (Some(code), text));
        self.state = State::PeerClosed;
        self.outgoing.close_now(code, &text);
        self.nudge(cx);
        CloseReason::Peer { code, text }.into()
    }

    fn check_open(&self) -> Result<(), Closed> {
        match self.state {
            State::Open => Ok(()),
            _ => Err(CloseReason::Ended.into()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for WebSocket<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Closed>> {
        self.check_open()?;
        let before = self.read.received();
        loop {
            match self.incoming.next(&mut self.read.bytes) {
                Ok(Some(Event::Message(message))) => return Poll::Ready(Ok(Received::Message(message))),
                Ok(Some(Event::NoRoom { text, beginning })) => {
                    return Poll::Ready(Ok(Received::NoRoom { text, beginning }));
                }
                Ok(Some(Event::Pong)) => return Poll::Ready(Ok(Received::Pong)),
                Ok(Some(Event::Ping(payload))) => {
                    self.outgoing.pong(payload);
                    continue;
                }
                Ok(Some(Event::Close(said))) => return Poll::Ready(Err(self.peer_closed(said, cx))),
                Ok(None) => {}
                Err(failure) => return Poll::Ready(Err(self.fail(failure, cx))),
            }
            self.nudge(cx);
            if self.read.received() - before >= BURST {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let missing = self.incoming.missing(self.read.bytes.len());
            match ready!(self.read.poll_fill(&mut self.io, missing, cx)) {
                Ok(0) => {
                    self.state = State::Ended;
                    return Poll::Ready(Err(CloseReason::Ended.into()));
                }
                Ok(_) => {}
                Err(error) => {
                    self.state = State::Ended;
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.check_open()?;
        self.poll_write_until(cx, Outgoing::is_ready).map_err(Closed::from)
    }

    fn send(&mut self, message: Message) {
        self.outgoing.message(message);
    }

    fn send_binary(&mut self, prefix: Prefix, payload: Bytes) {
        self.outgoing.binary(prefix, payload);
    }

    fn ping(&mut self) {
        self.outgoing.ping();
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.poll_flush_io(cx).map_err(Closed::from)
    }

    fn abandon(&mut self) {
        self.outgoing.abandon();
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.outgoing.close(Some(code), reason);
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.outgoing.close(Some(1000), "");
        loop {
            if self.state == State::Ended {
                return Poll::Ready(());
            }
            match self.poll_flush_io(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if self.state != State::Open && !self.shut_down => {
                    self.shut_down = Pin::new(&mut self.io).poll_shutdown(cx).is_ready();
                }
                _ => {}
            }
            // The end that accepted ends the stream first (RFC 6455, section 7.1.1); with input unread that would
            // reset it, and the peer might never see the close frame.
            if self.shut_down && self.role == Role::Server && self.state == State::PeerClosed {
                return Poll::Ready(());
            }
            if self.state == State::Open {
                let _ = ready!(self.poll_receive(cx));
            } else if !matches!(ready!(self.read.poll_discard(&mut self.io, cx)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    }

    fn has_pings(&self) -> bool {
        true
    }

    fn has_binary(&self) -> bool {
        true
    }

    fn set_room(&mut self, room: Room) {
        self.incoming.set_room(room);
    }

    fn unfinished_bytes(&self) -> usize {
        self.incoming.unfinished(self.read.bytes.len())
    }

    fn unwritten_bytes(&self) -> usize {
        self.outgoing.unwritten()
    }

    fn bytes_received(&self) -> u64 {
        self.read.received()
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("role", &self.role)
            .field("state", &self.state)
            .field("received", &self.read.received())
            .finish_non_exhaustive()
    }
}
