//! Medians, as Markdown for `docs/benchmarks.md`; every sample, as JSON.

use crate::{
    Result,
    machine::Facts,
    sample::{Findings, Metric, Sample},
    scenario::Scenario,
    subject::Subject,
    wanted,
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

/// All that a run found out.
#[derive(Serialize)]
pub struct Report {
    facts: Facts,
    #[serde(flatten)]
    findings: Findings,
}

/// The median of each number over the rounds.
pub struct Medians(BTreeMap<(Scenario, Subject), BTreeMap<Metric, f64>>);

impl Medians {
    fn new(samples: &[Sample]) -> Self {
        let mut all: BTreeMap<_, BTreeMap<_, Vec<f64>>> = BTreeMap::new();
        for sample in samples {
            let numbers = all.entry((sample.scenario, sample.subject)).or_default();
            for (&metric, &value) in &sample.metrics.0 {
                numbers.entry(metric).or_default().push(value);
            }
        }
        let medians = |numbers: BTreeMap<_, Vec<f64>>| {
            numbers.into_iter().map(|(metric, values)| (metric, median(values))).collect()
        };
        Self(all.into_iter().map(|(key, numbers)| (key, medians(numbers))).collect())
    }

    /// One of them, if it was measured.
    pub fn get(&self, scenario: Scenario, subject: Subject, metric: Metric) -> Option<f64> {
        self.0.get(&(scenario, subject))?.get(&metric).copied()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

impl Report {
    /// Of these findings.
    pub fn new(facts: Facts, findings: Findings) -> Self {
        Self { facts, findings }
    }

    /// What went wrong, if anything did.
    pub fn failures(&self) -> Result<()> {
        let lines = self.findings.failures.iter().map(|failure| {
            let (scenario, subject) = (failure.scenario.name(), failure.subject.name());
            format!("round {}: {scenario} {subject}: {}", failure.round, failure.why)
        });
        let lines: Vec<_> = lines.collect();
        if lines.is_empty() { Ok(()) } else { Err(format!("samples failed\n{}", lines.join("\n")).into()) }
    }

    /// Writes every number to `path`.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }

    /// The tables.
    pub fn markdown(&self) -> String {
        let medians = Medians::new(&self.findings.samples);
        let mut text = self.facts.markdown();
        text.push_str(&calls_table(&medians));
        text.push_str(&memory_table(&medians));
        text.push_str(&wanted_table(&medians));
        text
    }
}

impl Facts {
    fn markdown(&self) -> String {
        let reference = self.reference.as_ref().map_or_else(String::new, |version| {
            format!(" The reference is `codex exec-server` {version} with `--concurrent-requests 64`.")
        });
        let rounds = if self.rounds == 1 {
            "One round.".to_owned()
        } else {
            format!("Medians of {} rounds.", self.rounds)
        };
        format!(
            "`{}` on {} cores of {}, {} GiB, Linux {}, {}. {rounds}{reference}\n\n",
            self.command, self.cores, self.cpu, self.memory_gib, self.kernel, self.rustc
        )
    }
}

fn calls_table(medians: &Medians) -> String {
    let mut rows = String::new();
    for ((scenario, subject), numbers) in &medians.0 {
        if !scenario.makes_calls() {
            continue;
        }
        let number = |metric: Metric| numbers.get(&metric).copied();
        let rate = match number(Metric::MegabytesPerSecond) {
            Some(rate) => format!("{rate:.0} MB/s"),
            None => format!("{} calls/s", grouped(number(Metric::CallsPerSecond))),
        };
        let cpu = match number(Metric::CpuMillisPerMegabyte) {
            Some(cpu) => format!("{cpu:.2} ms/MB"),
            None => cell(number(Metric::CpuMicrosPerCall), 0, " µs/call"),
        };
        let _ = writeln!(
            rows,
            "| {} | {} | {rate} | {} | {} | {cpu} | {} | {} |",
            scenario.title(),
            subject.name(),
            cell(number(Metric::P50Ms), 2, ""),
            cell(number(Metric::P99Ms), 2, ""),
            cell(number(Metric::ResidentMegabytes), 0, " MB"),
            cell(number(Metric::DriverCpuMicrosPerCall), 0, " µs/call"),
        );
    }
    table(
        "| scenario | through | rate | p50, ms | p99, ms | executor CPU | resident after | driver CPU |",
        &rows,
    )
}

fn memory_table(medians: &Medians) -> String {
    let mut rows = String::new();
    for subject in Subject::ALL {
        let number = |scenario, metric| medians.get(scenario, subject, metric);
        let numbers = [
            cell(number(Scenario::Rest, Metric::ResidentMegabytes), 1, " MB"),
            cell(number(Scenario::Idle, Metric::KilobytesPerStream), 1, " kB"),
            cell(number(Scenario::Rest, Metric::BinaryMegabytes), 1, " MB"),
        ];
        if numbers.iter().any(|cell| cell != NOTHING) {
            let _ = writeln!(rows, "| {} | {} |", subject.name(), numbers.join(" | "));
        }
    }
    table("| executor | resident at rest | for each silent SSE stream | binary |", &rows)
}

fn wanted_table(medians: &Medians) -> String {
    let mut rows = String::new();
    for verdict in wanted::verdicts(medians) {
        if let Some((measured, met)) = verdict.measured {
            let met = if met { "met" } else { "**missed**" };
            let _ = writeln!(rows, "| {} | {} | {measured} | {met} |", verdict.what, verdict.wanted);
        }
    }
    table("| promise | wanted | measured | |", &rows)
}

const NOTHING: &str = "–";

fn cell(value: Option<f64>, decimals: usize, unit: &str) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.decimals$}{unit}"))
}

/// Thousands apart: `12,345`.
fn grouped(value: Option<f64>) -> String {
    let digits = format!("{:.0}", value.unwrap_or_default());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn table(header: &str, rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = header.matches('|').count() - 1;
    format!("{header}\n|{}\n{rows}\n", "---|".repeat(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that one wild round does not move the printed number.
    #[test]
    fn a_median_ignores_the_outlier() {
        assert_eq!(median(vec![9000.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    /// Proves that large rates are readable.
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(Some(1_234_567.4)), "1,234,567");
        assert_eq!(grouped(Some(999.0)), "999");
    }
}
