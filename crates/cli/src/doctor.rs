//! `afield doctor`: how an executor is, seen from here.

mod findings;
mod probe;

use crate::console::note;
use crate::{
    ExitCode,
    config_flags::{ConfigFlags, warn},
    console::print,
    console::print_json,
    failure::Failure,
    mcp::placed,
    place::ReachFlags,
    token::Token,
};
use afield_client::RemoteConfig;
use afield_egress::CaPolicy;
use afield_transport::BearerToken;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Which executors are looked at, as typed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    config: ConfigFlags,

    /// An executor of the configuration, or a URL (`ws://…`, `wss://…`, `unix:PATH`, `ssh://HOST`). Default: every one of the
    /// configuration.
    #[arg(value_name = "EXECUTOR|URL")]
    executor: Option<String>,

    /// With a URL: a file that holds the executor's token. The variable `AFIELD_TOKEN` may hold the token itself.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// With a URL: certificate authorities to trust instead of the platform's (PEM).
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    ca: Option<PathBuf>,

    #[command(flatten)]
    reach: ReachFlags,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An executor, and how to reach it.
struct Patient {
    name: String,
    /// Where it is, without secrets.
    shown: String,
    reach: Result<RemoteConfig, Failure>,
}

pub(crate) async fn run(flags: Flags) -> Result<(), Failure> {
    let patients = patients(&flags)?;
    if patients.is_empty() {
        note!("no executors are configured");
        note!("  hint: afield executor add NAME URL, or afield doctor URL");
        return Ok(());
    }
    let mut reports = Vec::new();
    for patient in patients {
        let found = match patient.reach {
            Ok(reach) => probe::look_at(reach).await,
            Err(failure) => findings::Report::unusable(&failure),
        };
        reports.push((patient.name, patient.shown, found));
    }
    if flags.json {
        let told: Vec<_> = reports.iter().map(|(name, shown, report)| report.told(name, shown)).collect();
        print_json(&json!({ "executors": told }))?;
    } else {
        let text: String = reports.iter().map(|(name, shown, report)| report.text(name, shown)).collect();
        print(text)?;
    }
    let ill: Vec<_> = reports.iter().filter(|report| !report.2.is_well()).map(|report| &*report.0).collect();
    match reports.iter().find_map(|report| report.2.code()) {
        None => Ok(()),
        Some(code) => Err(Failure::new(code, format!("not well: {}", ill.join(", ")))),
    }
}

fn patients(flags: &Flags) -> Result<Vec<Patient>, Failure> {
    if let Some(url) = flags.executor.as_deref().filter(|text| is_url(text)) {
        let token = Token::find(flags.token_file.as_deref())?;
        let reach = flags.reach.reach()?;
        let mut config = RemoteConfig::new(url);
        config.token = token.as_ref().map(|token| BearerToken::new(token.expose()));
        config.ca = flags.ca.clone().map_or_else(CaPolicy::default, CaPolicy::File);
        (config.pins, config.identity, config.proxy) = (reach.pins, reach.identity, reach.proxy);
        let shown = afield_exchange::redacted_url(url);
        return Ok(vec![Patient { name: shown.clone(), shown, reach: Ok(config) }]);
    }
    let config = flags.config.load()?;
    warn(&config.warnings);
    if let Some(name) = flags.executor.as_deref() {
        let placement = config.placement(name).map_err(|error| Failure::usage(error.to_string()))?;
        let Some(executor) = placement.executor() else {
            return Err(Failure::new(
                ExitCode::Usage,
                "local is this process: there is no executor to look at",
            ));
        };
        return Ok(vec![patient(executor)]);
    }
    Ok(config.executors.values().map(|executor| patient(executor)).collect())
}

fn patient(executor: &afield_config::Executor) -> Patient {
    let shown = match &executor.reach {
        afield_config::Reach::Url(url) => url.to_string(),
        afield_config::Reach::Unix(path) => format!("unix:{}", path.display()),
        afield_config::Reach::Command(start) => format!("{} …", start.program),
    };
    Patient { name: executor.name.clone(), shown, reach: placed::reach(executor) }
}

fn is_url(text: &str) -> bool {
    text.contains("://")
        || text.starts_with("unix:")
        || text.starts_with("ssh:")
        || text.starts_with("ws+unix:")
}
