//! The `afield` command: flags as they are typed, the plan they mean, and the command that carries it out.
//!
//! ```text
//! flags ── plan ── command
//! ```
//!
//! Each command has a room of its own: `request` sends one request with curl's flags, `serve` runs an executor, `gateway` a gateway,
//! `policy` says what an executor would let requests do, `mcp`, `executor` and `config` see to the configuration, `demo` shows a
//! request at work. What a command's end means is [`ExitCode`].

mod config;
mod config_flags;
mod console;
mod demo;
mod doctor;
mod executor;
mod exit_code;
mod failure;
mod faults;
mod files;
mod flags;
mod gateway;
mod inherited;
mod logging;
mod mcp;
mod place;
mod policy;
mod protocol_check;
mod request;
mod serve;
mod signals;
mod start;
mod stdio;
mod table;
mod terminal;
mod token;

pub use exit_code::ExitCode;
pub use start::main;
