//! Load against a direct origin, an afield executor and the reference executor, in one run on one machine.
//!
//! `cargo xtask bench` builds this in release and runs it. Three processes take part, so that no one's CPU is counted
//! as another's: this one (the load), the origin (this binary again, `afield-bench origin`), and the executor under
//! test, a fresh one for every sample. Every sample is taken `--rounds` times, the subjects in turn within a round so
//! that what else the machine does falls on all of them; medians are printed, every number is kept as JSON.

mod args;
mod figure;
mod load;
mod machine;
mod medians;
mod origin;
mod pin;
mod process;
mod profile;
mod report;
mod sample;
mod scenario;
mod strangers;
mod subject;

use args::{Args, Command};
use clap::Parser;
use rustix::process::{Resource, Rlimit};
use std::{error::Error, process::ExitCode};

/// A failure, in words for whoever runs this.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args = Args::parse();
    // A thousand origins and a thousand connections take descriptors. Where there are none, the sample says so.
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    // One thread: the driver must not take both cores from the executor it measures.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let done = runtime.block_on(async {
        match args.command {
            Some(Command::Origin { more }) => origin::serve(more).await,
            Some(Command::Hostile { way, executor, token }) => {
                strangers::do_harm(way, &executor, &token).await
            }
            None if args.strangers => strangers::run(&args).await,
            None if args.profile => profile::run(&args).await,
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
    let report = report::Report::new(plan.facts(), plan.take().await?, &args.figures());
    report.save(&plan.output)?;
    if let Some(json) = &plan.json {
        report.save(json)?;
    }
    println!("{}", report.markdown());
    println!("Every sample: {}", plan.output.display());
    report.failures()
}
