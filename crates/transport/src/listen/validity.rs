use rustls_pki_types::CertificateDer;
use std::time::{Duration, SystemTime};
use x509_cert::{Certificate, der::Decode};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A warning is due when no more than this is left, or a third of a shorter life.
const AHEAD: Duration = Duration::from_secs(14 * 24 * 3600);

/// When a chain of certificates is good: all of them are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    from: SystemTime,
    until: SystemTime,
}

impl Validity {
    /// Reads it from a chain. `None` where that is not well-formed X.509, which the handshake will say.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let each = chain.iter().map(|certificate| {
            let validity = Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
            Some(Self {
                from: validity.not_before.to_system_time(),
                until: validity.not_after.to_system_time(),
            })
        });
        let both = |one: Option<Self>, other: Option<Self>| {
            let (one, other) = (one?, other?);
            Some(Self { from: one.from.max(other.from), until: one.until.min(other.until) })
        };
        each.reduce(both).flatten()
    }

    /// Whole days that are left at this time; once it has ended, a negative number: how many have begun since.
    pub fn days_left(&self, now: SystemTime) -> i64 {
        let days = |time: Duration| i64::try_from(time.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
        match self.until.duration_since(now) {
            Ok(left) => days(left),
            Err(ago) => -1 - days(ago.duration()),
        }
    }

    /// What is to be said at this time, whatever it is.
    pub fn told(&self, now: SystemTime) -> String {
        let left = self.until.duration_since(now).unwrap_or_default();
        self.warning(now).unwrap_or_else(|| format!("is good for {}", days(left)))
    }

    /// What is worth a word at this time: that it has ended, is about to, or has not begun.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        if let Ok(ago) = now.duration_since(self.until) {
            return Some(format!(
                "has expired {}: nobody who checks it connects any more; renew it",
                since(ago)
            ));
        }
        if let Ok(ahead) = self.from.duration_since(now)
            && !ahead.is_zero()
        {
            return Some(format!("is not valid before {} from now: is the clock right?", days(ahead)));
        }
        let left = self.until.duration_since(now).unwrap_or_default();
        let life = self.until.duration_since(self.from).unwrap_or_default();
        (left <= AHEAD.min(life / 3)).then(|| format!("expires in {}: renew it", days(left)))
    }
}

fn since(ago: Duration) -> String {
    if ago < DAY { "today".to_owned() } else { format!("{} ago", days(ago)) }
}

fn days(time: Duration) -> String {
    match time.as_secs() / DAY.as_secs() {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves when a certificate is worth a word, and what is said then (case 185).
    #[test]
    fn certificate_warns_ahead_of_its_end() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let year = Validity { from: start, until: start + DAY * 365 };
        let short = Validity { from: start, until: start + DAY * 3 };
        for (validity, day, expected) in [
            (year, 0, None),
            (year, 350, None),
            (year, 351, Some("expires in 14 days: renew it")),
            (year, 363, Some("expires in 2 days: renew it")),
            (year, 364, Some("expires in 1 day: renew it")),
            (short, 1, None),
            (short, 2, Some("expires in 1 day: renew it")),
            (year, 365, Some("has expired today: nobody who checks it connects any more; renew it")),
            (year, 370, Some("has expired 5 days ago: nobody who checks it connects any more; renew it")),
        ] {
            assert_eq!(validity.warning(start + DAY * day).as_deref(), expected, "day {day}");
        }
        let early = year.warning(start - DAY * 2);
        assert_eq!(early.as_deref(), Some("is not valid before 2 days from now: is the clock right?"));
        let late = year.warning(start + DAY * 365 - Duration::from_secs(60));
        assert_eq!(late.as_deref(), Some("expires in less than a day: renew it"));
    }
}
