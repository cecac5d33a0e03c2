use std::time::{Duration, Instant};

/// Between two pings.
pub const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a peer that answers pings may be silent.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long a peer of the base dialect may be silent.
pub const BASE_SILENCE: Duration = Duration::from_secs(90);
/// How long a connection on which a request begins may be quiet before it is checked.
const QUIET: Duration = Duration::from_millis(500);
/// How long the answer to a check may take on a link that is not known to be slow.
const CHECK: Duration = Duration::from_secs(4);
/// What the slowest link carries that is worth waiting for, in bytes a second: a check may have to wait for what was written
/// before it.
const SLOWEST: u64 = 16 * 1024;
/// A timer that fires this late was not late: the whole process stood still.
const SUSPENDED: Duration = Duration::from_secs(5);

/// Whether the peer is still there.
///
/// A peer is dead when a ping has been unanswered *and* no byte at all has come for the length of the silence. The
/// caller reads everything readable, reports it with [`heard`](Self::heard), and only then asks
/// [`handle_timeout`](Self::handle_timeout); a process that was suspended starts the silence anew when it wakes, so
/// that waking kills nobody.
///
/// A connection on which something is [`asked`](Self::asked) is *checked* besides: when nothing has been heard for 0.5 s, a
/// ping goes out, and the peer is dead if no byte at all comes within 4 s. So a path that has died while nobody looked, as when
/// a laptop slept, is known within 5 s of the next request. A link that is slow and alive is given more: twice the longest
/// round trip that was seen on it, and one second for each 16 KiB that were written since a ping was last answered, which may
/// all be on their way before this one; never more than the silence.
#[derive(Debug)]
pub struct Liveness {
    silence: Duration,
    next_ping: Instant,
    /// The first ping that is unanswered.
    unanswered: Option<Sent>,
    last_heard: Instant,
    check: Check,
    answered: bool,
    slowest: Duration,
    /// Bytes that were written.
    written: u64,
    /// How many of them have certainly arrived.
    arrived: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    /// What was written before it, in bytes.
    behind: u64,
}

#[derive(Clone, Copy, Debug)]
enum Check {
    /// Nothing is to be checked.
    None,
    /// A ping is to go out then, if nothing is heard before.
    Due(Instant),
    /// A ping has gone out, and something has to be heard by then.
    Until(Instant),
}

/// What [`Liveness::handle_timeout`] wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Wait,
    /// Send a ping.
    Ping,
    /// The peer is gone.
    Dead,
}

impl Liveness {
    /// A connection that has just been made.
    pub fn new(now: Instant, silence: Duration) -> Self {
        Self {
            silence,
            next_ping: now + PING_EVERY,
            unanswered: None,
            last_heard: now,
            check: Check::None,
            answered: false,
            slowest: Duration::ZERO,
            written: 0,
            arrived: 0,
        }
    }

    /// Tells of a round trip that was seen before there were pings.
    #[must_use]
    pub fn with_round_trip(mut self, round_trip: Duration) -> Self {
        self.slowest = round_trip;
        self
    }

    /// Something is about to be written that wants an answer.
    pub fn asked(&mut self, now: Instant) {
        if matches!(self.check, Check::None) {
            self.check = Check::Due(now.max(self.last_heard + QUIET));
        }
    }

    /// Everything that was asked has been answered: a check that has not begun is not needed.
    pub fn settled(&mut self) {
        if let Check::Due(_) = self.check {
            self.check = Check::None;
        }
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Whether the peer has answered a ping.
    pub fn has_answered(&self) -> bool {
        self.answered
    }

    /// Sets how long the peer may be silent.
    pub fn set_silence(&mut self, silence: Duration) {
        self.silence = silence;
    }

    /// Some bytes came.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.check = match self.check {
            // Old bytes may have waited to be read while the process slept: they say nothing of the path as it is now.
            Check::Due(_) => Check::Due(now + QUIET),
            Check::None | Check::Until(_) => Check::None,
        };
    }

    /// The answer to a ping came.
    pub fn pong(&mut self, now: Instant) {
        if let Some(sent) = self.unanswered.take() {
            self.slowest = self.slowest.max(now.saturating_duration_since(sent.at));
            self.arrived = self.arrived.max(sent.behind);
        }
        self.answered = true;
        self.last_heard = now;
        self.check = Check::None;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Instant {
        let check = match self.check {
            Check::None => None,
            Check::Due(at) | Check::Until(at) => Some(at),
        };
        [self.deadline(), check].into_iter().flatten().fold(self.next_ping, Instant::min)
    }

    /// Whether a ping is to go out now to check the path, before anything else is written.
    pub fn is_check_due(&self, now: Instant) -> bool {
        matches!(self.check, Check::Due(due) if now >= due)
    }

    /// Judges, now that everything readable has been read.
    pub fn handle_timeout(&mut self, now: Instant) -> Verdict {
        if now >= self.poll_timeout() + SUSPENDED {
            self.last_heard = now;
            self.unanswered = self.unanswered.map(|sent| Sent { at: now, ..sent });
            if let Check::Until(_) = self.check {
                // What was asked before may be lost: it is asked again.
                self.check = Check::Due(now);
            }
        }
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Verdict::Dead;
        }
        match self.check {
            Check::Until(until) if now >= until => return Verdict::Dead,
            Check::Due(due) if now >= due => self.check = Check::Until(now + self.patience()),
            _ if now < self.next_ping => return Verdict::Wait,
            _ => {}
        }
        self.next_ping = now + PING_EVERY;
        self.unanswered.get_or_insert(Sent { at: now, behind: self.written });
        Verdict::Ping
    }

    /// How long the answer to a ping that goes out now may take.
    fn patience(&self) -> Duration {
        let underway = Duration::from_millis((self.written - self.arrived) * 1000 / SLOWEST);
        (CHECK.max(self.slowest * 2) + underway).min(self.silence)
    }

    fn deadline(&self) -> Option<Instant> {
        self.unanswered.map(|sent| sent.at.max(self.last_heard) + self.silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Runs the timers until the peer is dead, or for ten minutes; returns the second of death.
    fn death(
        liveness: &mut Liveness,
        start: Instant,
        mut on_ping: impl FnMut(&mut Liveness, Instant),
    ) -> Option<u64> {
        loop {
            let now = liveness.poll_timeout();
            if now > at(start, 600) {
                return None;
            }
            match liveness.handle_timeout(now) {
                Verdict::Dead => return Some((now - start).as_secs()),
                Verdict::Ping => on_ping(liveness, now),
                Verdict::Wait => {}
            }
        }
    }

    /// Proves that a silent peer dies one silence after its first unanswered ping, and not before.
    #[test]
    fn a_silent_peer_is_dead_after_the_silence() {
        let start = Instant::now();
        assert_eq!(death(&mut Liveness::new(start, SILENCE), start, |_, _| {}), Some(45));
        assert_eq!(death(&mut Liveness::new(start, BASE_SILENCE), start, |_, _| {}), Some(105));
    }

    /// Proves that either sign of life is enough: answers to pings, or any bytes without them.
    #[test]
    fn a_peer_that_gives_any_sign_lives() {
        let start = Instant::now();
        assert_eq!(death(&mut Liveness::new(start, SILENCE), start, Liveness::pong), None);
        assert_eq!(death(&mut Liveness::new(start, SILENCE), start, Liveness::heard), None);
    }

    /// Runs the timers from `start` on, on a peer that answers a ping after `round_trip`, or never. Returns after how many
    /// milliseconds it is dead, or `None` if it lives for ten minutes.
    fn checked(liveness: &mut Liveness, start: Instant, round_trip: Option<Duration>) -> Option<u128> {
        let mut answers: Vec<Instant> = Vec::new();
        loop {
            let due = liveness.poll_timeout();
            let answer = answers.first().copied().filter(|answer| *answer <= due);
            let now = answer.unwrap_or(due);
            if now > at(start, 600) {
                return None;
            }
            if answer.is_some() {
                answers.remove(0);
                liveness.pong(now);
                continue;
            }
            match liveness.handle_timeout(now) {
                Verdict::Dead => return Some((now - start).as_millis()),
                Verdict::Ping => answers.extend(round_trip.map(|round_trip| now + round_trip)),
                Verdict::Wait => {}
            }
        }
    }

    /// Proves that a path that is dead when something is asked is known within 5 s, whether it was quiet for long or something
    /// was heard just before (case 152).
    #[test]
    fn request_on_dead_path_is_known_within_five_seconds() {
        let start = Instant::now();
        for (quiet, known) in [(10, 4000), (0, 4500)] {
            let mut liveness = Liveness::new(start, SILENCE);
            let asked = at(start, quiet);
            liveness.asked(asked);
            assert_eq!(checked(&mut liveness, asked, None), Some(known));
        }
    }

    /// Proves that what is read after a request began puts its check off and does not end it: it may have waited to be read
    /// since before the path died.
    #[test]
    fn old_bytes_put_check_off() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start, SILENCE);
        let asked = at(start, 10);
        liveness.asked(asked);
        liveness.heard(asked);
        assert_eq!(checked(&mut liveness, asked, None), Some(4500));
    }

    /// Proves that a peer that gives any sign in time lives, request after request, and that one ping checks all requests of
    /// a moment.
    #[test]
    fn checked_peer_that_gives_any_sign_lives() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start, SILENCE);
        let asked = at(start, 10);
        for _ in 0..100 {
            liveness.asked(asked);
        }
        assert_eq!(liveness.handle_timeout(asked), Verdict::Ping);
        assert_eq!(liveness.handle_timeout(asked), Verdict::Wait);
        liveness.heard(asked + Duration::from_millis(3999));
        assert_eq!(liveness.handle_timeout(at(start, 14)), Verdict::Wait);
        assert_eq!(checked(&mut liveness, at(start, 14), Some(Duration::from_millis(100))), None);
    }

    /// Proves that a slow link is not taken for a dead one: a long round trip, known from the beginning of the session or from
    /// a ping, and much that was written before the check; and that a dead one is known within the silence all the same
    /// (case 152).
    #[test]
    fn slow_link_is_not_dead() {
        let start = Instant::now();
        let slow = Duration::from_secs(7);
        let mut liveness = Liveness::new(start, SILENCE).with_round_trip(slow);
        liveness.asked(start);
        assert_eq!(checked(&mut liveness, start, Some(slow * 19 / 10)), None);

        let written = |bytes: u64| {
            let mut liveness = Liveness::new(start, SILENCE);
            liveness.wrote(bytes);
            liveness.asked(at(start, 10));
            liveness
        };
        let round_trip = Some(Duration::from_millis(13_900));
        assert_eq!(checked(&mut written(160 * 1024), at(start, 10), round_trip), None);
        assert_eq!(checked(&mut written(160 * 1024), at(start, 10), None), Some(14_000));
        assert_eq!(checked(&mut written(1 << 30), at(start, 10), None), Some(30_000));

        let mut liveness = Liveness::new(start, SILENCE);
        assert_eq!(liveness.handle_timeout(at(start, 15)), Verdict::Ping);
        liveness.pong(at(start, 20));
        liveness.asked(at(start, 25));
        assert_eq!(checked(&mut liveness, at(start, 25), None), Some(10_000), "twice 5 s");
    }

    /// Proves that a process that stood still during a check asks again, and does not kill its peer for that.
    #[test]
    fn check_is_repeated_after_suspend() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start, SILENCE);
        let asked = at(start, 10);
        liveness.asked(asked);
        assert_eq!(liveness.handle_timeout(asked), Verdict::Ping);
        let woken = at(start, 3600);
        assert_eq!(liveness.handle_timeout(woken), Verdict::Ping);
        assert_eq!(checked(&mut liveness, woken, None), Some(4000));
    }

    /// Proves that a process that stood still for an hour gives its peer a whole silence to answer in.
    #[test]
    fn waking_from_a_suspend_kills_nobody() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start, SILENCE);
        assert_eq!(liveness.handle_timeout(at(start, 15)), Verdict::Ping);
        assert_ne!(liveness.handle_timeout(at(start, 3600)), Verdict::Dead);
        let woken = at(start, 3600);
        assert_eq!(death(&mut liveness, woken, |_, _| {}), Some(30));
    }
}
