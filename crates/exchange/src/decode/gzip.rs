use super::{Codec, Damaged, deflate::inflate};
use bytes::{Buf, Bytes};
use flate2::{Crc, Decompress};

/// The largest header that is read: names and comments are at most a few words.
const LARGEST_HEADER: usize = 64 * 1024;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const HEADER_CRC: u8 = 1 << 1;
const RESERVED: u8 = 0xe0;

/// The `gzip` encoding (RFC 1952), of one or more members. The check values of each member are checked.
pub(super) struct Gzip {
    state: State,
    members: u64,
}

enum State {
    /// Collecting a member's header.
    Header(Vec<u8>),
    Data {
        inflate: Decompress,
        crc: Crc,
    },
    /// Collecting a member's check values.
    Trailer {
        crc: Crc,
        bytes: Vec<u8>,
    },
    /// What follows the last member is not gzip; it is ignored.
    Padding,
}

impl Gzip {
    pub fn new() -> Self {
        Self { state: State::Header(Vec::new()), members: 0 }
    }
}

impl Codec for Gzip {
    fn decode(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Damaged> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let had = header.len();
                    header.extend_from_slice(&input[..input.len().min(LARGEST_HEADER)]);
                    match header_length(header) {
                        // Zeros after a member are padding.
                        _ if self.members > 0 && header.first().is_some_and(|&byte| byte != 0x1f) => {
                            self.state = State::Padding;
                        }
                        Parsed::Damaged => return Err(Damaged),
                        Parsed::More if header.len() >= LARGEST_HEADER => return Err(Damaged),
                        Parsed::More => {
                            input.clear();
                            return Ok(0);
                        }
                        Parsed::Length(length) => {
                            input.advance(length - had);
                            self.state = State::Data { inflate: Decompress::new(false), crc: Crc::new() };
                        }
                    }
                }
                State::Data { inflate: decompress, crc } => {
                    let mut complete = false;
                    let written = inflate(decompress, input, output, &mut complete)?;
                    crc.update(&output[..written]);
                    if complete {
                        self.state = State::Trailer { crc: std::mem::take(crc), bytes: Vec::new() };
                    }
                    if written > 0 || !complete {
                        return Ok(written);
                    }
                }
                State::Trailer { crc, bytes } => {
                    let take = input.len().min(8 - bytes.len());
                    bytes.extend_from_slice(&input.split_to(take));
                    if bytes.len() < 8 {
                        return Ok(0);
                    }
                    let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
                    if *bytes != expected {
                        return Err(Damaged);
                    }
                    self.members += 1;
                    self.state = State::Header(Vec::new());
                    if input.is_empty() {
                        return Ok(0);
                    }
                }
                State::Padding => {
                    input.clear();
                    return Ok(0);
                }
            }
        }
    }

    fn is_complete(&self) -> bool {
        match &self.state {
            State::Header(header) => self.members > 0 && header.is_empty(),
            State::Padding => true,
            _ => false,
        }
    }
}

enum Parsed {
    Length(usize),
    More,
    Damaged,
}

/// How long the member's header at the front of `bytes` is.
fn header_length(bytes: &[u8]) -> Parsed {
    if !b"\x1f\x8b\x08".starts_with(&bytes[..bytes.len().min(3)])
        || bytes.get(3).is_some_and(|flags| flags & RESERVED != 0)
    {
        return Parsed::Damaged;
    }
    match optional_fields(bytes) {
        Some(length) if length <= bytes.len() => Parsed::Length(length),
        _ => Parsed::More,
    }
}

fn optional_fields(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & EXTRA != 0 {
        let length = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += 1 + bytes.get(at..)?.iter().position(|&byte| byte == 0)?;
        }
    }
    Some(if flags & HEADER_CRC != 0 { at + 2 } else { at })
}
