use bytes::Bytes;
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line, in bytes.
const LONGEST: usize = 64 << 20;

/// Lines with something in them, of at most 64 MiB each.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new() }
    }

    /// The next line, without its end; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let piece = self.input.fill_buf().await?;
            let (take, is_end) = match memchr::memchr(b'\n', piece) {
                Some(at) => (at + 1, true),
                None => (piece.len(), piece.is_empty()),
            };
            if self.line.len() + take > LONGEST {
                let message = format!("a message is longer than {LONGEST} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            let is_over = piece.is_empty();
            self.line.extend_from_slice(&piece[..take]);
            self.input.consume(take);
            if !is_end {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let text = line.trim_ascii();
            if !text.is_empty() {
                return Ok(Some(Bytes::copy_from_slice(text)));
            }
            if is_over {
                return Ok(None);
            }
        }
    }
}
