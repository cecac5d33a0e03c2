use super::{flags::Flags, write_out::Facts};
use crate::ExitCode;
use std::time::{Duration, Instant, SystemTime};

/// The first wait, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// When a request is sent again, which is only ever done where `--retry` asks for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries {
    most: u32,
    delay: Option<Duration>,
    max_time: Option<Duration>,
    all_errors: bool,
    refused: bool,
}

/// The retries of one URL.
pub(crate) struct Course {
    begun: Instant,
    left: u32,
    next: Duration,
}

impl Retries {
    pub fn of(flags: &Flags) -> Self {
        Self {
            most: flags.retry.unwrap_or(0),
            delay: flags.retry_delay.filter(|delay| !delay.is_zero()),
            max_time: flags.retry_max_time.filter(|time| !time.is_zero()),
            all_errors: flags.retry_all_errors,
            refused: flags.retry_connrefused,
        }
    }

    pub fn begin(&self) -> Course {
        Course { begun: Instant::now(), left: self.most, next: self.delay.unwrap_or(FIRST) }
    }

    /// How long to wait before the request is sent again; `None`: it is not.
    pub fn wait(&self, course: &mut Course, code: ExitCode, facts: &Facts) -> Option<Duration> {
        let in_time = |more| self.max_time.is_none_or(|most| course.begun.elapsed() + more < most);
        if course.left == 0 || !self.asks_for(code, facts) || !in_time(Duration::ZERO) {
            return None;
        }
        let asked = facts.retry_after(SystemTime::now());
        let wait = asked.unwrap_or(course.next);
        if asked.is_some() && !in_time(wait) {
            return None;
        }
        course.left -= 1;
        if self.delay.is_none() {
            course.next = (course.next * 2).min(LONGEST);
        }
        Some(wait)
    }

    fn asks_for(&self, code: ExitCode, facts: &Facts) -> bool {
        let by_status = matches!(code, ExitCode::Success | ExitCode::HttpError)
            && matches!(facts.status(), 408 | 429 | 500 | 502 | 503 | 504);
        by_status
            || matches!(code, ExitCode::Timeout | ExitCode::Dns)
            || self.refused && code == ExitCode::Connect
            || self.all_errors
                && !matches!(code, ExitCode::Success | ExitCode::Interrupted | ExitCode::Terminated)
    }
}

impl Course {
    pub fn left(&self) -> u32 {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::{Head, Header};

    /// Proves after what a request is sent again, how long is waited, and when that ends.
    #[test]
    fn retries_wait_longer_each_time_and_end() {
        let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs());
        let facts = |status, fields| Facts { head: Some(Head::new(status, fields)), ..Facts::default() };
        let retries = Retries { most: 3, ..Retries::default() };
        let mut course = retries.begin();
        let mut wait = |code, facts: &Facts| seconds(retries.wait(&mut course, code, facts));
        assert_eq!(wait(ExitCode::Success, &facts(200, vec![])), None);
        assert_eq!(wait(ExitCode::Success, &facts(404, vec![])), None);
        assert_eq!(wait(ExitCode::Connect, &Facts::default()), None);
        assert_eq!(wait(ExitCode::Success, &facts(503, vec![])), Some(1));
        assert_eq!(wait(ExitCode::HttpError, &facts(429, vec![Header::new("Retry-After", "7")])), Some(7));
        assert_eq!(wait(ExitCode::Timeout, &Facts::default()), Some(4));
        assert_eq!(wait(ExitCode::Timeout, &Facts::default()), None);
        let retries = Retries { most: 1, max_time: Some(Duration::from_secs(5)), ..Retries::default() };
        let late = facts(503, vec![Header::new("Retry-After", "9")]);
        assert_eq!(retries.wait(&mut retries.begin(), ExitCode::Success, &late), None);
    }
}
