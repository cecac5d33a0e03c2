//! What was measured, as Markdown for `docs/benchmarks.md`.

use super::{Beside, Load};
use crate::{machine::Facts, sample::percentile_ms};
use std::{fmt::Write as _, time::Duration};

/// How many times as long a call may take at the 99th percentile.
const WANTED: f64 = 2.0;

const HEAD: &str = "| beside | a call, p50 | p99 | | a session and a call, p99 | | not answered | executor's CPU | resident | p99 ≤ 2 × |
|---|---|---|---|---|---|---|---|---|---|
";

/// Each figure without and with who does harm, and how many times as much it is.
pub fn of(all: &[Beside], load: &Load, facts: &Facts) -> String {
    let Load { principals, every, time } = load;
    let mut text = facts.markdown();
    let _ = writeln!(
        text,
        "{principals} principals, a call of each every {every:?}, measured for {time:?}.\n\n{HEAD}"
    );
    text.truncate(text.trim_end().len());
    let mut failures = String::new();
    for Beside { way, without, with } in all {
        let pair = |of: &dyn Fn(&super::Measured) -> f64, digits: usize, unit: &str| {
            format!("{:.digits$} → {:.digits$} {unit}", of(without), of(with))
        };
        let p99 = |of: &[Duration]| percentile_ms(of, 0.99);
        let calls = p99(&with.calls) / p99(&without.calls);
        let beginnings = p99(&with.beginnings) / p99(&without.beginnings);
        let met = with.failures == 0 && calls <= WANTED && beginnings <= WANTED;
        let _ = write!(
            text,
            "\n| {} | {} | {} | {calls:.2} | {} | {beginnings:.2} | {} → {} | {} | {} | {} |",
            way.title(),
            pair(&|one| percentile_ms(&one.calls, 0.5), 2, "ms"),
            pair(&|one| p99(&one.calls), 2, "ms"),
            pair(&|one| p99(&one.beginnings), 2, "ms"),
            without.failures,
            with.failures,
            pair(&|one| one.cpu.as_secs_f64() / time.as_secs_f64() * 100.0, 0, "%"),
            pair(&|one| one.resident as f64 / 1e6, 0, "MB"),
            if met { "met" } else { "**missed**" },
        );
        if let Some(failure) = &with.failure {
            let _ = writeln!(failures, "- {}: {failure}", way.name());
        }
    }
    format!("{text}\n\n{failures}")
}
