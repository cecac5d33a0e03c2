use std::time::Duration;

/// How long to wait before the next attempt: 200 ms, doubling up to 60 s.
#[derive(Default)]
pub(super) struct Backoff(u32);

/// The shortest wait, which is all that a call has to wait for too.
pub(super) const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(60);

impl Backoff {
    pub fn next(&mut self) -> Duration {
        let wait = SHORTEST.saturating_mul(2u32.saturating_pow(self.0)).min(LONGEST);
        self.0 = self.0.saturating_add(1);
        wait
    }
}
