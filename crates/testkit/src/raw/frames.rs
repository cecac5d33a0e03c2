//! HTTP/2 frames as bytes, for scripts of origins that misuse them.

use bytes::{BufMut, Bytes, BytesMut};

/// What a client sends first (RFC 9113, section 3.4); give it to [`Script::expect_text`](super::Script::expect_text).
pub const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A header block holding nothing but `:status: 200`.
pub const STATUS_200: &[u8] = &[0x88];

/// Any frame: a nine-byte header and `payload` (RFC 9113, section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Bytes {
    let payload = payload.as_ref();
    let mut out = BytesMut::with_capacity(9 + payload.len());
    out.put_uint(payload.len() as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
    out.extend_from_slice(payload);
    out.freeze()
}

/// DATA, with END_STREAM where `end`.
pub fn data(stream: u32, payload: impl AsRef<[u8]>, end: bool) -> Bytes {
    frame(0, u8::from(end), stream, payload)
}

/// HEADERS with a whole header block, with END_STREAM where `end`.
pub fn headers(stream: u32, block: impl AsRef<[u8]>, end: bool) -> Bytes {
    frame(1, 4 | u8::from(end), stream, block)
}

/// HEADERS that CONTINUATION frames are to follow.
pub fn headers_begun(stream: u32, block: impl AsRef<[u8]>) -> Bytes {
    frame(1, 0, stream, block)
}

/// CONTINUATION, the last one where `end`.
pub fn continuation(stream: u32, block: impl AsRef<[u8]>, end: bool) -> Bytes {
    frame(9, if end { 4 } else { 0 }, stream, block)
}

/// RST_STREAM with this error code.
pub fn rst_stream(stream: u32, code: u32) -> Bytes {
    frame(3, 0, stream, code.to_be_bytes())
}

/// SETTINGS with these identifiers and values.
pub fn settings(values: &[(u16, u32)]) -> Bytes {
    let mut payload = BytesMut::new();
    for (identifier, value) in values {
        payload.put_u16(*identifier);
        payload.put_u32(*value);
    }
    frame(4, 0, 0, payload)
}

/// The acknowledgement of the peer's SETTINGS.
pub fn settings_ack() -> Bytes {
    frame(4, 1, 0, [])
}

/// PING.
pub fn ping(payload: [u8; 8]) -> Bytes {
    frame(6, 0, 0, payload)
}

/// GOAWAY naming the last stream that was or may be served.
pub fn goaway(last_stream: u32, code: u32) -> Bytes {
    frame(7, 0, 0, [last_stream.to_be_bytes(), code.to_be_bytes()].concat())
}

/// WINDOW_UPDATE; stream 0 means the connection.
pub fn window_update(stream: u32, increment: u32) -> Bytes {
    frame(8, 0, stream, increment.to_be_bytes())
}
