use std::time::Duration;
use tokio::time::Instant;

/// How long a new session has to last for the next one to be begun at once.
const LASTING: Duration = Duration::from_secs(60);
/// How long after the beginning of one that did not last the next may be begun, at first and at most.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// When a session may be begun in place of a lost one: the first at once, and those that follow soon after it at ever
/// longer intervals. A server that forgets each session is asked for few, however many messages ask for one.
#[derive(Debug, Default)]
pub(super) struct Pace {
    begun: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// How long to wait before a session may be begun.
    pub fn wait(&self, now: Instant) -> Duration {
        let Some(begun) = self.begun else { return Duration::ZERO };
        (begun + self.pause).saturating_duration_since(now)
    }

    /// One is begun.
    pub fn begin(&mut self, now: Instant) {
        // Measured from when it could have been replaced: one that had to wait for its turn did not last for that.
        let since = |begun| now.saturating_duration_since(begun) >= self.pause + LASTING;
        let lasted = self.begun.is_none_or(since);
        self.pause = if lasted { SHORTEST } else { (self.pause * 2).min(LONGEST) };
        self.begun = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that sessions which do not last are begun at ever longer intervals, and one that lasted is replaced at once
    /// (case 168).
    #[test]
    fn sessions_that_do_not_last_are_begun_ever_more_seldom() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.wait(at(0.0)), Duration::ZERO);
        pace.begin(at(0.0));
        assert_eq!(pace.wait(at(0.25)), Duration::from_millis(750));
        pace.begin(at(1.0));
        assert_eq!(pace.wait(at(1.0)), Duration::from_secs(2));
        let mut now = 1.0;
        let mut count = 0;
        while now < 600.0 {
            now += pace.wait(at(now)).as_secs_f64().max(0.01);
            pace.begin(at(now));
            count += 1;
        }
        assert!(count < 20, "{count} in ten minutes");
        pace.begin(at(now + 200.0));
        assert_eq!(pace.wait(at(now + 201.0)), Duration::ZERO);
    }
}
