use crate::{Closed, Role};
use afield_exchange::Share;
use bytes::Bytes;
use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
};

/// One whole message.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Valid UTF-8: checked when it is received, trusted when it is sent.
    Text(Bytes),
    /// Any bytes. Only where [`Connection::has_binary`] says so.
    Binary(Bytes),
}

impl Message {
    /// The bytes, whichever kind it is.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// Shows the kind and the size; a message may hold secrets.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "text",
            Self::Binary(_) => "binary",
        };
        write!(f, "<{kind}, {} bytes>", self.bytes().len())
    }
}

/// What stands before the payload of a binary message in two parts.
pub type Prefix = [u8; 18];

/// What a connection yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A whole message.
    Message(Message),
    /// The peer answered a ping.
    Pong,
    /// A message that is not UTF-8 on a transport where that is one bad message and not the end (stdio). Its bytes
    /// are gone.
    Malformed,
    /// A message for which there was no room in the share it is counted in. The rest of it is gone.
    NoRoom {
        /// Whether it was text.
        text: bool,
        /// Its first bytes: 1,024, or all there are.
        beginning: Bytes,
    },
}

/// How much may be received.
#[derive(Clone, Debug)]
pub struct Room {
    /// The bytes of one message.
    pub message_bytes: usize,
    /// Where messages are counted, while they come and for as long as any part of them is kept. Texts up to 64 KiB are not:
    /// there is one at a time, and they say what is to be let go.
    pub share: Option<Share>,
}

impl Room {
    /// This much for each message, which is counted nowhere.
    pub fn of(message_bytes: usize) -> Self {
        Self { message_bytes, share: None }
    }
}

/// Whole messages in both directions, driven by the one task that owns the connection.
///
/// Every `poll_*` method registers the task's waker for what it waits for, reading or writing, so one poll function
/// that calls several of them is woken by whichever becomes possible first. Nothing runs in the background: a
/// connection that is not polled neither reads nor writes.
///
/// **Bounded.** A connection holds one incoming message up to the message limit, one outgoing message, and a write
/// buffer of at most [`HIGH_WATER`] bytes and a few control frames. A peer that never reads makes
/// [`poll_ready`](Self::poll_ready) wait, and no memory grow.
///
/// **Cancel safe.** All state is in the connection: dropping a future made of these methods loses no byte.
pub trait Connection: Send + Unpin + 'static {
    /// The next thing received. Pings are answered on the way; if the peer does not read, only the latest. Before
    /// reading, what waits to be written is written as far as that goes at once.
    ///
    /// After an error there is nothing more to receive: call [`poll_closed`](Self::poll_closed), for a bounded time,
    /// so that the peer learns why, or just drop the connection.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Closed>>;

    /// Ready when [`send`](Self::send) may be called: the previous message is in the write buffer whole, and the
    /// buffer is below [`HIGH_WATER`]. Writes only as far as needed for that; see [`poll_flush`](Self::poll_flush).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;

    /// Takes one message to be sent. To be called only after [`poll_ready`](Self::poll_ready) was ready, once for
    /// each time. After [`close`](Self::close) the message is dropped.
    fn send(&mut self, message: Message);

    /// [`send`](Self::send), of a binary message in two parts: `payload` is not copied to put `prefix` before it.
    fn send_binary(&mut self, prefix: Prefix, payload: Bytes) {
        self.send(Message::Binary([&prefix[..], &payload].concat().into()));
    }

    /// Sends a ping, ahead of what is not yet in the write buffer: between two fragments of a large message. Where
    /// the transport has no pings (stdio), nothing.
    fn ping(&mut self);

    /// Writes. Ready when everything, a message in fragments included, is with the kernel.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;

    /// Forgets what was given to [`send`](Self::send) and has not been begun to be written. Only [`close`](Self::close)
    /// may follow. Where the transport has no frames (stdio), nothing.
    fn abandon(&mut self) {}

    /// Queues the end, after what has been given to [`send`](Self::send). `code` is a WebSocket close code that may be
    /// sent (1000, 1001, 1008, 1011, 4000 to 4999, …), `reason` is cut to 123 bytes. Then
    /// [`poll_closed`](Self::poll_closed). The first call counts.
    fn close(&mut self, code: u16, reason: &str);

    /// Flushes, ends with code 1000 if nobody has called [`close`](Self::close), and waits for the peer's end,
    /// discarding what it still sends. A peer may take for ever: the caller bounds it in time and then drops the connection.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether [`ping`](Self::ping) asks anything. Where it does not, silence says nothing about the peer.
    fn has_pings(&self) -> bool;

    /// Whether [`Message::Binary`] can be sent, after [`begin_frames`](Self::begin_frames).
    fn has_binary(&self) -> bool;

    /// Changes how much may be received, from the next message on.
    fn set_room(&mut self, room: Room);

    /// How much of a message is there of which the rest is still to come.
    fn unfinished_bytes(&self) -> usize;

    /// How much waits to be written.
    fn unwritten_bytes(&self) -> usize;

    /// Says that the session is in a dialect with binary messages: by the end that dialled when it has the answer to
    /// `initialize`, by the end that accepted right before it sends that answer. Where messages are frames from the start
    /// (WebSocket), nothing.
    fn begin_frames(&mut self, role: Role) {
        let _ = role;
    }

    /// Whether the peer may end what it sends and go on reading. Where it may not, the end of input is the end.
    fn has_half_close(&self) -> bool {
        false
    }

    /// Every byte read so far, framing and control frames included. A peer for whom it grows is alive. It never falls.
    fn bytes_received(&self) -> u64;

    /// Waits for the next thing received. Cancel safe.
    fn receive(&mut self) -> impl Future<Output = Result<Received, Closed>> + Send
    where
        Self: Sized,
    {
        poll_fn(|cx| self.poll_receive(cx))
    }

    /// Sends one message and waits until it is with the kernel. Dropping the future may leave it half sent in the
    /// buffer; the next call of any writing method goes on with it. Nothing is received meanwhile.
    fn send_all(&mut self, message: Message) -> impl Future<Output = Result<(), Closed>> + Send
    where
        Self: Sized,
    {
        let mut message = Some(message);
        poll_fn(move |cx| {
            if message.is_some() {
                ready!(self.poll_ready(cx))?;
                if let Some(message) = message.take() {
                    self.send(message);
                }
            }
            self.poll_flush(cx)
        })
    }

    /// Waits as [`poll_closed`](Self::poll_closed) does. Cancel safe.
    fn closed(&mut self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        poll_fn(|cx| self.poll_closed(cx))
    }
}

/// From this many bytes in the write buffer on, a connection takes no further message.
pub const HIGH_WATER: usize = 256 * 1024;

impl Connection for Box<dyn Connection> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Closed>> {
        (**self).poll_receive(cx)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        (**self).poll_ready(cx)
    }

    fn send(&mut self, message: Message) {
        (**self).send(message);
    }

    fn send_binary(&mut self, prefix: Prefix, payload: Bytes) {
        (**self).send_binary(prefix, payload);
    }

    fn ping(&mut self) {
        (**self).ping();
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        (**self).poll_flush(cx)
    }

    fn abandon(&mut self) {
        (**self).abandon();
    }

    fn close(&mut self, code: u16, reason: &str) {
        (**self).close(code, reason);
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_closed(cx)
    }

    fn has_pings(&self) -> bool {
        (**self).has_pings()
    }

    fn has_binary(&self) -> bool {
        (**self).has_binary()
    }

    fn set_room(&mut self, room: Room) {
        (**self).set_room(room);
    }

    fn unfinished_bytes(&self) -> usize {
        (**self).unfinished_bytes()
    }

    fn unwritten_bytes(&self) -> usize {
        (**self).unwritten_bytes()
    }

    fn begin_frames(&mut self, role: Role) {
        (**self).begin_frames(role);
    }

    fn has_half_close(&self) -> bool {
        (**self).has_half_close()
    }

    fn bytes_received(&self) -> u64 {
        (**self).bytes_received()
    }
}
