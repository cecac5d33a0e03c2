//! `afield mcp`: the MCP servers of the configuration.

mod add;
mod export;
mod import;
mod list;
pub(crate) mod login;
pub(crate) mod placed;
mod remove;

use crate::{ExitCode, config_flags::ConfigFlags, failure::Failure, signals::Signals, start::report};
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
    /// Log in at a server that wants it, from where the server is.
    Login(login::Flags),
    /// Have a server's tokens taken back, and forget them.
    Logout(login::LogoutFlags),
}

impl Flags {
    /// Whether the command asks somebody else, and so has to wait.
    pub fn waits(&self) -> bool {
        matches!(self.command, Command::Login(_) | Command::Logout(_))
    }
}

/// Runs a command that waits. A signal ends it.
pub(crate) async fn ask(flags: Flags, signals: Signals) -> ExitCode {
    let config = &flags.config;
    let done = async {
        match &flags.command {
            Command::Login(flags) => login::login(config, flags).await,
            Command::Logout(flags) => login::out(config, flags).await,
            _ => unreachable!("the others do not wait"),
        }
    };
    tokio::select! {
        code = signals.first() => code,
        done = done => match done {
            Ok(()) => ExitCode::Success,
            Err(failure) => report(&failure),
        },
    }
}

pub(crate) fn run(flags: Flags) -> Result<(), Failure> {
    let config = &flags.config;
    match flags.command {
        Command::Add(flags) => add::run(config, *flags),
        Command::Remove(flags) => remove::run(config, &flags),
        Command::List(flags) => list::run(config, &flags),
        Command::Import(flags) => import::run(config, &flags),
        Command::Export(flags) => export::run(config, &flags),
        Command::Login(_) | Command::Logout(_) => unreachable!("these wait"),
    }
}
