//! The command line.

use crate::{
    figure::{self, Figure},
    scenario::Scenario,
    subject::Subject,
};
use afield_testkit::hostile::Way;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures afield against a direct origin, the reference executor and an earlier revision.
#[derive(Parser)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Shorter samples and one round: to see that it works, not to quote.
    #[arg(long)]
    pub quick: bool,

    /// Only these scenarios or figures (repeatable).
    #[arg(long, value_name = "SCENARIO|FIGURE", value_parser = Only::parse)]
    pub only: Vec<Only>,

    /// Only these subjects (repeatable).
    #[arg(long, value_name = "SUBJECT", value_parser = Subject::parse)]
    pub subject: Vec<Subject>,

    /// How often each sample is taken; medians are printed.
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,

    /// Leave the reference executor out (it is installed from npm at first use).
    #[arg(long)]
    pub skip_reference: bool,

    /// The afield binary to measure [default: the one beside this binary].
    #[arg(long, value_name = "PATH")]
    pub afield: Option<PathBuf>,

    /// Also build and measure the executor of this revision, in the same rounds.
    #[arg(long, value_name = "REV")]
    pub baseline: Option<String>,

    /// Remove the worktrees and builds of earlier baselines first.
    #[arg(long)]
    pub clean_baselines: bool,

    /// Where xtask has built the baseline.
    #[arg(long, value_name = "PATH", hide = true)]
    pub baseline_afield: Option<PathBuf>,

    /// Also write every sample and figure to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Run executors on the first core alone, and load and origin on the others.
    #[arg(long)]
    pub pin: bool,

    /// Count the executor's instructions per call under callgrind instead of measuring.
    #[arg(long, conflicts_with_all = ["pin", "json", "rounds"])]
    pub profile: bool,

    /// Measure a thousand principals beside one that does harm instead.
    #[arg(long, conflicts_with_all = ["pin", "json", "rounds", "profile"])]
    pub strangers: bool,

    /// Only these ways of doing harm (repeatable).
    #[arg(long, value_name = "WAY", value_parser = way, requires = "strangers")]
    pub way: Vec<Way>,
}

fn way(name: &str) -> Result<Way, String> {
    let all = || Way::ALL.map(Way::name).join(", ");
    Way::named(name).ok_or_else(|| format!("one of {} is wanted", all()))
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve the loopback origin until standard input closes.
    #[command(hide = true)]
    Origin {
        /// How many more ports to serve it on.
        #[arg(default_value_t = 0)]
        more: usize,
    },
    /// Do harm to an executor until standard input closes.
    #[command(hide = true)]
    Hostile {
        #[arg(value_parser = way)]
        way: Way,
        executor: String,
        token: String,
    },
}

/// A part of the whole.
#[derive(Clone, Copy, Debug)]
pub enum Only {
    Scenario(Scenario),
    Figure(&'static Figure),
}

impl Only {
    fn parse(name: &str) -> Result<Self, String> {
        if let Some(scenario) = Scenario::named(name) {
            return Ok(Self::Scenario(scenario));
        }
        if let Some(figure) = figure::FIGURES.iter().find(|figure| figure.name == name) {
            return Ok(Self::Figure(figure));
        }
        let scenarios = Scenario::ALL.map(Scenario::name).join(", ");
        let figures: Vec<_> = figure::FIGURES.iter().map(|figure| figure.name).collect();
        Err(format!("one of the scenarios {scenarios}, or of the figures {}, is wanted", figures.join(", ")))
    }
}

impl Args {
    /// How often each sample is taken.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }

    /// The scenarios that are wanted.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let wanted = |scenario: &Scenario| {
            self.only.is_empty()
                || self.only.iter().any(|only| match only {
                    Only::Scenario(named) => named == scenario,
                    Only::Figure(figure) => figure.of.scenarios().contains(&Some(*scenario)),
                })
        };
        Scenario::ALL.into_iter().filter(wanted).collect()
    }

    /// The figures that are wanted.
    pub fn figures(&self) -> Vec<&'static Figure> {
        let wanted = |figure: &&Figure| {
            self.only.is_empty()
                || self.only.iter().any(|only| match only {
                    Only::Scenario(scenario) => figure.of.scenarios().contains(&Some(*scenario)),
                    Only::Figure(named) => named.name == figure.name,
                })
        };
        figure::FIGURES.iter().filter(wanted).collect()
    }
}
