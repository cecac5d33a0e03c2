//! `afield mcp`: the MCP servers of the configuration.

mod add;
mod call;
mod connect;
mod doctor;
mod export;
mod import;
mod list;
pub(crate) mod login;
pub(crate) mod offered;
pub(crate) mod placed;
mod remove;
mod session;
mod status;
mod told;
mod tools;

use crate::{ExitCode, config_flags::ConfigFlags, console::report, failure::Failure, signals::Signals};
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
    /// Connect to the servers, and say how each of them is.
    Status(status::Flags),
    /// List the tools of a server.
    Tools(tools::Flags),
    /// Call a tool.
    Call(call::Flags),
    /// Put a server on standard input and output, for programs that only start commands.
    Connect(connect::Flags),
    /// Find out where servers fail, and what to do.
    Doctor(doctor::Flags),
}

impl Flags {
    /// Whether the command asks somebody else, and so has to wait.
    pub fn waits(&self) -> bool {
        use Command::{Add, Import, Remove};
        !matches!(self.command, Add(_) | Remove(_) | Import(_))
    }
}

/// Runs a command that waits. A signal ends it.
pub(crate) async fn ask(flags: Flags, signals: Signals) -> ExitCode {
    let config = &flags.config;
    if let Command::Connect(flags) = &flags.command {
        // It ends its session before it ends.
        return match connect::run(config, flags, &signals).await {
            Ok(()) => ExitCode::Success,
            Err(failure) => report(&failure),
        };
    }
    let done = async {
        match &flags.command {
            Command::List(flags) => list::run(config, flags).await,
            Command::Export(flags) => export::run(config, flags).await,
            Command::Login(flags) => login::login(config, flags).await,
            Command::Logout(flags) => login::out(config, flags).await,
            Command::Status(flags) => status::run(config, flags).await,
            Command::Tools(flags) => tools::run(config, flags).await,
            Command::Call(flags) => call::run(config, flags).await,
            Command::Doctor(flags) => doctor::run(config, flags).await,
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
        Command::Import(flags) => import::run(config, &flags),
        _ => unreachable!("the others wait"),
    }
}
