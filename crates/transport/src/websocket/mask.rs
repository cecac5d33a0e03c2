use ring::rand::{SecureRandom, SystemRandom};

const KEYS: usize = 64;

/// Masking keys (RFC 6455, section 5.3): unpredictable, fetched from the system many at a time.
pub(super) struct MaskKeys {
    pool: [u8; 4 * KEYS],
    used: usize,
}

impl MaskKeys {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { pool: [0; 4 * KEYS], used: 4 * KEYS })
    }

    pub(super) fn next(&mut self) -> [u8; 4] {
        if self.used == self.pool.len() {
            SystemRandom::new().fill(&mut self.pool).expect("the system's random source works");
            self.used = 0;
        }
        let key = [0, 1, 2, 3].map(|at| self.pool[self.used + at]);
        self.used += 4;
        key
    }
}

/// Masks or unmasks `bytes`, the first of which meets `key[0]`.
pub(super) fn apply(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u128::from_ne_bytes(std::array::from_fn(|at| key[at % 4]));
    let (blocks, rest) = bytes.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= key[at % 4];
    }
}

/// The key for what follows `count` bytes.
pub(super) fn advanced(mut key: [u8; 4], count: usize) -> [u8; 4] {
    key.rotate_left(count % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Proves that masking in pieces equals the definition of RFC 6455, section 5.3, byte by byte.
        #[test]
        fn masking_in_pieces_is_masking_byte_by_byte(bytes: Vec<u8>, key: [u8; 4], cut: prop::sample::Index) {
            let expected: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let mut masked = bytes.clone();
            let cut = cut.index(bytes.len() + 1);
            apply(&mut masked[..cut], key);
            apply(&mut masked[cut..], advanced(key, cut));
            prop_assert_eq!(masked, expected);
        }
    }

    /// Proves that keys are not handed out twice in a row, across a refill of the pool.
    #[test]
    fn keys_differ_from_frame_to_frame() {
        let mut keys = MaskKeys::new();
        let drawn: std::collections::HashSet<_> = (0..4 * KEYS).map(|_| keys.next()).collect();
        assert!(drawn.len() > 4 * KEYS - 3, "{} of {} differ", drawn.len(), 4 * KEYS);
    }
}
