//! `afield executor`: the executors that servers can be placed at.

mod add;
mod list;

use crate::console::note;
use crate::{
    config_flags::{ConfigFlags, not_changed},
    failure::Failure,
};
use afield_config::{Change, Variables, edit};
use clap::{Args, Subcommand};

/// Everything `afield executor` understands, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    config: ConfigFlags,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an executor to the configuration.
    Add(Box<add::Flags>),
    /// Take an executor out of the configuration.
    Remove {
        /// Its name.
        name: String,
        /// Even if servers are placed there, which then cannot be used.
        #[arg(long)]
        force: bool,
    },
    /// List the executors.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    match flags.command {
        Command::Add(add) => add::run(&flags.config, *add),
        Command::Remove { name, force } => {
            let path = flags.config.location()?.path;
            let change = Change::RemoveExecutor { name: name.clone(), force };
            edit(&path, &[change], &Variables::of_process()).map_err(|error| not_changed(&error))?;
            note!("removed the executor {name} from {}", path.display());
            Ok(())
        }
        Command::List { json } => list::run(&flags.config, json),
    }
}
