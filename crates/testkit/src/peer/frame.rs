use bytes::{BufMut, Bytes, BytesMut};

/// The kinds of frames (RFC 6455, section 5.2).
pub mod opcode {
    /// A further piece of a fragmented message.
    pub const CONTINUATION: u8 = 0;
    /// Text.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// The end of the connection.
    pub const CLOSE: u8 = 8;
    /// A question for a pong.
    pub const PING: u8 = 9;
    /// The answer to a ping.
    pub const PONG: u8 = 10;
}

/// A WebSocket frame put together by hand, legal or not. Unless told: final, no reserved bits, masked as a client must,
/// its true length in the shortest form.
#[derive(Clone, Debug)]
pub struct Frame {
    opcode: u8,
    payload: Bytes,
    last: bool,
    reserved: u8,
    mask: Option<[u8; 4]>,
    length: Option<u64>,
}

impl Frame {
    /// A frame with this opcode.
    pub fn new(opcode: u8, payload: impl Into<Bytes>) -> Self {
        let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
        Self { opcode, payload: payload.into(), last: true, reserved: 0, mask, length: None }
    }

    /// Says that further frames of the same message follow.
    pub fn more(mut self) -> Self {
        self.last = false;
        self
    }

    /// Sets the three reserved bits.
    pub fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits & 7;
        self
    }

    /// Leaves the payload as it is, as a server must and a client must not.
    pub fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// Announces this length, in 64 bits, whatever the payload has.
    pub fn claiming(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// The frame on the wire.
    pub fn bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.payload.len() + 14);
        out.put_u8(u8::from(self.last) << 7 | self.reserved << 4 | self.opcode & 15);
        let masked = u8::from(self.mask.is_some()) << 7;
        match (self.length, self.payload.len()) {
            (None, length @ 0..=125) => out.put_u8(masked | length as u8),
            (None, length @ 126..=0xffff) => {
                out.put_u8(masked | 126);
                out.put_u16(length as u16);
            }
            (length, actual) => {
                out.put_u8(masked | 127);
                out.put_u64(length.unwrap_or(actual as u64));
            }
        }
        let mask = self.mask.unwrap_or_default();
        if self.mask.is_some() {
            out.extend_from_slice(&mask);
        }
        out.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out.freeze()
    }
}
