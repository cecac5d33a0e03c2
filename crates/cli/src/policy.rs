//! `afield policy`: what an executor's configuration lets requests do, without making any.

mod check;
mod show;

use crate::{
    ExitCode,
    config_flags::{ConfigFlags, failure, unusable},
    console::report,
    failure::Failure,
    serve::{AccessFlags, Names, Places, preset},
    signals::Signals,
};
use afield_config::{Config, Serving, Variables};
use clap::{Args, Subcommand};

/// Everything `afield policy` understands, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    config: ConfigFlags,

    /// The preset, in the place of the configuration's own.
    #[arg(long, env = "AFIELD_POLICY", value_name = "PRESET", global = true)]
    policy: Option<String>,

    /// Whose requests: `token:` and what `afield token new --name` gave, `cert:` and a certificate's name, `jwt:` and a JSON Web
    /// Token's `sub`, or the name alone where only one of these is accepted; `uid:` and a user's number. Default: those of
    /// nobody in particular.
    #[arg(long, value_name = "NAME", global = true)]
    principal: Option<String>,

    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a request may go to a URL, and by which rule. Nothing is sent, and no name is resolved unless asked. The
    /// exit code is 0 if it may, also where that depends on addresses and public ones may; 101 if it may not.
    Check {
        /// The URL.
        url: String,
        /// The method.
        #[arg(long, short = 'X', value_name = "METHOD", default_value = "GET")]
        method: String,
        /// The `Host` that the request would have, if not the URL's own: another name that is judged, as HOST or HOST:PORT.
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Resolve the URL's host, and judge every address it leads to.
        #[arg(long)]
        resolve: bool,
    },
    /// Print the policy, and the names of secrets and upstreams.
    Show,
}

pub(crate) async fn run(flags: Flags, _signals: Signals) -> ExitCode {
    match answer(flags).await {
        Ok(code) => code,
        Err(failure) => report(&failure),
    }
}

async fn answer(flags: Flags) -> Result<ExitCode, Failure> {
    let Flags { config, policy, principal, json, command } = flags;
    let preset = preset(policy.as_deref())?;
    let said = said(&config)?;
    let names = Names::new(AccessFlags::default().or(&said.serve).kinds());
    let places = Places::of(&said, &names, preset).map_err(|problems| unusable(&problems))?;
    let principal = principal.map(|name| names.full(&name)).transpose().map_err(|candidates| {
        let what = "principals of several kinds come in here, and --principal may be any of them";
        Failure::usage(what).with_hint(format!("write {candidates}"))
    })?;
    let principal = principal.as_deref();
    match command {
        Command::Show => show::show(&places, &said, principal, json).map(|()| ExitCode::Success),
        Command::Check { url, method, host, resolve } => {
            check::check(places, said.serve.ca, check::Asked { url, method, host, resolve, principal, json })
                .await
        }
    }
}

fn said(flags: &ConfigFlags) -> Result<Serving, Failure> {
    if flags.location().is_err() {
        return Ok(Serving::default());
    }
    let config = Config::load(flags.config.as_deref(), &Variables::of_process());
    config.map(|config| config.serving).map_err(|error| failure(&error))
}
