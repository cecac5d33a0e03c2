//! `afield mcp`: the MCP servers of the configuration.

mod add;
mod export;
mod import;
mod list;
mod remove;

use crate::{config_flags::ConfigFlags, failure::Failure};
use clap::{Args, Subcommand};

/// Everything `afield mcp` understands, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    config: ConfigFlags,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a server to the configuration.
    Add(Box<add::Flags>),
    /// Take a server out of the configuration.
    Remove(remove::Flags),
    /// List the servers, and where each is reached from.
    List(list::Flags),
    /// Copy servers from the MCP file of another program.
    Import(import::Flags),
    /// Print or write what another program needs to use the servers.
    Export(export::Flags),
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    let config = &flags.config;
    match flags.command {
        Command::Add(flags) => add::run(config, *flags),
        Command::Remove(flags) => remove::run(config, &flags),
        Command::List(flags) => list::run(config, &flags),
        Command::Import(flags) => import::run(config, &flags),
        Command::Export(flags) => export::run(config, &flags),
    }
}
