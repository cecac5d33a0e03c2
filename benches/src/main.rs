//! Load against a direct origin, an afield executor and the reference executor, in one run on one machine.
//!
//! `cargo xtask bench` builds this in release and runs it. Three processes take part, so that no one's CPU is counted
//! as another's: this one (the load), the origin (this binary again, `afield-bench origin`), and the executor under
//! test, a fresh one for every sample. Every sample is taken `--rounds` times, the subjects in turn within a round so
//! that what else the machine does falls on all of them; medians are printed, every number is kept as JSON.

mod args;
mod load;
mod machine;
mod origin;
mod process;
mod report;
mod sample;
mod scenario;
mod subject;
mod wanted;

use args::{Args, Command};
use clap::Parser;
use std::{error::Error, process::ExitCode};

/// A failure, in words for whoever runs this.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the driver must not take both cores from the executor it measures.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let done = runtime.block_on(async {
        match args.command {
            Some(Command::Origin) => origin::serve().await,
            None => run(&args).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("afield-bench: {error}");
    ExitCode::FAILURE
}

async fn run(args: &Args) -> Result<()> {
    let plan = sample::Plan::new(args)?;
    let report = report::Report::new(plan.facts(), plan.take().await?);
    report.save(&plan.output)?;
    println!("{}", report.markdown());
    println!("Every sample: {}", plan.output.display());
    report.failures()
}
