use super::{Codec, Damaged};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};

/// The `br` encoding (RFC 7932).
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    total: usize,
    complete: bool,
}

impl Brotli {
    pub fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self { state: Box::new(BrotliState::new(alloc(), alloc(), alloc())), total: 0, complete: false }
    }
}

impl Codec for Brotli {
    fn decode(&mut self, input: &mut Bytes, output: &mut [u8]) -> Result<usize, Damaged> {
        if self.complete {
            input.clear();
            return Ok(0);
        }
        let (mut available_in, mut read) = (input.len(), 0);
        let (mut available_out, mut written) = (output.len(), 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut read,
            input,
            &mut available_out,
            &mut written,
            output,
            &mut self.total,
            &mut self.state,
        );
        input.advance(read);
        match result {
            BrotliResult::ResultFailure => Err(Damaged),
            BrotliResult::ResultSuccess => {
                self.complete = true;
                Ok(written)
            }
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(written),
        }
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
