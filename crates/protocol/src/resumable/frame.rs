use super::BODY_MESSAGE_BYTES;
use bytes::{BufMut, Bytes, BytesMut};

/// The bytes before the payload.
pub const HEADER_BYTES: usize = 18;

const END: u8 = 1;
const ABORT: u8 = 2;
const TRAILERS: u8 = 4;

/// Whose body a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// The executor's answer.
    Response = 1,
    /// The orchestrator's upload.
    Request = 2,
}

/// One binary message: a piece of a body, or its end, at an offset.
///
/// ```text
/// 0      kind    1 = response body, 2 = request body
/// 1      flags   bit 0 END, bit 1 ABORT, bit 2 TRAILERS
/// 2..10  requestId, u64 big-endian
/// 10..18 offset,    u64 big-endian: the position of payload[0] in the body
/// 18..   payload
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyMessage {
    /// Whose body.
    pub kind: BodyKind,
    /// These are the last bytes.
    pub end: bool,
    /// The body failed; the payload is a JSON error object, not body.
    pub abort: bool,
    /// The body is whole; the payload is JSON that holds its trailer fields, not body.
    pub trailers: bool,
    /// The request.
    pub request_id: u64,
    /// The position of the first byte of the payload in the body.
    pub offset: u64,
    /// The bytes.
    pub payload: Bytes,
}

/// A binary message that is no body message. It closes the connection: what follows cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedBody {
    /// Shorter than the header.
    #[error("a body message of {0} bytes is shorter than its header")]
    TooShort(usize),
    /// Neither response nor request.
    #[error("a body message of unknown kind {0}")]
    Kind(u8),
    /// Bits that mean nothing.
    #[error("a body message with unknown flags {0:#04x}")]
    Flags(u8),
    /// More bytes than one message may carry.
    #[error("a body message with {0} bytes, of which there may be 262144")]
    TooLarge(usize),
    /// An offset past what a body can have.
    #[error("a body message whose offset is too large")]
    Offset,
}

impl MalformedBody {
    /// What the peer is told when its connection is closed.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooShort(_) => "a body message is shorter than its header",
            Self::Kind(_) => "a body message is of unknown kind",
            Self::Flags(_) => "a body message has unknown flags",
            Self::TooLarge(_) => "a body message carries more than 256 KiB",
            Self::Offset => "a body message has an offset past 2^63-1",
        }
    }
}

impl BodyMessage {
    /// Decodes a binary message. The payload shares the message's memory.
    pub fn decode(message: &Bytes) -> Result<Self, MalformedBody> {
        let Some(header) = message.first_chunk::<HEADER_BYTES>() else {
            return Err(MalformedBody::TooShort(message.len()));
        };
        let kind = match header[0] {
            1 => BodyKind::Response,
            2 => BodyKind::Request,
            kind => return Err(MalformedBody::Kind(kind)),
        };
        let flags = header[1];
        if flags & !(END | ABORT | TRAILERS) != 0 || flags & (ABORT | TRAILERS) == ABORT | TRAILERS {
            return Err(MalformedBody::Flags(flags));
        }
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let (offset, payload) = (number(10), message.slice(HEADER_BYTES..));
        if payload.len() > BODY_MESSAGE_BYTES {
            return Err(MalformedBody::TooLarge(payload.len()));
        }
        if offset.checked_add(payload.len() as u64).is_none_or(|end| end > i64::MAX as u64) {
            return Err(MalformedBody::Offset);
        }
        Ok(Self {
            kind,
            end: flags & END != 0,
            abort: flags & ABORT != 0,
            trailers: flags & TRAILERS != 0,
            request_id: number(2),
            offset,
            payload,
        })
    }

    /// The bytes before the payload.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0] = self.kind as u8;
        for (is_set, flag) in [(self.end, END), (self.abort, ABORT), (self.trailers, TRAILERS)] {
            header[1] |= if is_set { flag } else { 0 };
        }
        header[2..10].copy_from_slice(&self.request_id.to_be_bytes());
        header[10..18].copy_from_slice(&self.offset.to_be_bytes());
        header
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(HEADER_BYTES + self.payload.len());
        message.put_slice(&self.header());
        message.put_slice(&self.payload);
        message.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the layout by the worked example of the protocol's document, byte by byte.
    #[test]
    fn the_worked_example_is_encoded_byte_by_byte() {
        let message = BodyMessage {
            kind: BodyKind::Response,
            end: true,
            abort: false,
            trailers: false,
            request_id: 7,
            offset: 65_536,
            payload: Bytes::from_static(b"data: 3\n\n"),
        };
        let bytes = message.encode();
        assert_eq!(
            bytes[..],
            [&[1, 1][..], &[0, 0, 0, 0, 0, 0, 0, 7], &[0, 0, 0, 0, 0, 1, 0, 0], b"data: 3\n\n"].concat()
        );
        assert_eq!(BodyMessage::decode(&bytes), Ok(message));
    }

    /// Proves that a message carries 256 KiB at most, of bytes or of an error object (case 179).
    #[test]
    fn body_message_over_the_limit_is_refused() {
        let message = |bytes: usize, flags: u8| {
            let mut message = vec![1, flags, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            message.resize(HEADER_BYTES + bytes, b' ');
            BodyMessage::decode(&message.into()).map(|message| message.payload.len())
        };
        for flags in [0, END, END | ABORT] {
            assert_eq!(message(BODY_MESSAGE_BYTES, flags), Ok(BODY_MESSAGE_BYTES));
            assert_eq!(message(BODY_MESSAGE_BYTES + 1, flags), Err(MalformedBody::TooLarge(262_145)));
        }
    }

    /// Proves that what is not a body message is refused, and why.
    #[test]
    fn what_is_no_body_message_is_refused() {
        let good = [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let with = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            BodyMessage::decode(&Bytes::copy_from_slice(&bytes))
        };
        assert!(with(0, 2).is_ok());
        assert!(with(1, 3).is_ok());
        assert_eq!(with(0, 0), Err(MalformedBody::Kind(0)));
        assert_eq!(with(0, 3), Err(MalformedBody::Kind(3)));
        assert!(with(1, 5).is_ok());
        assert_eq!(with(1, 7), Err(MalformedBody::Flags(7)), "either it failed or it has trailers");
        assert_eq!(with(1, 8), Err(MalformedBody::Flags(8)));
        assert_eq!(with(10, 0x80), Err(MalformedBody::Offset));
        assert_eq!(BodyMessage::decode(&Bytes::from_static(&[1; 17])), Err(MalformedBody::TooShort(17)));
    }
}
