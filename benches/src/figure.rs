//! The figures that afield is held to, and what is wanted of each.

use crate::{
    medians::{Medians, Spread},
    sample::Metric,
    scenario::Scenario::{self, *},
    subject::Subject,
};
use serde::Serialize;

/// One number that is compared and judged.
#[derive(Debug)]
pub struct Figure {
    /// Its name on the command line and in JSON.
    pub name: &'static str,
    /// What it is, in a table.
    pub title: &'static str,
    pub unit: &'static str,
    pub decimals: usize,
    pub of: Of,
    pub wants: &'static [Want],
}

/// How a figure comes from samples.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// A metric as it is.
    Plain(Scenario, Metric, Dialect),
    /// The median latency beyond that of direct calls.
    Added(Scenario, Dialect),
    /// A metric in afield/1, as a multiple of the same metric in the second scenario.
    Ratio(Scenario, Scenario, Metric),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Base,
    Own,
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Now,
    Baseline,
    Reference,
    Direct,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// Of the figure as a multiple of this one's; or of the figure itself.
    pub against: Option<Side>,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A want, and what came of it.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub wanted: String,
    /// The figure or the multiple; `None` where something for it was not measured.
    pub measured: Option<f64>,
    pub met: Option<bool>,
}

impl Side {
    fn subject(self, dialect: Dialect) -> Subject {
        match (self, dialect) {
            (Self::Now, Dialect::Base) => Subject::Afield,
            (Self::Now, Dialect::Own) => Subject::Client,
            (Self::Baseline, Dialect::Base) => Subject::Baseline,
            (Self::Baseline, Dialect::Own) => Subject::BaselineClient,
            // It has one dialect.
            (Self::Reference, _) => Subject::Reference,
            (Self::Direct, _) => Subject::Direct,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Baseline => "baseline",
            Self::Reference => "reference",
            Self::Direct => "direct",
        }
    }
}

impl Of {
    /// The scenarios it takes.
    pub fn scenarios(self) -> [Option<Scenario>; 2] {
        match self {
            Self::Plain(scenario, ..) | Self::Added(scenario, _) => [Some(scenario), None],
            Self::Ratio(one, other, _) => [Some(one), Some(other)],
        }
    }
}

impl Bound {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl Want {
    fn text(&self, unit: &str) -> String {
        let (sign, number) = match self.bound {
            Bound::AtLeast(least) => ("≥", least),
            Bound::AtMost(most) => ("≤", most),
        };
        match self.against {
            Some(side) => format!("{sign} {number} × {}", side.name()),
            None => format!("{sign} {number} {unit}").trim_end().to_owned(),
        }
    }
}

impl Figure {
    /// The figure of one side, with the least and the greatest over the rounds.
    pub fn value(&self, medians: &Medians, side: Side) -> Option<Spread> {
        match self.of {
            Of::Plain(scenario, metric, dialect) => medians.get(scenario, side.subject(dialect), metric),
            Of::Added(scenario, dialect) => {
                let direct = medians.get(scenario, Subject::Direct, Metric::P50Ms)?.median;
                let whole = medians.get(scenario, side.subject(dialect), Metric::P50Ms)?;
                (side != Side::Direct).then(|| whole.map(|p50| p50 - direct))
            }
            Of::Ratio(one, other, metric) => {
                let subject = side.subject(Dialect::Own);
                let divisor = medians.get(other, subject, metric)?.median;
                Some(medians.get(one, subject, metric)?.map(|value| value / divisor))
            }
        }
    }

    /// Every want, judged.
    pub fn verdicts(&self, medians: &Medians) -> Vec<Verdict> {
        let judge = |want: &Want| {
            let now = self.value(medians, Side::Now);
            let measured = now.and_then(|now| match want.against {
                Some(side) => Some(now.median / self.value(medians, side)?.median),
                None => Some(now.median),
            });
            let met = measured.map(|value| want.bound.is_met(value));
            Verdict { wanted: want.text(self.unit), measured, met }
        };
        self.wants.iter().map(judge).collect()
    }
}

const fn of_baseline(bound: Bound) -> Want {
    Want { against: Some(Side::Baseline), bound }
}

const fn of_reference(bound: Bound) -> Want {
    Want { against: Some(Side::Reference), bound }
}

const fn of_direct(bound: Bound) -> Want {
    Want { against: Some(Side::Direct), bound }
}

const fn itself(bound: Bound) -> Want {
    Want { against: None, bound }
}

use Bound::{AtLeast, AtMost};
use Dialect::{Base, Own};
use Of::{Added, Plain, Ratio};

const CPU_BASE: &[Want] = &[of_baseline(AtMost(0.55)), of_reference(AtMost(0.4))];
const CPU_OWN: &[Want] = &[of_baseline(AtMost(0.55))];
const RATE_BASE: &[Want] = &[of_baseline(AtLeast(1.5)), of_reference(AtLeast(2.2))];
const RATE_OWN: &[Want] = &[of_baseline(AtLeast(1.5)), of_direct(AtLeast(0.45))];
const ADDED: &[Want] = &[of_baseline(AtMost(0.65))];
const SILENT: &[Want] = &[of_baseline(AtMost(0.6))];
const UPLOAD: &[Want] = &[of_baseline(AtLeast(1.5))];
/// Of a rate, as the number of connections or origins grows.
const STEADY: &[Want] = &[itself(AtLeast(0.75))];
/// Of the memory for each, as their number grows.
const LINEAR: &[Want] = &[itself(AtMost(1.25))];

macro_rules! figures {
    ($($name:literal, $title:literal, $unit:literal, $decimals:literal, $of:expr, $wants:expr;)*) => {
        /// All, in the order of the report.
        pub const FIGURES: &[Figure] = &[$(Figure {
            name: $name, title: $title, unit: $unit, decimals: $decimals, of: $of, wants: $wants,
        }),*];
    };
}

figures! {
    "cpu-buffered-base", "CPU of a buffered call, 32 at a time, base", "µs", 1,
        Plain(BufferedC32, Metric::CpuMicrosPerCall, Base), CPU_BASE;
    "cpu-buffered", "CPU of a buffered call, 32 at a time, afield/1", "µs", 1,
        Plain(BufferedC32, Metric::CpuMicrosPerCall, Own), CPU_OWN;
    "cpu-streamed-base", "CPU of a streamed call, 32 at a time, base", "µs", 1,
        Plain(StreamedC32, Metric::CpuMicrosPerCall, Base), CPU_BASE;
    "cpu-streamed", "CPU of a streamed call, 32 at a time, afield/1", "µs", 1,
        Plain(StreamedC32, Metric::CpuMicrosPerCall, Own), CPU_OWN;
    "rate-buffered-base", "buffered calls, 32 at a time, base", "/s", 0,
        Plain(BufferedC32, Metric::CallsPerSecond, Base), RATE_BASE;
    "rate-buffered", "buffered calls, 32 at a time, afield/1", "/s", 0,
        Plain(BufferedC32, Metric::CallsPerSecond, Own), RATE_OWN;
    "rate-streamed-base", "streamed calls, 32 at a time, base", "/s", 0,
        Plain(StreamedC32, Metric::CallsPerSecond, Base), RATE_BASE;
    "rate-streamed", "streamed calls, 32 at a time, afield/1", "/s", 0,
        Plain(StreamedC32, Metric::CallsPerSecond, Own), RATE_OWN;
    "added-buffered-base", "added to a buffered call, p50, base", "ms", 3,
        Added(BufferedC1, Base), ADDED;
    "added-buffered", "added to a buffered call, p50, afield/1", "ms", 3,
        Added(BufferedC1, Own), &[of_baseline(AtMost(0.65)), itself(AtMost(0.09))];
    "added-streamed-base", "added to a streamed call, p50, base", "ms", 3,
        Added(StreamedC1, Base), ADDED;
    "added-streamed", "added to a streamed call, p50, afield/1", "ms", 3,
        Added(StreamedC1, Own), ADDED;
    "latency-streamed-base", "streamed call, p50 to the terminal frame, base", "ms", 3,
        Plain(StreamedC1, Metric::P50Ms, Base), &[itself(AtMost(0.4))];
    "silent-base", "resident for each silent event stream, base", "kB", 1,
        Plain(Idle, Metric::KilobytesEach, Base), &[of_baseline(AtMost(0.6)), itself(AtMost(24.0))];
    "silent", "resident for each silent event stream, afield/1", "kB", 1,
        Plain(Idle, Metric::KilobytesEach, Own), SILENT;
    // "No more than today", with room for what differs from start to start.
    "rest-memory", "resident at rest", "MB", 2,
        Plain(Rest, Metric::ResidentMegabytes, Base), &[of_baseline(AtMost(1.02)), itself(AtMost(15.0))];
    "binary", "release binary", "MB", 2,
        Plain(Rest, Metric::BinaryMegabytes, Base), &[itself(AtMost(20.0))];
    "upload-rate-base", "uploads of 4 MiB, base", "MB/s", 0,
        Plain(Upload, Metric::MegabytesPerSecond, Base), UPLOAD;
    "upload-rate", "uploads of 4 MiB, afield/1", "MB/s", 0,
        Plain(Upload, Metric::MegabytesPerSecond, Own), &[of_baseline(AtLeast(1.5)), of_direct(AtLeast(0.4))];
    "bulk-1-rate", "one large stream, afield/1", "MB/s", 0,
        Plain(Bulk1, Metric::MegabytesPerSecond, Own), &[of_direct(AtLeast(0.8))];
    "bulk-4-rate-base", "four large streams, base", "MB/s", 0,
        Plain(Bulk4, Metric::MegabytesPerSecond, Base), &[of_reference(AtLeast(2.0))];
    "crowd-rate", "a hundred streams, afield/1", "MB/s", 0,
        Plain(Crowd, Metric::MegabytesPerSecond, Own), &[of_baseline(AtLeast(1.6))];
    "stalled-rate", "the same beside one never read, to without it", "", 2,
        Ratio(Stalled, Crowd, Metric::MegabytesPerSecond), &[itself(AtLeast(0.9))];
    "stalled-memory", "resident then, to without it", "", 2,
        Ratio(Stalled, Crowd, Metric::ResidentMegabytes), &[itself(AtMost(1.1))];
    "rate-100-connections", "rate of 100 connections, to that of 1", "", 2,
        Ratio(Connections100, Connections1, Metric::CallsPerSecond), STEADY;
    "rate-1000-connections", "rate of 1,000 connections, to that of 1", "", 2,
        Ratio(Connections1000, Connections1, Metric::CallsPerSecond), STEADY;
    "rate-connections-growth", "rate of 1,000 connections, to that of 100", "", 2,
        Ratio(Connections1000, Connections100, Metric::CallsPerSecond), STEADY;
    "memory-connections", "resident for each of 1,000 connections", "kB", 1,
        Plain(Connections1000, Metric::KilobytesEach, Own), &[];
    "memory-connections-growth", "the same, to that for each of 100", "", 2,
        Ratio(Connections1000, Connections100, Metric::KilobytesEach), LINEAR;
    "rate-100-origins", "rate over 100 origins, to that of 1", "", 2,
        Ratio(Origins100, Origins1, Metric::CallsPerSecond), STEADY;
    "rate-1000-origins", "rate over 1,000 origins, to that of 1", "", 2,
        Ratio(Origins1000, Origins1, Metric::CallsPerSecond), STEADY;
    "rate-origins-growth", "rate over 1,000 origins, to that of 100", "", 2,
        Ratio(Origins1000, Origins100, Metric::CallsPerSecond), STEADY;
    "memory-origins", "resident for each of 1,000 origins", "kB", 1,
        Plain(Origins1000, Metric::KilobytesEach, Own), &[];
    "memory-origins-growth", "the same, to that for each of 100", "", 2,
        Ratio(Origins1000, Origins100, Metric::KilobytesEach), LINEAR;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Metrics, Sample};

    fn sample(subject: Subject, scenario: Scenario, metric: Metric, value: f64) -> Sample {
        Sample { round: 1, scenario, subject, metrics: Metrics([(metric, value)].into()) }
    }

    fn figure(name: &str) -> &'static Figure {
        FIGURES.iter().find(|figure| figure.name == name).unwrap()
    }

    /// Proves that a figure is judged by its multiple of each other side, and not where that side was not measured.
    #[test]
    fn figure_is_judged_against_each_side_measured() {
        let cpu = |subject, value| sample(subject, BufferedC32, Metric::CpuMicrosPerCall, value);
        let medians = Medians::new(&[cpu(Subject::Afield, 20.0), cpu(Subject::Baseline, 40.0)]);
        let verdicts = figure("cpu-buffered-base").verdicts(&medians);
        assert_eq!((verdicts[0].measured, verdicts[0].met), (Some(0.5), Some(true)));
        assert_eq!((verdicts[1].measured, verdicts[1].met), (None, None));
        let medians = Medians::new(&[cpu(Subject::Afield, 20.0), cpu(Subject::Reference, 40.0)]);
        let verdicts = figure("cpu-buffered-base").verdicts(&medians);
        assert_eq!((verdicts[1].measured, verdicts[1].met), (Some(0.5), Some(false)));
    }

    /// Proves that added latency is what is beyond the direct call's.
    #[test]
    fn added_latency_excludes_the_direct_call() {
        let p50 = |subject, value| sample(subject, BufferedC1, Metric::P50Ms, value);
        let medians = Medians::new(&[
            p50(Subject::Direct, 0.25),
            p50(Subject::Client, 0.5),
            p50(Subject::BaselineClient, 0.75),
        ]);
        let added = figure("added-buffered");
        assert_eq!(added.value(&medians, Side::Now).map(|spread| spread.median), Some(0.25));
        assert_eq!(added.verdicts(&medians)[0].measured, Some(0.5));
    }

    /// Proves that names tell figures and scenarios apart: `--only` takes either.
    #[test]
    fn names_of_figures_and_scenarios_are_unique() {
        let mut names: Vec<_> = FIGURES.iter().map(|figure| figure.name).collect();
        names.extend(Scenario::ALL.map(Scenario::name));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
