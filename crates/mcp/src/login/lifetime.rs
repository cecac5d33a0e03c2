use std::time::{Duration, Instant};

/// How long before its end a token is renewed, at most.
const AHEAD: u64 = 60;

/// When a token ends, by both clocks: the wall clock stands still for nobody's sleep but can be set, and the monotonic
/// clock cannot be set but may stand still while the machine sleeps. A token has ended when either says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime(Option<Ends>);

#[derive(Clone, Copy, Debug)]
struct Ends {
    wall: u64,
    monotonic: Instant,
    ahead: u64,
    whole: u64,
}

/// How much life there is in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vigour {
    Good,
    /// Still good, but to be renewed now.
    Waning,
    Ended,
}

impl Lifetime {
    /// The lifetime of a token that was received then, for so many seconds, as it is found now.
    ///
    /// A token that seems to come from the future was received before the wall clock was set back: how old it is nobody
    /// knows, and it is given its whole life. The server has the last word.
    pub(crate) fn new(received_at: u64, expires_in: Option<u64>, wall: u64, monotonic: Instant) -> Self {
        let ends = expires_in.map(|seconds| {
            let left = seconds.saturating_sub(wall.saturating_sub(received_at));
            // A century is no different from for ever, and cannot overflow.
            let left = left.min(100 * 365 * 86_400);
            Ends {
                wall: wall + left,
                monotonic: monotonic + Duration::from_secs(left),
                ahead: AHEAD.min(seconds / 4),
                whole: seconds,
            }
        });
        Self(ends)
    }

    /// How long it was to live from the beginning.
    pub(crate) fn whole(&self) -> Option<Duration> {
        self.0.map(|ends| Duration::from_secs(ends.whole))
    }

    pub(crate) fn at(&self, wall: u64, monotonic: Instant) -> Vigour {
        let Some(ends) = &self.0 else { return Vigour::Good };
        let by_wall = ends.wall.saturating_sub(wall);
        // The last part of a second counts as one: a token is good to its end.
        let by_monotonic = ends.monotonic.saturating_duration_since(monotonic).as_millis().div_ceil(1000);
        let left = by_wall.min(u64::try_from(by_monotonic).unwrap_or(u64::MAX));
        match left {
            0 => Vigour::Ended,
            left if left <= ends.ahead => Vigour::Waning,
            _ => Vigour::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a token is renewed ahead of its end, and that it has ended when either clock says so.
    #[test]
    fn a_token_has_ended_when_either_clock_says_so() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let hour = Lifetime::new(10_000, Some(3600), 10_000, start);
        for (wall, monotonic, expected) in [
            (10_000, 0, Vigour::Good),
            (13_500, 3500, Vigour::Good),
            (13_540, 3540, Vigour::Waning),
            (13_600, 3600, Vigour::Ended),
            // The machine slept.
            (13_600, 5, Vigour::Ended),
            // The wall clock was set back, by a lot.
            (5, 3600, Vigour::Ended),
            (5, 5, Vigour::Good),
        ] {
            assert_eq!(hour.at(wall, after(monotonic)), expected, "{wall} {monotonic}");
        }
    }

    /// Proves that short lives are not spent on renewing, and that a life without an end has none.
    #[test]
    fn short_and_endless_lives_are_used() {
        let start = Instant::now();
        let short = Lifetime::new(0, Some(8), 0, start);
        assert_eq!(short.at(5, start), Vigour::Good);
        assert_eq!(short.at(6, start), Vigour::Waning);
        assert_eq!(Lifetime::new(0, Some(0), 0, start).at(0, start), Vigour::Ended);
        assert_eq!(Lifetime::new(0, Some(u64::MAX), 0, start).at(9, start), Vigour::Good);
        assert_eq!(Lifetime::new(0, None, 0, start).at(u64::MAX, start), Vigour::Good);
    }

    /// Proves that a stored token is as old as it is, and that one from the future gets its life and no more.
    #[test]
    fn a_stored_token_is_as_old_as_it_is() {
        let start = Instant::now();
        assert_eq!(Lifetime::new(1000, Some(100), 1100, start).at(1100, start), Vigour::Ended);
        let future = Lifetime::new(90_000, Some(100), 1000, start);
        assert_eq!(future.at(1000, start), Vigour::Good);
        assert_eq!(future.at(1100, start), Vigour::Ended);
    }
}
