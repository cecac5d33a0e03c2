use super::{MAX_FRAGMENTS, Role, mask};
use crate::{Message, Room, buffer::take};
use afield_exchange::Permit;
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
    /// A message that there was no room for.
    NoRoom {
        text: bool,
        beginning: Bytes,
    },
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
    room: Room,
    frame: Option<Frame>,
    partial: Option<Partial>,
    /// Counts the message that is coming, from a size on.
    permit: Option<Permit>,
    /// The message that is coming is thrown away, but for how it begins.
    unwanted: Option<Unwanted>,
}

struct Unwanted {
    text: bool,
    beginning: BytesMut,
}

/// What is kept of a message that there is no room for: enough to tell whose it is.
const BEGINNING: usize = 1024;

/// Texts up to this size are not counted.
const SMALL_TEXT: usize = 64 * 1024;

struct Frame {
    opcode: OpCode,
    last: bool,
    mask: Option<[u8; 4]>,
    /// How much of it is still to be taken out of the buffer.
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
    pub(super) fn new(role: Role, room: Room) -> Self {
        Self { role, room, frame: None, partial: None, permit: None, unwanted: None }
    }

    pub(super) fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// How much of a message is there that is not whole, with so much in the buffer.
    pub(super) fn unfinished(&self, buffered: usize) -> usize {
        let partial = self.partial.as_ref().map_or(0, |partial| partial.bytes.len().max(1));
        buffered + partial + usize::from(self.unwanted.is_some())
    }

    /// The next event in `buffer`, or `None` if it takes more bytes. After a failure there is no next.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, Failure> {
        loop {
            let frame = match &self.frame {
                Some(frame) => frame,
                None => match self.parse_header(buffer)? {
                    Some(frame) => &*self.frame.insert(frame),
                    None => return Ok(None),
                },
            };
            if matches!(frame.opcode, OpCode::Data(_)) && (self.unwanted.is_some() || !self.has_room(buffer))
            {
                match self.throw_away(buffer) {
                    Some(event) => return Ok(Some(event)),
                    None if self.frame.is_none() => continue,
                    None => return Ok(None),
                }
            }
            let Some(frame) = self.frame.as_ref().filter(|frame| frame.length <= buffer.len()) else {
                return Ok(None);
            };
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

    /// Counts what has come of the message in hand. If there is no room for it, the message is unwanted from here on.
    fn has_room(&mut self, buffer: &BytesMut) -> bool {
        let (Some(share), Some(frame)) = (&self.room.share, &self.frame) else { return true };
        let (text, before) = match &self.partial {
            Some(partial) => (partial.text, partial.bytes.len()),
            None => (frame.opcode == OpCode::Data(Data::Text), 0),
        };
        let here = before + frame.length.min(buffer.len());
        if text && here <= SMALL_TEXT {
            return true;
        }
        let permit = self.permit.get_or_insert_with(|| share.take_anyway(0));
        if permit.grow(here.saturating_sub(permit.amount())).is_ok() {
            return true;
        }
        self.permit = None;
        let mut beginning = self.partial.take().map_or_else(BytesMut::new, |partial| partial.bytes);
        beginning.truncate(BEGINNING);
        self.unwanted = Some(Unwanted { text, beginning: BytesMut::from(&beginning[..]) });
        false
    }

    /// Takes what has come of a frame of an unwanted message out of the buffer. Says so at the message's end.
    fn throw_away(&mut self, buffer: &mut BytesMut) -> Option<Event> {
        let (frame, unwanted) = (self.frame.as_mut()?, self.unwanted.as_mut()?);
        let here = frame.length.min(buffer.len());
        let wanted = here.min(BEGINNING - unwanted.beginning.len());
        let start = unwanted.beginning.len();
        unwanted.beginning.extend_from_slice(&buffer[..wanted]);
        if let Some(key) = &mut frame.mask {
            mask::apply(&mut unwanted.beginning[start..], *key);
            // The next byte's place in the key.
            key.rotate_left(wanted % 4);
        }
        buffer.advance(here);
        frame.length -= here;
        if frame.length > 0 {
            return None;
        }
        let last = frame.last;
        self.frame = None;
        let unwanted = if last { self.unwanted.take() } else { None }?;
        Some(Event::NoRoom { text: unwanted.text, beginning: unwanted.beginning.freeze() })
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
            // Nothing is kept of it, however long it is.
            (OpCode::Data(Data::Continue), _) if self.unwanted.is_some() => return Ok(()),
            (OpCode::Data(Data::Continue), None) => {
                return Err(Failure::Protocol("a continuation of nothing"));
            }
            (OpCode::Data(Data::Continue), Some(partial)) if partial.fragments >= MAX_FRAGMENTS => {
                return Err(Failure::TooLarge);
            }
            (OpCode::Data(Data::Continue), Some(partial)) => partial.bytes.len(),
            (OpCode::Data(_), _) if self.unwanted.is_some() => {
                return Err(Failure::Protocol("a message inside another"));
            }
            (OpCode::Data(_), Some(_)) => return Err(Failure::Protocol("a message inside another")),
            (OpCode::Data(_), None) => 0,
        };
        match length.checked_add(held as u64) {
            Some(total) if total <= self.room.message_bytes as u64 => Ok(()),
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
        let bytes = match self.permit.take() {
            Some(permit) => permit.hold(partial.bytes),
            None => partial.bytes.freeze(),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Budget;

    /// A frame of a client, up to 65,535 bytes.
    fn frame(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
        let key = [7, 80, 3, 250];
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = [&[opcode | u8::from(last) << 7, 128 | 126][..], &length, &key].concat();
        bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    /// Everything in these bytes, which come in pieces of this size.
    fn events(incoming: &mut Incoming, bytes: &[u8], size: usize) -> Vec<Event> {
        let (mut buffer, mut events) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(event) = incoming.next(&mut buffer).unwrap() {
                events.push(event);
            }
        }
        assert_eq!(incoming.unfinished(buffer.len()), 0);
        events
    }

    /// Proves that of a message for which there is no room its beginning is told, however it comes, that pings in it are
    /// heard, and that the next message is whole; and that what is held is counted until it is let go.
    #[test]
    fn a_message_without_room_is_told_by_its_beginning() {
        let large = br#"{"id":7,"#.repeat(12_000);
        let small = br#"{"id":8}"#;
        let mut bytes: Vec<u8> = Vec::new();
        let pieces: Vec<&[u8]> = large.chunks(30_000).collect();
        for (at, piece) in pieces.iter().enumerate() {
            bytes.extend(frame(if at == 0 { 1 } else { 0 }, at + 1 == pieces.len(), piece));
            bytes.extend(frame(9, true, b"?"));
        }
        bytes.extend(frame(1, true, small));
        let body = vec![9; 5000];
        bytes.extend(frame(2, true, &body));
        for size in [1, 7, 1000, 20_000, bytes.len()] {
            let share = Budget::new(8000, 1).share();
            let mut incoming =
                Incoming::new(Role::Server, Room { message_bytes: 1 << 20, share: Some(share.clone()) });
            let events = events(&mut incoming, &bytes, size);
            let mut others = events.iter().filter(|event| !matches!(event, Event::Ping(_)));
            let beginning = Bytes::copy_from_slice(&large[..BEGINNING]);
            assert_eq!(others.next(), Some(&Event::NoRoom { text: true, beginning }), "{size}");
            assert_eq!(others.next(), Some(&Event::Message(Message::Text(Bytes::from_static(small)))));
            assert_eq!(others.next(), Some(&Event::Message(Message::Binary(body.clone().into()))));
            assert_eq!((events.len(), share.used()), (3 + pieces.len(), 5000), "{size}");
            drop(events);
            assert_eq!(share.used(), 0);
        }
    }

    /// Proves that the frames of an unwanted message are held to the rules as others are.
    #[test]
    fn an_unwanted_message_keeps_the_rules() {
        let share = Budget::new(100, 1).share();
        let mut incoming = Incoming::new(Role::Server, Room { message_bytes: 1 << 20, share: Some(share) });
        let mut buffer = BytesMut::from(&frame(2, false, &[1; 1000])[..]);
        assert_eq!(incoming.next(&mut buffer), Ok(None));
        buffer.extend_from_slice(&frame(2, true, &[1; 10]));
        assert_eq!(incoming.next(&mut buffer), Err(Failure::Protocol("a message inside another")));
    }
}
