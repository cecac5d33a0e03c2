use std::time::{Duration, Instant};

/// Between two pings.
pub const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a peer that answers pings may be silent.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long a peer of the base dialect may be silent.
pub const BASE_SILENCE: Duration = Duration::from_secs(90);
/// A timer that fires this late was not late: the whole process stood still.
const SUSPENDED: Duration = Duration::from_secs(5);

/// Whether the peer is still there.
///
/// A peer is dead when a ping has been unanswered *and* no byte at all has come for the length of the silence. The
/// caller reads everything readable, reports it with [`heard`](Self::heard), and only then asks
/// [`handle_timeout`](Self::handle_timeout); a process that was suspended starts the silence anew when it wakes, so
/// that waking kills nobody.
#[derive(Debug)]
pub struct Liveness {
    silence: Duration,
    next_ping: Instant,
    unanswered: Option<Instant>,
    last_heard: Instant,
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
        Self { silence, next_ping: now + PING_EVERY, unanswered: None, last_heard: now }
    }

    /// Sets how long the peer may be silent.
    pub fn set_silence(&mut self, silence: Duration) {
        self.silence = silence;
    }

    /// Some bytes came.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// The answer to a ping came.
    pub fn pong(&mut self, now: Instant) {
        self.last_heard = now;
        self.unanswered = None;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next of use.
    pub fn poll_timeout(&self) -> Instant {
        match self.deadline() {
            Some(deadline) => deadline.min(self.next_ping),
            None => self.next_ping,
        }
    }

    /// Judges, now that everything readable has been read.
    pub fn handle_timeout(&mut self, now: Instant) -> Verdict {
        if now >= self.poll_timeout() + SUSPENDED {
            self.last_heard = now;
            self.unanswered = self.unanswered.map(|_| now);
        }
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Verdict::Dead;
        }
        if now < self.next_ping {
            return Verdict::Wait;
        }
        self.next_ping = now + PING_EVERY;
        self.unanswered.get_or_insert(now);
        Verdict::Ping
    }

    fn deadline(&self) -> Option<Instant> {
        self.unanswered.map(|sent| sent.max(self.last_heard) + self.silence)
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
