use crate::logging::LogFormat;
use crate::{
    config, demo, doctor, executor, gateway, mcp, policy, protocol_check, request, serve, stdio, token,
};
use clap::{Parser, Subcommand};

/// Performs HTTP where the network is.
///
/// `afield request` sends one request, from here or from an executor that sits somewhere else;
/// `afield serve` is that executor. New here? Run `afield demo`.
#[derive(Debug, Parser)]
#[command(name = "afield", version, max_term_width = 100, args_override_self = true)]
pub(crate) struct Flags {
    /// What to log to stderr: `off`, `error`, `warn`, `info`, `debug`, `trace`, or targets such as
    /// `info,afield_egress=debug`. Default: `info` for `serve` and `gateway`, `off` for the others.
    #[arg(long, env = "AFIELD_LOG", value_name = "LEVEL", global = true)]
    pub log: Option<String>,

    /// How log lines look: as text (default), or as one JSON object each.
    #[arg(long, env = "AFIELD_LOG_FORMAT", value_name = "FORMAT", global = true, value_enum)]
    pub log_format: Option<LogFormat>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send one HTTP request, with curl's flags.
    Request(Box<request::Flags>),
    /// Run an executor: perform requests for whoever connects.
    Serve(Box<serve::Flags>),
    /// Connect an orchestrator on standard input and output to an executor: `ssh HOST afield stdio`.
    Stdio(stdio::Flags),
    /// Put servers that only an executor can reach on a port of this machine, for programs that know nothing of afield.
    Gateway(Box<gateway::Flags>),
    /// Make tokens for executors.
    Token(token::TokenFlags),
    /// The MCP servers: which there are, and where each is reached from.
    Mcp(mcp::Flags),
    /// The executors that servers can be placed at.
    Executor(executor::Flags),
    /// Where an executor's requests may go, by its configuration.
    Policy(policy::Flags),
    /// The configuration file.
    Config(config::Flags),
    /// Look at executors: version, dialect, limits, policy, latency.
    Doctor(Box<doctor::Flags>),
    /// Try an executor against the wire protocol, section by section.
    ProtocolCheck(Box<protocol_check::Flags>),
    /// See a request go through an executor, on this machine, in a few seconds.
    Demo(demo::Flags),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the table of exit codes.
    ExitCodes,
}
