//! Medians, as Markdown for `docs/benchmarks.md`; every sample and figure, as JSON.

use crate::{
    Result,
    figure::{Figure, Side, Verdict},
    machine::Facts,
    medians::{Medians, Spread},
    sample::{Findings, Metric},
    scenario::Scenario,
    subject::Subject,
};
use serde::Serialize;
use std::{fmt::Write as _, fs, path::Path};

/// All that a run found out.
#[derive(Serialize)]
pub struct Report {
    facts: Facts,
    figures: Vec<Judged>,
    #[serde(flatten)]
    findings: Findings,
    #[serde(skip)]
    medians: Medians,
}

/// A figure of every side, and what came of what was wanted of it.
#[derive(Serialize)]
struct Judged {
    #[serde(skip)]
    figure: &'static Figure,
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    now: Option<Spread>,
    baseline: Option<Spread>,
    reference: Option<Spread>,
    direct: Option<Spread>,
    verdicts: Vec<Verdict>,
}

impl Judged {
    fn new(figure: &'static Figure, medians: &Medians) -> Self {
        let of = |side| figure.value(medians, side);
        Self {
            figure,
            name: figure.name,
            title: figure.title,
            unit: figure.unit,
            now: of(Side::Now),
            baseline: of(Side::Baseline),
            reference: of(Side::Reference),
            direct: of(Side::Direct),
            verdicts: figure.verdicts(medians),
        }
    }

    fn row(&self) -> String {
        let cell = |value: Option<Spread>| value.map_or_else(|| NOTHING.to_owned(), |of| self.spread(of));
        let ratio = |other: Option<Spread>| {
            let ratio = self.now.zip(other).map(|(now, other)| now.median / other.median);
            self::cell(ratio, 2, "")
        };
        let wanted: Vec<_> = self.verdicts.iter().map(Verdict::text).collect();
        let verdict = if self.verdicts.iter().any(|verdict| verdict.met == Some(false)) {
            "**missed**"
        } else if self.verdicts.iter().any(|verdict| verdict.met == Some(true)) {
            "met"
        } else {
            ""
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {verdict} |",
            self.title,
            cell(self.baseline),
            cell(self.now),
            ratio(self.baseline),
            cell(self.reference),
            ratio(self.reference),
            wanted.join("; ")
        )
    }

    /// `12.3 (11.9–13.0) µs`.
    fn spread(&self, of: Spread) -> String {
        let number = |value: f64| match self.figure.decimals {
            0 => grouped(Some(value)),
            decimals => format!("{value:.decimals$}"),
        };
        let noise = if of.least < of.greatest {
            format!(" ({}–{})", number(of.least), number(of.greatest))
        } else {
            String::new()
        };
        format!("{}{noise} {}", number(of.median), self.unit).trim_end().to_owned()
    }
}

impl Verdict {
    fn text(&self) -> String {
        match self.measured {
            Some(measured) if self.wanted.contains('×') => format!("{}: {measured:.2}", self.wanted),
            _ => self.wanted.clone(),
        }
    }
}

impl Report {
    /// Of these findings.
    pub fn new(facts: Facts, findings: Findings, figures: &[&'static Figure]) -> Self {
        let medians = Medians::new(&findings.samples);
        let figures = figures.iter().map(|figure| Judged::new(figure, &medians)).collect();
        Self { facts, figures, findings, medians }
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
        let mut text = self.facts.markdown();
        text.push_str(&calls_table(&self.medians));
        text.push_str(&memory_table(&self.medians));
        text.push_str(&self.figure_table());
        text
    }

    fn figure_table(&self) -> String {
        let mut rows = String::new();
        for judged in self.figures.iter().filter(|judged| judged.now.is_some()) {
            let _ = writeln!(rows, "{}", judged.row());
        }
        table("| figure | baseline | now | ratio | reference | ratio | wanted | |", &rows)
    }
}

impl Facts {
    /// In a sentence.
    pub fn markdown(&self) -> String {
        let reference = self.reference.as_ref().map_or_else(String::new, |version| {
            format!(" The reference is `codex exec-server` {version} with `--concurrent-requests 64`.")
        });
        let rounds = if self.rounds == 1 {
            "One round.".to_owned()
        } else {
            format!("Medians of {} rounds.", self.rounds)
        };
        let baseline = self
            .baseline
            .as_ref()
            .map_or_else(String::new, |revision| format!(" The baseline is {revision}."));
        format!(
            "`{}` on {} cores of {}, {} GiB, Linux {}, {}. {rounds}{baseline}{reference}\n\n",
            self.command, self.cores, self.cpu, self.memory_gib, self.kernel, self.rustc
        )
    }
}

fn calls_table(medians: &Medians) -> String {
    let mut rows = String::new();
    for (scenario, subject) in medians.measured().filter(|(scenario, _)| scenario.makes_calls()) {
        let number = |metric| medians.median(scenario, subject, metric);
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
            "| {} | {} | {rate} | {} | {} | {cpu} | {} | {} | {} |",
            scenario.title(),
            subject.name(),
            cell(number(Metric::P50Ms), 2, ""),
            cell(number(Metric::P99Ms), 2, ""),
            cell(number(Metric::ResidentMegabytes), 0, " MB"),
            cell(number(Metric::DriverCpuMicrosPerCall), 0, " µs/call"),
            cell(number(Metric::OriginCpuMicrosPerCall), 0, " µs/call"),
        );
    }
    let header = "| scenario | through | rate | p50, ms | p99, ms | executor CPU | resident after | driver CPU \
                  | origin CPU |";
    table(header, &rows)
}

fn memory_table(medians: &Medians) -> String {
    let mut rows = String::new();
    for subject in Subject::ALL {
        let number = |scenario, metric| medians.median(scenario, subject, metric);
        let numbers = [
            cell(number(Scenario::Rest, Metric::ResidentMegabytes), 1, " MB"),
            cell(number(Scenario::Idle, Metric::KilobytesEach), 1, " kB"),
            cell(number(Scenario::Rest, Metric::BinaryMegabytes), 1, " MB"),
        ];
        if numbers.iter().any(|cell| cell != NOTHING) {
            let _ = writeln!(rows, "| {} | {} |", subject.name(), numbers.join(" | "));
        }
    }
    table("| executor | resident at rest | for each silent SSE stream | binary |", &rows)
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

    /// Proves that large rates are readable.
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(Some(1_234_567.4)), "1,234,567");
        assert_eq!(grouped(Some(999.0)), "999");
    }
}
