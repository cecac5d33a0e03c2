//! Taking every sample, and the numbers of one.

use crate::{
    Result,
    args::Args,
    load::Outcome,
    machine::Facts,
    origin::Origin,
    pin,
    process::{Listening, Spent, Usage},
    scenario::{self, Scenario, Size},
    subject::Subject,
};
use afield_testkit::process::Command;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a number is. The name holds the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    CallsPerSecond,
    /// Millions of body bytes in a second.
    MegabytesPerSecond,
    P50Ms,
    P99Ms,
    /// The executor's user and system time.
    CpuMicrosPerCall,
    CpuMillisPerMegabyte,
    /// This process's own, to see that it is not what is measured.
    DriverCpuMicrosPerCall,
    /// The origin's, for the same reason.
    OriginCpuMicrosPerCall,
    ResidentMegabytes,
    /// Of each of many streams, connections or origins.
    KilobytesEach,
    BinaryMegabytes,
}

/// The numbers of one sample.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Metrics(pub BTreeMap<Metric, f64>);

const MEGA: f64 = 1e6;

impl Metrics {
    /// Rate, latency, and what it took. `upload` is the bytes that each upload sends.
    pub fn of_load(scenario: Scenario, outcome: &Outcome, upload: usize, spent: &Spent) -> Self {
        let seconds = outcome.elapsed.as_secs_f64();
        let mut metrics = Self::default();
        metrics.0.insert(Metric::CallsPerSecond, outcome.calls() / seconds);
        if scenario.is_bulk() {
            let megabytes = megabytes(scenario, outcome, upload);
            metrics.0.insert(Metric::MegabytesPerSecond, megabytes / seconds);
        }
        let mut latencies = outcome.latencies.clone();
        latencies.sort_unstable();
        metrics.0.insert(Metric::P50Ms, percentile_ms(&latencies, 0.50));
        metrics.0.insert(Metric::P99Ms, percentile_ms(&latencies, 0.99));
        metrics.0.insert(Metric::DriverCpuMicrosPerCall, micros(spent.driver) / outcome.calls());
        metrics.0.insert(Metric::OriginCpuMicrosPerCall, micros(spent.origin) / outcome.calls());
        if let Some((cpu, resident)) = spent.executor {
            metrics.0.insert(Metric::CpuMicrosPerCall, micros(cpu) / outcome.calls());
            if scenario.is_bulk() {
                let megabytes = megabytes(scenario, outcome, upload);
                metrics.0.insert(Metric::CpuMillisPerMegabyte, micros(cpu) / 1e3 / megabytes);
            }
            metrics.add_memory(resident);
        }
        metrics
    }

    /// The memory of an executor that nobody has called.
    pub fn at_rest(usage: Usage) -> Self {
        let mut metrics = Self::default();
        metrics.add_memory(usage.resident);
        metrics
    }

    /// What `count` more streams took.
    pub fn grown(before: Usage, after: Usage, count: usize) -> Self {
        let mut metrics = Self::at_rest(after);
        metrics.add_each(before, after, count);
        metrics
    }

    /// What each of `count` more of something took.
    pub fn add_each(&mut self, before: Usage, after: Usage, count: usize) {
        let grown = after.resident.saturating_sub(before.resident) as f64;
        self.0.insert(Metric::KilobytesEach, grown / 1e3 / count as f64);
    }

    fn add_memory(&mut self, resident: u64) {
        self.0.insert(Metric::ResidentMegabytes, resident as f64 / MEGA);
    }
}

fn megabytes(scenario: Scenario, outcome: &Outcome, upload: usize) -> f64 {
    match scenario {
        Scenario::Upload => outcome.calls() * upload as f64 / MEGA,
        _ => outcome.bytes as f64 / MEGA,
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// In milliseconds, by nearest rank.
pub fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
}

/// One sample.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub round: usize,
    pub scenario: Scenario,
    pub subject: Subject,
    pub metrics: Metrics,
}

/// A sample that could not be taken, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub round: usize,
    pub scenario: Scenario,
    pub subject: Subject,
    pub why: String,
}

/// All that was found out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub samples: Vec<Sample>,
    pub failures: Vec<Failure>,
}

/// What is to be measured, and with what.
pub struct Plan {
    /// Where every number is kept.
    pub output: PathBuf,
    /// Where they are wanted, too.
    pub json: Option<PathBuf>,
    scenarios: Vec<Scenario>,
    subjects: Vec<Subject>,
    rounds: usize,
    size: Size,
    pin: bool,
    afield: PathBuf,
    /// The executor to compare with, and its revision.
    baseline: Option<(PathBuf, String)>,
    reference: Option<PathBuf>,
    scratch: PathBuf,
}

impl Plan {
    /// From the command line; installs the reference where it is wanted and missing.
    pub fn new(args: &Args) -> Result<Self> {
        let here = std::env::current_exe()?;
        let release = here.parent().ok_or("this binary lies in no directory")?;
        let target = release.parent().ok_or("this binary lies in no target directory")?;
        let baseline = match (&args.baseline_afield, &args.baseline) {
            (Some(program), revision) => Some((program.clone(), revision.clone().unwrap_or_default())),
            (None, Some(_)) => return Err("a baseline is built by `cargo xtask bench --baseline REV`".into()),
            (None, None) => None,
        };
        let wanted = |subject: &Subject| {
            (args.subject.is_empty() || args.subject.contains(subject))
                && !(args.skip_reference && *subject == Subject::Reference)
                && (baseline.is_some() || !subject.is_baseline())
        };
        let subjects: Vec<_> = Subject::ALL.into_iter().filter(wanted).collect();
        let reference = subjects.contains(&Subject::Reference).then(reference_program).transpose()?;
        let scratch = target.join("bench");
        std::fs::create_dir_all(scratch.join("codex-home"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self {
            output: scratch.join(format!("{now}.json")),
            json: args.json.clone(),
            scenarios: args.scenarios(),
            subjects,
            rounds: args.rounds(),
            size: if args.quick { Size::QUICK } else { Size::FULL },
            pin: args.pin,
            afield: args.afield.clone().unwrap_or_else(|| release.join("afield")),
            baseline,
            reference,
            scratch,
        })
    }

    /// What the numbers depend on.
    pub fn facts(&self) -> Facts {
        let baseline = self.baseline.as_ref().map(|(_, revision)| revision.clone());
        Facts::read(self.rounds, baseline, self.reference.as_deref().and_then(version_of))
    }

    /// Takes every sample, the subjects in turn within a round. One that fails does not cost the others.
    pub async fn take(&self) -> Result<Findings> {
        if self.pin {
            pin::load()?;
        }
        let grows = self.scenarios.iter().any(|scenario| scenario.growth().is_some());
        let origin = Origin::start(if grows { scenario::MORE_ORIGINS } else { 0 }).await?;
        let mut findings = Findings::default();
        for round in 1..=self.rounds {
            for (scenario, subject) in self.turns(round) {
                eprintln!("round {round} of {}: {} {}", self.rounds, scenario.name(), subject.name());
                match self.sample(scenario, subject, &origin).await {
                    Ok(metrics) => findings.samples.push(Sample { round, scenario, subject, metrics }),
                    Err(error) => {
                        let why = error.to_string();
                        findings.failures.push(Failure { round, scenario, subject, why });
                    }
                }
            }
        }
        Ok(findings)
    }

    /// Every second round goes the other way, so that a machine that gets slower or faster favours nobody.
    fn turns(&self, round: usize) -> Vec<(Scenario, Subject)> {
        let mut turns = Vec::new();
        for &scenario in &self.scenarios {
            let mut subjects: Vec<_> =
                self.subjects.iter().copied().filter(|subject| scenario.is_for(*subject)).collect();
            if round.is_multiple_of(2) {
                subjects.reverse();
            }
            turns.extend(subjects.into_iter().map(|subject| (scenario, subject)));
        }
        turns
    }

    async fn sample(&self, scenario: Scenario, subject: Subject, origin: &Origin) -> Result<Metrics> {
        let (program, command) = match subject {
            Subject::Direct => return scenario::direct(scenario, origin, self.size).await,
            Subject::Afield | Subject::Client => self.afield_command(&self.afield),
            Subject::Baseline | Subject::BaselineClient => {
                let (program, _) = self.baseline.as_ref().ok_or("there is no baseline")?;
                self.afield_command(program)
            }
            Subject::Reference => self.reference_command()?,
        };
        let executor = Listening::start(command).await?;
        if subject.is_own_dialect() {
            return scenario::client(scenario, &executor, origin, self.size).await;
        }
        let mut metrics = scenario::base(scenario, &executor, origin, self.size).await?;
        if scenario == Scenario::Rest {
            let bytes = std::fs::metadata(program)?.len();
            metrics.0.insert(Metric::BinaryMegabytes, bytes as f64 / MEGA);
        }
        Ok(metrics)
    }

    fn afield_command<'a>(&self, program: &'a Path) -> (&'a Path, Command) {
        let mut command = self.executor_command(program);
        command.args(["serve", "--listen", "ws://127.0.0.1:0"]);
        (program, command)
    }

    fn reference_command(&self) -> Result<(&Path, Command)> {
        let program = self.reference.as_ref().ok_or("the reference was left out")?;
        let mut command = self.executor_command(program);
        command
            .args(["exec-server", "--listen", "ws://127.0.0.1:0", "--concurrent-requests", "64"])
            .env("CODEX_HOME", self.scratch.join("codex-home"));
        Ok((program, command))
    }

    fn executor_command(&self, program: &Path) -> Command {
        if self.pin { pin::executor(program) } else { Command::new(program) }
    }
}

/// The native program: the npm launcher would be a second process whose CPU is not the executor's.
fn reference_program() -> Result<PathBuf> {
    let codex =
        afield_testkit::tools::codex().map_err(|error| format!("{error}; --skip-reference does without"))?;
    Ok(codex.program().to_owned())
}

/// The last word of what `--version` says.
fn version_of(program: &Path) -> Option<String> {
    let output = std::process::Command::new(program).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_ascii_whitespace().last().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that percentiles are by nearest rank: an observed value, never one between two.
    #[test]
    fn percentiles_are_observed_values() {
        let sorted: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&sorted, 0.50), 50.0);
        assert_eq!(percentile_ms(&sorted, 0.99), 99.0);
        assert_eq!(percentile_ms(&sorted[..1], 0.99), 1.0);
        assert_eq!(percentile_ms(&[], 0.99), 0.0);
    }
}
