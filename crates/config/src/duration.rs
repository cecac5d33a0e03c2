use std::time::Duration;

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The longest that is taken: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What a duration in a file means: `30s`, `5m`, `250ms`, `1h30m`, or a number of seconds (`30`, `1.5`).
///
/// # Errors
///
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds);
    }
    let mut rest = text;
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        let part =
            number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
        millis = part.and_then(|part| millis.checked_add(part)).ok_or_else(wanted)?;
        rest = after;
    }
    if text.is_empty() {
        return Err(wanted());
    }
    within(Duration::from_millis(millis))
}

/// What a number of seconds means.
pub(crate) fn from_seconds(seconds: f64) -> Result<Duration, String> {
    within(Duration::try_from_secs_f64(seconds).map_err(|_| wanted())?)
}

fn within(duration: Duration) -> Result<Duration, String> {
    if duration > LONGEST { Err("more than a year".into()) } else { Ok(duration) }
}

fn wanted() -> String {
    "this is no duration".into()
}

/// A duration as a file would say it, exact to the millisecond.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, scale) in UNITS.iter().rev() {
        let scale = u128::from(*scale);
        if millis >= scale && millis.is_multiple_of(scale) {
            return format!("{}{unit}", millis / scale);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which durations are understood, and that nonsense is refused.
    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, millis) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("2", 2000),
            ("1.5", 1500),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for nonsense in [
            "",
            "s",
            "5 minutes",
            "-1s",
            "-1",
            "nan",
            "inf",
            "1e300",
            "99999999999999999999s",
            "2y",
            "3s5",
            "1000d",
        ] {
            assert!(parse_duration(nonsense).is_err(), "{nonsense}");
        }
    }

    /// Proves that what is written is read as the same.
    #[test]
    fn a_duration_survives_being_written() {
        for millis in [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
