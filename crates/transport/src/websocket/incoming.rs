use super::{MAX_FRAGMENTS, Role, mask};
use crate::{Message, buffer::take};
use bytes::{Buf, Bytes, BytesMut};
use std::io::Cursor;
use tungstenite::{
    Error,
    error::ProtocolError,
    protocol::frame::{
        FrameHeader,
        coding::{CloseCode, Control, Data, OpCode},
    },
};

/// What the bytes of a peer amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Message(Message),
    Ping(Bytes),
    Pong,
    Close(Option<(u16, String)>),
}

/// Why the bytes of a peer amount to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    TooLarge,
    Utf8,
    Protocol(&'static str),
}

/// Frames and fragments put together again (RFC 6455, sections 5 and 7). Sans I/O: bytes in, events out.
pub(super) struct Incoming {
    role: Role,
    limit: usize,
    frame: Option<Frame>,
    partial: Option<Partial>,
}

struct Frame {
    opcode: OpCode,
    last: bool,
    mask: Option<[u8; 4]>,
    length: usize,
}

/// A message of which fragments have come.
struct Partial {
    text: bool,
    bytes: BytesMut,
    /// Text: the bytes before this are valid UTF-8; what follows is the start of one character.
    checked: usize,
    fragments: usize,
}

impl Incoming {
    pub(super) fn new(role: Role, limit: usize) -> Self {
        Self { role, limit, frame: None, partial: None }
    }

    /// The next event in `buffer`, or `None` if it takes more bytes. After a failure there is no next.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, Failure> {
        loop {
            let frame = match &self.frame {
                Some(frame) => frame,
                None => match self.parse_header(buffer)? {
                    Some(frame) => self.frame.insert(frame),
                    None => return Ok(None),
                },
            };
            if buffer.len() < frame.length {
                return Ok(None);
            }
            let mut payload = take(buffer, frame.length);
            if let Some(key) = frame.mask {
                mask::apply(&mut payload, key);
            }
            let (opcode, last) = (frame.opcode, frame.last);
            self.frame = None;
            let event = match opcode {
                OpCode::Control(control) => Some(control_event(control, payload)?),
                OpCode::Data(data) => self.data_event(data, last, payload)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// How many bytes beyond `buffered` the frame in hand takes; 0 between frames.
    pub(super) fn missing(&self, buffered: usize) -> usize {
        self.frame.as_ref().map_or(0, |frame| frame.length.saturating_sub(buffered))
    }

    fn parse_header(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, Failure> {
        let mut cursor = Cursor::new(&buffer[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|error| match error {
            Error::Protocol(ProtocolError::InvalidOpcode(_)) => Failure::Protocol("a reserved opcode"),
            _ => Failure::Protocol("a malformed frame header"),
        })?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let header_length = usize::try_from(cursor.position()).expect("a frame header has at most 14 bytes");
        buffer.advance(header_length);
        self.check(&header, length)?;
        let length = usize::try_from(length).map_err(|_| Failure::TooLarge)?;
        Ok(Some(Frame { opcode: header.opcode, last: header.is_final, mask: header.mask, length }))
    }

    /// Judges a frame by its header alone, before anything is kept for it.
    fn check(&self, header: &FrameHeader, length: u64) -> Result<(), Failure> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Failure::Protocol("reserved bits are set"));
        }
        match (self.role, header.mask.is_some()) {
            (Role::Server, false) => return Err(Failure::Protocol("an unmasked frame from a client")),
            (Role::Client, true) => return Err(Failure::Protocol("a masked frame from a server")),
            _ => {}
        }
        let held = match (header.opcode, &self.partial) {
            (OpCode::Control(_), _) if !header.is_final => {
                return Err(Failure::Protocol("a fragmented control frame"));
            }
            (OpCode::Control(_), _) if length > 125 => {
                return Err(Failure::Protocol("a control frame over 125 bytes"));
            }
            (OpCode::Control(_), _) => return Ok(()),
            (OpCode::Data(Data::Continue), None) => {
                return Err(Failure::Protocol("a continuation of nothing"));
            }
            (OpCode::Data(Data::Continue), Some(partial)) if partial.fragments >= MAX_FRAGMENTS => {
                return Err(Failure::TooLarge);
            }
            (OpCode::Data(Data::Continue), Some(partial)) => partial.bytes.len(),
            (OpCode::Data(_), Some(_)) => return Err(Failure::Protocol("a message inside another")),
            (OpCode::Data(_), None) => 0,
        };
        match length.checked_add(held as u64) {
            Some(total) if total <= self.limit as u64 => Ok(()),
            _ => Err(Failure::TooLarge),
        }
    }

    fn data_event(&mut self, data: Data, last: bool, payload: BytesMut) -> Result<Option<Event>, Failure> {
        let mut partial = match self.partial.take() {
            None => Partial { text: data == Data::Text, bytes: payload, checked: 0, fragments: 1 },
            Some(mut partial) => {
                partial.bytes.extend_from_slice(&payload);
                partial.fragments += 1;
                partial
            }
        };
        if partial.text {
            partial.check_text(last)?;
        }
        if !last {
            self.partial = Some(partial);
            return Ok(None);
        }
        let bytes = partial.bytes.freeze();
        Ok(Some(Event::Message(if partial.text { Message::Text(bytes) } else { Message::Binary(bytes) })))
    }
}

impl Partial {
    fn check_text(&mut self, last: bool) -> Result<(), Failure> {
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !last => self.checked += error.valid_up_to(),
            Err(_) => return Err(Failure::Utf8),
        }
        Ok(())
    }
}

fn control_event(control: Control, payload: BytesMut) -> Result<Event, Failure> {
    match control {
        Control::Ping => Ok(Event::Ping(payload.freeze())),
        Control::Pong => Ok(Event::Pong),
        Control::Close => close_event(&payload),
        Control::Reserved(_) => Err(Failure::Protocol("a reserved opcode")),
    }
}

fn close_event(payload: &[u8]) -> Result<Event, Failure> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload {
            [] => Ok(Event::Close(None)),
            _ => Err(Failure::Protocol("half a close code")),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseCode::from(code).is_allowed() {
        return Err(Failure::Protocol("a close code that may not be sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Failure::Utf8)?;
    Ok(Event::Close(Some((code, reason.to_owned()))))
}
