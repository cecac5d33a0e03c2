use super::{Codec, Damaged};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};

/// The `deflate` encoding: zlib (RFC 1950), or the bare DEFLATE data (RFC 1951) that some origins send under its name.
pub(super) struct Deflate {
    /// `None` until the first byte tells which of the two it is.
    inflate: Option<Decompress>,
    complete: bool,
}

impl Deflate {
    pub fn new() -> Self {
        Self { inflate: None, complete: false }
    }
}

impl Codec for Deflate {
    fn decode(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Damaged> {
        if self.complete {
            // Bytes after the end are padding that every decoder ignores.
            input.clear();
            return Ok(0);
        }
        let Some(&first) = input.first() else {
            return match &mut self.inflate {
                Some(inflate) => self::inflate(inflate, input, output, &mut self.complete),
                None => Ok(0),
            };
        };
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(is_zlib(first)));
        self::inflate(inflate, input, output, &mut self.complete)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}

/// Method 8 with a window of up to 32 KiB. A bare block with the same bits would be a stored one with odd padding.
fn is_zlib(first: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7
}

/// One step of inflating; sets `complete` at the end of the data.
pub(super) fn inflate(
    inflate: &mut Decompress,
    input: &mut Bytes,
    output: &mut [u8],
    complete: &mut bool,
) -> Result<usize, Damaged> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None).map_err(|_| Damaged)?;
    let read = (inflate.total_in() - read) as usize;
    let written = (inflate.total_out() - written) as usize;
    input.advance(read);
    match status {
        Status::StreamEnd => *complete = true,
        _ if read == 0 && written == 0 && !input.is_empty() => return Err(Damaged),
        _ => {}
    }
    Ok(written)
}
