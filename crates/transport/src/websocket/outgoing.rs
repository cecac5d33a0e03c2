use super::{FRAGMENT, Role, mask};
use crate::{HIGH_WATER, Message, Prefix, buffer::WriteBuffer};
use bytes::{BufMut, Bytes, BytesMut};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Up to this size a payload is copied behind its header, so that many small messages leave in one write.
const COPIED: usize = 16 * 1024;

/// A masked payload is copied, masked, and written in pieces of this size.
const MASKED_PIECE: usize = 64 * 1024;

/// Up to this much in the write buffer every ping gets its pong.
const PROMPT: usize = 4 * 1024;

/// Messages and control frames turned into bytes to be written. Sans I/O.
///
/// At most one message, one ping, one pong and one close frame wait; between two fragments of the message the ping
/// and the pong go first.
pub(super) struct Outgoing {
    pub(super) buffer: WriteBuffer,
    masks: Option<Box<mask::MaskKeys>>,
    /// The rest of a masked frame's payload, and the key that its first byte meets.
    masking: Option<(Bytes, [u8; 4])>,
    message: Option<Rest>,
    ping: bool,
    pong: Option<Bytes>,
    close: Close,
}

/// What of a message has no frame yet.
struct Rest {
    opcode: Data,
    prefix: Option<Prefix>,
    bytes: Bytes,
}

enum Close {
    No,
    Queued(Bytes),
    Encoded,
}

impl Outgoing {
    pub(super) fn new(role: Role) -> Self {
        Self {
            buffer: WriteBuffer::default(),
            masks: (role == Role::Client).then(mask::MaskKeys::new),
            masking: None,
            message: None,
            ping: false,
            pong: None,
            close: Close::No,
        }
    }

    /// Whether another message may be given.
    pub(super) fn is_ready(&self) -> bool {
        self.message.is_none() && !self.is_blocked() && self.buffer.len() < HIGH_WATER
    }

    /// Whether nothing is left to be encoded or written.
    pub(super) fn is_flushed(&self) -> bool {
        self.message.is_none() && self.masking.is_none() && self.buffer.is_empty() && !self.has_control()
    }

    /// How much waits to be written.
    pub(super) fn unwritten(&self) -> usize {
        let masking = self.masking.as_ref().map_or(0, |(rest, _)| rest.len());
        self.buffer.len() + masking + self.message.as_ref().map_or(0, |rest| rest.bytes.len())
    }

    /// Whether a control frame waits that should not wait for the next message.
    pub(super) fn has_control(&self) -> bool {
        self.ping || self.pong.is_some() || matches!(self.close, Close::Queued(_))
    }

    pub(super) fn is_closing(&self) -> bool {
        !matches!(self.close, Close::No)
    }

    pub(super) fn message(&mut self, message: Message) {
        let (opcode, bytes) = match message {
            Message::Text(bytes) => (Data::Text, bytes),
            Message::Binary(bytes) => (Data::Binary, bytes),
        };
        self.take(Rest { opcode, prefix: None, bytes });
    }

    /// A binary message whose first bytes are `prefix`.
    pub(super) fn binary(&mut self, prefix: Prefix, payload: Bytes) {
        self.take(Rest { opcode: Data::Binary, prefix: Some(prefix), bytes: payload });
    }

    fn take(&mut self, message: Rest) {
        if self.is_closing() {
            return;
        }
        debug_assert!(self.message.is_none(), "poll_ready comes before send");
        self.message = Some(message);
        self.encode();
    }

    pub(super) fn ping(&mut self) {
        self.ping = !self.is_closing();
    }

    /// Answers a ping: each while little waits to be written, and then only the latest.
    pub(super) fn pong(&mut self, payload: Bytes) {
        if !self.is_closing() {
            self.pong = Some(payload);
            if self.buffer.len() < PROMPT {
                self.encode();
            }
        }
    }

    /// Queues a close frame after the message in hand. The first one counts.
    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) {
        if self.is_closing() {
            return;
        }
        let mut payload = BytesMut::new();
        if let Some(code) = code {
            payload.put_u16(code);
            payload.put_slice(cut(reason, LONGEST_REASON).as_bytes());
        }
        self.close = Close::Queued(payload.freeze());
    }

    /// Queues a close frame and forgets the rest of the message in hand: the peer will not read it.
    pub(super) fn close_now(&mut self, code: Option<u16>, reason: &str) {
        self.close(code, reason);
        self.message = None;
        self.ping = false;
        self.pong = None;
    }

    /// Forgets whatever has not been begun to be written; what has been is still written to the end of its frame. Of a
    /// message in fragments the rest is never sent, so only a close frame may follow.
    pub(super) fn abandon(&mut self) {
        self.message = None;
        self.ping = false;
        self.pong = None;
        // A payload that is being masked belongs to a frame whose header has been written or waits with it.
        if self.masking.is_none() {
            self.buffer.cut();
        }
    }

    /// Encodes as much as the buffer may take.
    pub(super) fn encode(&mut self) {
        loop {
            self.mask_some();
            if self.is_blocked() || self.buffer.len() >= HIGH_WATER {
                return;
            }
            if let Some(payload) = self.pong.take() {
                self.frame(OpCode::Control(Control::Pong), true, &[], payload);
            } else if std::mem::take(&mut self.ping) {
                self.frame(OpCode::Control(Control::Ping), true, &[], Bytes::new());
            } else if let Some(Rest { opcode, prefix, mut bytes }) = self.message.take() {
                let fragment = bytes.split_to(fragment_length(bytes.len()));
                let last = bytes.is_empty();
                if !last {
                    self.message = Some(Rest { opcode: Data::Continue, prefix: None, bytes });
                }
                let prefix = prefix.as_ref().map_or(&[][..], |prefix| prefix);
                self.frame(OpCode::Data(opcode), last, prefix, fragment);
            } else if let Close::Queued(payload) = &mut self.close {
                let payload = std::mem::take(payload);
                self.close = Close::Encoded;
                self.frame(OpCode::Control(Control::Close), true, &[], payload);
            } else {
                return;
            }
        }
    }

    /// Whether a frame has been begun whose payload is not in the buffer whole.
    fn is_blocked(&self) -> bool {
        self.buffer.has_large() || self.masking.is_some()
    }

    /// One frame of `prefix` and `payload`. The prefix is always copied.
    fn frame(&mut self, opcode: OpCode, last: bool, prefix: &[u8], payload: Bytes) {
        let mask = self.masks.as_mut().map(|keys| keys.next());
        let header = FrameHeader { is_final: last, opcode, mask, ..FrameHeader::default() };
        let small = self.buffer.small();
        let copied = payload.len() <= COPIED;
        small.reserve(14 + prefix.len() + if copied { payload.len() } else { 0 });
        header
            .format((prefix.len() + payload.len()) as u64, &mut small.writer())
            .expect("a buffer in memory takes every write");
        let start = small.len();
        small.extend_from_slice(prefix);
        match mask {
            None if copied => small.extend_from_slice(&payload),
            None => self.buffer.put_large(payload),
            Some(key) if copied => {
                small.extend_from_slice(&payload);
                mask::apply(&mut small[start..], key);
            }
            Some(key) => {
                mask::apply(&mut small[start..], key);
                self.masking = Some((payload, mask::advanced(key, prefix.len())));
                return;
            }
        }
        self.buffer.mark_end();
    }

    fn mask_some(&mut self) {
        let Some((payload, key)) = &mut self.masking else { return };
        let small = self.buffer.small();
        let piece = payload.split_to(payload.len().min(MASKED_PIECE.saturating_sub(small.len())));
        let start = small.len();
        small.extend_from_slice(&piece);
        mask::apply(&mut small[start..], *key);
        *key = mask::advanced(*key, piece.len());
        if payload.is_empty() {
            self.masking = None;
            self.buffer.mark_end();
        }
    }
}

/// A control frame holds 125 bytes, and a close code takes two.
const LONGEST_REASON: usize = 123;

fn cut(text: &str, length: usize) -> &str {
    let mut end = text.len().min(length);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A body message is 256 KiB and a header of its own: it stays whole.
const WHOLE: usize = FRAGMENT + 64;

fn fragment_length(length: usize) -> usize {
    if length <= WHOLE { length } else { FRAGMENT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, Waker},
    };
    use tokio::io::AsyncWrite;

    /// Takes so many bytes and then no more.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write(outgoing: &mut Outgoing, io: &mut Narrow) {
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            outgoing.encode();
            if outgoing.buffer.is_empty()
                || !matches!(outgoing.buffer.poll_write(io, cx), Poll::Ready(Ok(())))
            {
                return;
            }
        }
    }

    /// Proves that wherever writing stands when it is abandoned, the frame in hand is finished, nothing of any later one
    /// is sent, and the close frame follows.
    #[test]
    fn what_is_abandoned_ends_with_the_frame_in_hand() {
        // Two small frames, one that is not copied behind its header, and where each ends.
        let lengths = [5, 300, COPIED + 1];
        let ends = [7, 7 + 304, 7 + 304 + 4 + COPIED + 1];
        let close = [0x88, 2, 0x0f, 0xa1];
        for room in (0..330).chain(ends[2] - 3..=ends[2]) {
            let mut outgoing = Outgoing::new(Role::Server);
            for length in lengths {
                outgoing.message(Message::Binary(vec![7; length].into()));
            }
            let mut io = Narrow { taken: Vec::new(), room };
            write(&mut outgoing, &mut io);
            outgoing.abandon();
            outgoing.close(Some(4001), "");
            io.room = usize::MAX;
            write(&mut outgoing, &mut io);
            let whole = if room == 0 { 0 } else { *ends.iter().find(|end| **end >= room).unwrap() };
            assert_eq!(io.taken.len(), whole + close.len(), "{room} bytes had been written");
            assert_eq!(io.taken[whole..], close, "{room} bytes had been written");
        }
    }
}
