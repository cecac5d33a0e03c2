use super::{Codec, Damaged};
use bytes::{Buf, Bytes};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// The largest window: 8 MiB, which RFC 9659 lets every sender keep to.
const WINDOW_LOG: u32 = 23;

/// The `zstd` encoding (RFC 8878), of one or more frames.
pub(super) struct Zstd {
    context: DCtx<'static>,
    complete: bool,
}

impl Zstd {
    /// `None`: out of memory.
    pub fn new() -> Option<Self> {
        let mut context = DCtx::try_create()?;
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).ok()?;
        Some(Self { context, complete: false })
    }
}

impl Codec for Zstd {
    fn decode(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Damaged> {
        if input.is_empty() && self.complete {
            return Ok(0);
        }
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(output);
        // Zero: a frame has ended and all of it is in the output.
        let left = self.context.decompress_stream(&mut to, &mut from).map_err(|_| Damaged)?;
        let (read, written) = (from.pos(), to.pos());
        if read > 0 || written > 0 {
            self.complete = left == 0;
        }
        input.advance(read);
        Ok(written)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
