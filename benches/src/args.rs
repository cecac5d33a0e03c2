//! The command line.

use crate::{scenario::Scenario, subject::Subject};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures afield against a direct origin and the reference executor.
#[derive(Parser)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Shorter samples and one round: to see that it works, not to quote.
    #[arg(long)]
    pub quick: bool,

    /// Only these scenarios (repeatable).
    #[arg(long, value_name = "SCENARIO", value_parser = Scenario::parse)]
    pub only: Vec<Scenario>,

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
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve the loopback origin until standard input closes.
    #[command(hide = true)]
    Origin,
}

impl Args {
    /// How often each sample is taken.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }
}
