//! `afield protocol-check`: which sections of the wire protocol an executor keeps.

use crate::{
    ExitCode,
    console::{print, print_json},
    failure::Failure,
    place::ReachFlags,
    token::Token,
};
use afield_egress::{CaPolicy, tls_client_config};
use afield_kit::{KitError, Options, Section};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// What is tried, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The executor's URL (`ws://…`, `wss://…`, `unix:PATH`).
    #[arg(env = "AFIELD_EXECUTOR", value_name = "URL", hide_env_values = true)]
    executor: String,

    /// A file that holds the executor's token. The variable `AFIELD_TOKEN` may hold the token itself.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Certificate authorities to trust instead of the platform's (PEM).
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    ca: Option<PathBuf>,

    #[command(flatten)]
    reach: ReachFlags,

    /// Try this section only, by its number, such as `4.7`. May be repeated.
    #[arg(long, value_name = "NUMBER")]
    section: Vec<String>,

    /// Where the check's own HTTP origin listens. Others can reach it there while the check runs.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    origin_bind: SocketAddr,

    /// The host by which the executor reaches that origin. Default: the address it listens on.
    #[arg(long, value_name = "HOST")]
    origin_host: Option<String>,

    /// How long to wait for an answer that must come, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,

    /// How long to wait for what only time brings, in seconds: the end of a session's grace, pings, silence. 70 tries all of
    /// an executor with the usual limits.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    longest_wait: u64,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(flags: Flags) -> Result<(), Failure> {
    let json = flags.json;
    let report = afield_kit::check(&options(flags)?).await.map_err(|error| match error {
        KitError::Origin { .. } => Failure::new(ExitCode::ServeUnavailable, error.to_string())
            .with_hint("--origin-bind says where it is to listen"),
        error => Failure::new(ExitCode::ExecutorUnreachable, error.to_string())
            .with_hint("`afield doctor URL` looks at how it is reached"),
    })?;
    if json {
        print_json(&report.json())?;
    } else {
        print(report.text().as_bytes())?;
    }
    match report.failed().count() {
        0 => Ok(()),
        failed => Err(Failure::new(
            ExitCode::ProtocolBroken,
            format!("the executor breaks the protocol in {failed} of {} checks", report.findings.len()),
        )),
    }
}

/// What was meant.
fn options(flags: Flags) -> Result<Options, Failure> {
    let mut options = Options::new(&flags.executor);
    let token = Token::find(flags.token_file.as_deref())?;
    options.token = token.map(|token| token.expose().to_owned());
    let reach = flags.reach.reach()?;
    // A pinned certificate needs no authority, unless one was named.
    if is_tls(&flags.executor) && (reach.pins.is_empty() || flags.ca.is_some()) {
        let ca = flags.ca.map_or_else(CaPolicy::default, CaPolicy::File);
        let config = tls_client_config(&ca).map_err(|error| Failure::usage(error.to_string()))?;
        options.dial.tls = Some(config);
    }
    (options.dial.pins, options.dial.identity, options.dial.proxy) =
        (reach.pins, reach.identity, reach.proxy);
    options.origin.bind = flags.origin_bind;
    options.origin.host = flags.origin_host;
    options.longest_wait = Duration::from_secs(flags.longest_wait);
    options.patience = Duration::from_secs(flags.patience);
    for number in flags.section {
        let Some(section) = Section::of_number(&number) else {
            let known: Vec<_> = Section::ALL.iter().map(|section| section.number()).collect();
            return Err(Failure::usage(format!("there is no section {number:?}: {}", known.join(", "))));
        };
        options.sections.push(section);
    }
    Ok(options)
}

fn is_tls(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https")
}
