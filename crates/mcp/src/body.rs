//! Response bodies that are read into memory, never more of them than a limit.

use afield_exchange::{Error, ResponseBody};
use bytes::{Bytes, BytesMut};

/// Why a body is not there whole.
#[derive(Debug)]
pub(crate) enum Unread {
    TooLarge,
    Failed(Error),
}

/// The whole body, if it has at most `limit` bytes. One announced to be longer is not read at all.
pub(crate) async fn whole(
    mut body: ResponseBody,
    announced: Option<u64>,
    limit: usize,
) -> Result<Bytes, Unread> {
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Unread::TooLarge);
    }
    let mut read = Gathered::default();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(Unread::Failed)?;
        if piece.len() > limit - read.len() {
            return Err(Unread::TooLarge);
        }
        read.push(piece);
    }
    Ok(read.finish())
}

/// The first `limit` bytes of the body; what follows them is not read.
pub(crate) async fn prefix(mut body: ResponseBody, limit: usize) -> Result<Bytes, Error> {
    let mut read = Gathered::default();
    while read.len() < limit {
        let Some(piece) = body.next().await else { break };
        let mut piece = piece?;
        piece.truncate(limit - read.len());
        read.push(piece);
    }
    Ok(read.finish())
}

/// Pieces put together; a single one is not copied.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
