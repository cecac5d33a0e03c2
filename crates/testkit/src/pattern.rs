//! Bytes that look random, are the same in every process, and tell where in a body they belong.

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const WORD: u64 = 8;
const CHUNK: u64 = 16 * 1024;

/// The `length` bytes of the pattern that start at `offset`.
///
/// A byte depends on its position alone, so that a body cut, shifted or with a piece repeated never passes for whole.
///
/// ```
/// use afield_testkit::pattern;
/// assert_eq!(pattern::bytes(5, 10), pattern::bytes(0, 100).slice(5..15));
/// ```
pub fn bytes(offset: u64, length: usize) -> Bytes {
    let lead = (offset % WORD) as usize;
    let mut out = BytesMut::with_capacity(lead + length + WORD as usize);
    let mut word = offset / WORD;
    while out.len() < lead + length {
        out.extend_from_slice(&mix(word).to_le_bytes());
        word += 1;
    }
    out.freeze().slice(lead..lead + length)
}

/// The lower-case hexadecimal SHA-256 of the first `length` bytes of the pattern: what `/bytes/length` answers.
pub fn sha256(length: u64) -> String {
    let mut hash = Sha256::new();
    let mut offset = 0;
    while let Some(piece) = chunk(offset, length) {
        offset += piece.len() as u64;
        hash.update(&piece);
    }
    hex(hash)
}

/// The lower-case hexadecimal SHA-256 of `data`.
pub fn sha256_of(data: impl AsRef<[u8]>) -> String {
    hex(Sha256::new_with_prefix(data))
}

/// The next piece of a body of `length` bytes at `offset`, `None` at its end.
pub(crate) fn chunk(offset: u64, length: u64) -> Option<Bytes> {
    let left = length.checked_sub(offset).filter(|left| *left > 0)?;
    Some(bytes(offset, left.min(CHUNK) as usize))
}

pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// SplitMix64's finalizer over the position of a word.
pub(crate) fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that pieces read at any offset join to the very bytes that the hash speaks of.
    #[test]
    fn pieces_join_to_the_hashed_whole() {
        let mut joined = Vec::new();
        for length in [1, 7, 8, 9, 1000, 16384, 20000] {
            joined.extend_from_slice(&bytes(joined.len() as u64, length));
        }
        assert_eq!(sha256_of(&joined), sha256(joined.len() as u64));
        assert_ne!(sha256_of(&joined[1..]), sha256(joined.len() as u64 - 1));
    }
}
