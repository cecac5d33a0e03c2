use std::time::Duration;

/// Waits between attempts: 100 ms doubling up to 5 s, each with jitter, so that many clients of one executor that comes
/// back do not come all at the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

const FIRST: Duration = Duration::from_millis(100);
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

impl Backoff {
    /// How often there was something to wait for.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long to wait before the next attempt.
    pub fn next(&mut self) -> Duration {
        let doublings = self.attempts;
        self.attempts = doublings.saturating_add(1);
        let full = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST);
        jittered(full)
    }
}

/// Between half and all of this time, so that clients who wait together do not come together.
fn jittered(full: Duration) -> Duration {
    full / 2 + anywhere_up_to(full) / 2
}

/// Between nothing and all of this time, so that clients who have come together do not come so again.
pub(super) fn anywhere_up_to(full: Duration) -> Duration {
    full.mul_f64(f64::from(random()) / f64::from(u32::MAX))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter, which is no reason to fail.
    let _ = getrandom::fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that attempts wait between half and all of a doubling time, at most 5 s.
    #[test]
    fn waits_double_with_jitter_up_to_five_seconds() {
        let mut backoff = Backoff::default();
        for full in [100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis) {
            let wait = backoff.next();
            assert!(wait >= full / 2 && wait <= full, "{wait:?} of {full:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= LONGEST);
        }
    }
}
