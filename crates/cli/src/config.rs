//! `afield config`: which file is read, and whether it is right.

use crate::{
    config_flags::{ConfigFlags, failure, unusable, warn},
    failure::Failure,
    serve,
    start::print,
    table::print_json,
};
use afield_config::{Config, LoadError, Variables};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// Everything `afield config` understands, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    config: ConfigFlags,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say everything that is wrong with the configuration: where, which key, and what to do.
    Check {
        /// The file, in place of the one that is read.
        file: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print which file is read. It need not exist.
    Path,
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    match flags.command {
        Command::Path => {
            let location = flags.config.location()?;
            print(format!("{}\n", location.path.display()).as_bytes())
        }
        Command::Check { file, json } => {
            let flags = ConfigFlags { config: file.or(flags.config.config) };
            check(&flags, json)
        }
    }
}

fn check(flags: &ConfigFlags, as_json: bool) -> Result<(), Failure> {
    let file = flags.location()?.path.display().to_string();
    let loaded = Config::load(flags.config.as_deref(), &Variables::of_process());
    let (errors, warnings) = match &loaded {
        Ok(config) => {
            let (errors, warnings) = serve::check(&config.serving, &file);
            (
                config.faults().cloned().chain(errors).collect(),
                config.warnings.iter().cloned().chain(warnings).collect(),
            )
        }
        Err(LoadError::Problems(problems)) => (problems.iter().cloned().collect(), Vec::new()),
        Err(error) => return Err(failure(error)),
    };
    let errors: Vec<_> = errors;
    if as_json {
        print_json(&json!({ "file": file, "errors": errors, "warnings": warnings }))?;
    } else {
        warn(&warnings);
    }
    match loaded {
        Err(LoadError::Problems(problems)) => return Err(unusable(&problems)),
        Err(error) => return Err(failure(&error)),
        Ok(_) if !errors.is_empty() => {
            let what = format!("parts of the configuration {file} cannot be used; the rest of it can");
            return Err(Failure::new(crate::ExitCode::Config, what)
                .with_details(errors.iter().map(ToString::to_string)));
        }
        Ok(config) if !as_json => match config.file {
            Some(_) => print(
                format!(
                    "{file}: right: {} executors, {} MCP servers; for `afield serve`: {} rules, {} secrets, {} upstreams\n",
                    config.executors.len(),
                    config.mcp_servers.len(),
                    config.serving.policy.rules.len(),
                    config.serving.secrets.len(),
                    config.serving.upstreams.len()
                )
                .as_bytes(),
            )?,
            None => print(format!("{file}: not there, so nothing is configured\n").as_bytes())?,
        },
        Ok(_) => {}
    }
    Ok(())
}
