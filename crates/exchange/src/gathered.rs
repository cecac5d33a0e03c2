use crate::{Permit, Share};
use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Small pieces of a body, copied together while they are kept: single bytes must not take many times what they are. Counted
/// in a share, if there is one, as the pieces were that came.
#[derive(Default)]
pub struct Gathered {
    bytes: BytesMut,
    share: Option<Share>,
    permit: Option<Permit>,
}

impl Gathered {
    /// Nothing yet, to be counted here.
    pub fn new(share: Option<Share>) -> Self {
        Self { bytes: BytesMut::new(), share, permit: None }
    }

    /// How many bytes are in it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes it has memory for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Copies a piece to its end. What is here already is counted, whether or not there is room: whoever brings it sees to
    /// that.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        let length = self.bytes.len();
        match (&mut self.permit, &self.share) {
            (Some(permit), _) => permit.set(length),
            (None, Some(share)) => self.permit = Some(share.take_anyway(length)),
            (None, None) => {}
        }
    }

    /// Forgets its first bytes. Their memory goes with the last.
    pub fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    /// Takes out all of it, which stays counted.
    pub fn take(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes).freeze();
        match self.permit.take() {
            Some(permit) if !bytes.is_empty() => permit.hold(bytes),
            _ => bytes,
        }
    }

    /// Forgets everything, and keeps no memory for more.
    pub fn clear(&mut self) {
        (self.bytes, self.permit) = (BytesMut::new(), None);
    }
}

impl std::ops::Deref for Gathered {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gathered").field(&self.bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;

    /// Proves that pieces count while they are gathered, when they were taken out, and not once they are forgotten.
    #[test]
    fn gathered_pieces_count_until_they_are_forgotten() {
        let share = Budget::new(1000, 1).share();
        let mut gathered = Gathered::new(Some(share.clone()));
        (0..400).for_each(|_| gathered.push(b"x"));
        assert_eq!((share.used(), gathered.len()), (400, 400));
        gathered.advance(100);
        let taken = gathered.take();
        assert_eq!((share.used(), taken.len()), (300, 300));
        gathered.push(b"more");
        assert_eq!(share.used(), 304);
        gathered.clear();
        drop(taken);
        assert_eq!((share.used(), gathered.is_empty()), (0, true));
    }
}
