//! Randomness that can be repeated.

use std::ops::Range;

/// What a test begins with where `AFIELD_SEED` does not say.
const USUAL: u64 = 0x2741_708d_05e2_8578;

/// The seed of one test: from `AFIELD_SEED` (decimal, hexadecimal after `0x`, or `random`) or, where that is not set, always
/// the same one, so that a run repeats the run before it. Dropped by a test that fails, it prints the line that repeats the run.
///
/// ```
/// let seed = afield_testkit::seed::Seed::from_env();
/// let mut rng = seed.rng();
/// assert!((5..9).contains(&rng.range(5..9)));
/// ```
#[derive(Debug)]
pub struct Seed(u64);

impl Seed {
    /// The seed for this run.
    ///
    /// # Panics
    ///
    /// When `AFIELD_SEED` is set and neither `random` nor a number of 64 bits.
    pub fn from_env() -> Self {
        let Ok(text) = std::env::var("AFIELD_SEED") else {
            return Self(USUAL);
        };
        if text == "random" {
            return Self(getrandom::u64().expect("the system has randomness"));
        }
        let parsed = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        Self(
            parsed.unwrap_or_else(|_| {
                panic!("AFIELD_SEED must be `random` or a number of 64 bits, not {text:?}")
            }),
        )
    }

    /// A seed given by the test.
    pub fn fixed(seed: u64) -> Self {
        Self(seed)
    }

    /// The number itself.
    pub fn value(&self) -> u64 {
        self.0
    }

    /// A generator that starts here.
    pub fn rng(&self) -> Rng {
        Rng::new(self.0)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat this run with AFIELD_SEED={:#x}", self.0);
        }
    }
}

/// A small, fast generator (SplitMix64): good for choosing what a test does next, for nothing else.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose numbers follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let word = self.0;
        self.0 = self.0.wrapping_add(1);
        crate::pattern::mix(word)
    }

    /// A number from `range`.
    ///
    /// # Panics
    ///
    /// When `range` is empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        assert!(!range.is_empty(), "{range:?} holds no number");
        range.start + self.next_u64() % (range.end - range.start)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.range(0..n) == 0
    }

    /// One of `items`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.range(0..items.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that one seed always gives one sequence, and another seed another.
    #[test]
    fn a_seed_repeats_its_numbers() {
        let numbers = |seed| std::iter::repeat_with(Seed::fixed(seed).rng_fn()).take(5).collect::<Vec<_>>();
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    impl Seed {
        fn rng_fn(&self) -> impl FnMut() -> u64 + use<> {
            let mut rng = self.rng();
            move || rng.next_u64()
        }
    }
}
