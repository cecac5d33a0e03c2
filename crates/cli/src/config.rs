//! `afield config`: which file is read, and whether it is right.

use crate::{
    config_flags::{ConfigFlags, failure, unusable, warn},
    console::print,
    console::print_json,
    failure::Failure,
    gateway,
    request::Size,
    serve,
};
use afield_config::{Config, LoadError, Variables};
use afield_exchange::Limits;
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
        /// How much memory the machine has on which `afield serve` will run. Default: as much as this one.
        #[arg(long, value_name = "SIZE")]
        memory: Option<Size>,
    },
    /// Print which file is read. It need not exist.
    Path,
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    match flags.command {
        Command::Path => {
            let location = flags.config.location()?;
            print(format!("{}\n", location.path.display()))
        }
        Command::Check { file, json, memory } => {
            let flags = ConfigFlags { config: file.or(flags.config.config) };
            check(&flags, json, memory.map(|size| size.0))
        }
    }
}

fn check(flags: &ConfigFlags, as_json: bool, memory: Option<u64>) -> Result<(), Failure> {
    let file = flags.location()?.path.display().to_string();
    let loaded = Config::load(flags.config.as_deref(), &Variables::of_process());
    let (errors, warnings) = match &loaded {
        Ok(config) => {
            let serve =
                serve::check(&serve::Flags::default(), &config.serving, config.file.as_deref(), memory);
            let serve = serve.at_check("afield serve", &file);
            let gateway = gateway::check(config).at_check("afield gateway", &file);
            let warnings = serve.1.into_iter().chain(gateway.1);
            (
                config.faults().cloned().chain(serve.0).chain(gateway.0).collect(),
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
            Some(_) => print(format!(
                "{file}: right: {} executors, {} MCP servers; for `afield serve`: {} rules, {} secrets, {} upstreams\n{}\n",
                config.executors.len(),
                config.mcp_servers.len(),
                config.serving.policy.rules.len(),
                config.serving.secrets.len(),
                config.serving.upstreams.len(),
                serve::Memory::of(&limits(&config), memory),
            ))?,
            None => print(format!(
                "{file}: not there, so nothing is configured\n{}\n",
                serve::Memory::of(&limits(&config), memory),
            ))?,
        },
        Ok(_) => {}
    }
    Ok(())
}

/// The limits that `afield serve` would have.
fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    config.serving.limits.apply(&mut limits);
    limits
}
