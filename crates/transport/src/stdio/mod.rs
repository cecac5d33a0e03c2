//! Messages over a pair of pipes: lines at first, and frames where afield/1 is spoken.

mod lines;

use crate::{Closed, Connection, Message, Prefix, Received, Role, Room, WebSocket};
use bytes::{Bytes, BytesMut};
use lines::Lines;
use std::{
    fmt,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, Join, Stdin, Stdout, join};

/// Messages over a pair of pipes.
///
/// It begins with one text message a line. A line ends with LF or CRLF; blank lines are ignored; a line that is not UTF-8 is
/// [`Received::Malformed`]; a last line without an end counts. A message that is sent must not hold a line feed (compact JSON
/// never does). There are no pings, no close codes and no binary messages: the end is the end of the stream, and who ends its
/// output may still read ([`Connection::has_half_close`]).
///
/// Once `initialize` was answered with a dialect that has binary messages, both ends call [`Connection::begin_frames`], and
/// from the next byte on WebSocket frames (RFC 6455, section 5) go both ways, with all they have.
pub struct Stdio<R, W>(
    Mode<R, W>,
    /// Bytes that the lines received, once they are over: the count goes on.
    u64,
);

enum Mode<R, W> {
    Lines(Lines<R, W>),
    Frames(Box<WebSocket<Join<R, W>>>),
    /// Between the two, and never seen.
    Between,
}

/// The connection over this process's standard input and output.
///
/// They are used as they are, through threads: making a pipe non-blocking would make it so for every process that shares it.
/// A read may be under way when the runtime is shut down, so end the process with
/// [`shutdown_background`](https://docs.rs/tokio/latest/tokio/runtime/struct.Runtime.html#method.shutdown_background) or `exit`.
pub fn stdio(message_bytes: usize) -> Stdio<Stdin, Stdout> {
    Stdio::new(tokio::io::stdin(), tokio::io::stdout(), message_bytes)
}

/// What a connection over pipes consists of, between two messages.
pub struct StdioParts<R, W> {
    /// What it reads.
    pub input: R,
    /// What it writes.
    pub output: W,
    /// What was read, and belongs to the next message.
    pub read_ahead: BytesMut,
}

impl<R, W> Stdio<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// A connection that reads `input`, writes `output`, and takes messages of at most `message_bytes` bytes.
    pub fn new(input: R, output: W, message_bytes: usize) -> Self {
        Self(Mode::Lines(Lines::new(input, output, message_bytes)), 0)
    }

    /// Takes a connection in lines apart, between two messages, for whoever carries what follows without understanding it.
    /// What was sent has to be [flushed](Connection::poll_flush) before. `None` once frames have begun.
    pub fn into_parts(self) -> Option<StdioParts<R, W>> {
        let Mode::Lines(lines) = self.0 else { return None };
        let lines::Parts { input, output, read_ahead, .. } = lines.into_parts();
        Some(StdioParts { input, output, read_ahead })
    }

    fn frame(&mut self, role: Role) {
        if let Mode::Lines(lines) = std::mem::replace(&mut self.0, Mode::Between) {
            self.1 = lines.bytes_received();
            let parts = lines.into_parts();
            let io = join(parts.input, parts.output);
            let frames =
                WebSocket::going_on(io, parts.read_ahead, role, parts.message_bytes, parts.unwritten);
            self.0 = Mode::Frames(Box::new(frames));
        }
    }
}

macro_rules! either {
    ($self:ident, $connection:ident => $call:expr, $between:expr) => {
        match &mut $self.0 {
            Mode::Lines($connection) => $call,
            Mode::Frames($connection) => $call,
            Mode::Between => $between,
        }
    };
}

impl<R, W> Connection for Stdio<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Closed>> {
        either!(self, connection => connection.poll_receive(cx), Poll::Pending)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        either!(self, connection => connection.poll_ready(cx), Poll::Pending)
    }

    fn send(&mut self, message: Message) {
        either!(self, connection => connection.send(message), ());
        if matches!(&self.0, Mode::Lines(lines) if lines.last_line) {
            self.frame(Role::Server);
        }
    }

    fn send_binary(&mut self, prefix: Prefix, payload: Bytes) {
        either!(self, connection => connection.send_binary(prefix, payload), ());
    }

    fn ping(&mut self) {
        either!(self, connection => connection.ping(), ());
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        either!(self, connection => connection.poll_flush(cx), Poll::Pending)
    }

    fn abandon(&mut self) {
        either!(self, connection => connection.abandon(), ());
    }

    fn close(&mut self, code: u16, reason: &str) {
        either!(self, connection => connection.close(code, reason), ());
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(self, connection => connection.poll_closed(cx), Poll::Ready(()))
    }

    fn begin_frames(&mut self, role: Role) {
        match (&mut self.0, role) {
            (Mode::Lines(lines), Role::Server) => lines.last_line = true,
            _ => self.frame(role),
        }
    }

    fn has_pings(&self) -> bool {
        matches!(self.0, Mode::Frames(_))
    }

    /// Once frames have begun.
    fn has_binary(&self) -> bool {
        true
    }

    fn set_room(&mut self, room: Room) {
        either!(self, connection => connection.set_room(room), ());
    }

    fn unfinished_bytes(&self) -> usize {
        match &self.0 {
            Mode::Lines(lines) => lines.unfinished_bytes(),
            Mode::Frames(frames) => frames.unfinished_bytes(),
            Mode::Between => 0,
        }
    }

    fn unwritten_bytes(&self) -> usize {
        match &self.0 {
            Mode::Lines(lines) => lines.unwritten_bytes(),
            Mode::Frames(frames) => frames.unwritten_bytes(),
            Mode::Between => 0,
        }
    }

    fn has_half_close(&self) -> bool {
        matches!(self.0, Mode::Lines(_))
    }

    fn bytes_received(&self) -> u64 {
        match &self.0 {
            Mode::Lines(lines) => lines.bytes_received(),
            Mode::Frames(frames) => self.1 + frames.bytes_received(),
            Mode::Between => self.1,
        }
    }
}

impl<R, W> fmt::Debug for Stdio<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match &self.0 {
            Mode::Lines(_) => "lines",
            Mode::Frames(_) => "frames",
            Mode::Between => "between",
        };
        f.debug_struct("Stdio").field("mode", &mode).finish_non_exhaustive()
    }
}
