//! `afield config`: which file is read, and whether it is right.

mod memory;

use crate::{
    config_flags::{ConfigFlags, failure, unusable, warn},
    console::print,
    console::print_json,
    failure::Failure,
    request::Size,
    serve,
};
use afield_config::{Config, LoadError, Place, Problem, Variables};
use afield_exchange::Limits;
use clap::{Args, Subcommand};
use memory::Memory;
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

/// Tokens of executors and of the gateway that cannot be read here and now.
fn unreadable_tokens(config: &Config, file: &str) -> Vec<Problem> {
    let variables = Variables::of_process();
    let executors = config
        .executors
        .values()
        .map(|executor| (format!("executors.{}", executor.name), executor.token.as_ref()));
    let all = executors.chain([("gateway".to_owned(), config.gateway.token.as_ref())]);
    let unreadable = all.filter_map(|(of, token)| Some((of, token?.read(&variables).err()?)));
    let fix = "requests that need it fail; perhaps it is there where they are made";
    unreadable
        .map(|(of, why)| Problem::new(Place::whole(file), &of, format!("its token: {why}"), fix))
        .collect()
}

fn check(flags: &ConfigFlags, as_json: bool, memory: Option<u64>) -> Result<(), Failure> {
    let file = flags.location()?.path.display().to_string();
    let loaded = Config::load(flags.config.as_deref(), &Variables::of_process());
    let (errors, warnings) = match &loaded {
        Ok(config) => {
            let (errors, mut warnings) = serve::check(&config.serving, &file);
            if let Some((what, fix)) = Memory::of(&limits(config), memory).problem() {
                warnings.push(Problem::new(Place::whole(file.as_str()), "limits.kept_bytes", what, fix));
            }
            warnings.extend(unreadable_tokens(config, &file));
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
            Some(_) => print(format!(
                "{file}: right: {} executors, {} MCP servers; for `afield serve`: {} rules, {} secrets, {} upstreams\n{}\n",
                config.executors.len(),
                config.mcp_servers.len(),
                config.serving.policy.rules.len(),
                config.serving.secrets.len(),
                config.serving.upstreams.len(),
                Memory::of(&limits(&config), memory),
            ))?,
            None => print(format!("{file}: not there, so nothing is configured\n"))?,
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
