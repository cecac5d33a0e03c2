use super::{
    offered::OfferFlags,
    session::{Session, hint},
};
use crate::console::note;
use crate::{ExitCode, config_flags::ConfigFlags, console::print, console::print_json, failure::Failure};
use afield_config::{Config, McpServer, Placement};
use afield_mcp::{
    Stage,
    manager::{ServerState, Snapshot},
};
use clap::Args;
use serde_json::{Value, json};

/// Which servers are looked into, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The servers. Default: all.
    names: Vec<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    offers: OfferFlags,
}

/// What was found of one stage.
enum Found {
    Ok(String),
    Failed(String, String),
    /// An earlier one failed, or there is nothing to look into.
    Skipped(&'static str),
}

pub(super) async fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let session = Session::open(config, &flags.offers, &flags.names).await?;
    let manager = session.manager(&flags.names)?;
    if manager.names().next().is_none() {
        note!("no MCP servers are configured in {}", config.location()?.path.display());
        return Ok(());
    }
    manager.settled().await;
    let snapshots = manager.snapshot();
    manager.close().await;
    session.placements.close().await;
    let reports: Vec<_> =
        snapshots.iter().map(|snapshot| (snapshot, report(&session.config, snapshot))).collect();
    if flags.json {
        let servers: Vec<_> = reports.iter().map(|(snapshot, stages)| told(snapshot, stages)).collect();
        print_json(&json!({ "servers": servers }))?;
    } else {
        print(reports.iter().map(|(snapshot, stages)| text(snapshot, stages)).collect::<String>())?;
    }
    let ill: Vec<_> = snapshots
        .iter()
        .filter(|snapshot| !matches!(snapshot.state, ServerState::Ready { .. } | ServerState::Disabled))
        .map(|snapshot| snapshot.name.as_str())
        .collect();
    match ill.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(ExitCode::McpFailed, format!("not ready: {}", ill.join(", ")))),
    }
}

/// Every stage up to the one that failed was passed: that is how it got there.
fn report(config: &Config, snapshot: &Snapshot) -> Vec<(Stage, Found)> {
    let server = config.mcp_servers.get(&snapshot.name);
    let failure = snapshot.state.failure();
    let is_ready = matches!(snapshot.state, ServerState::Ready { .. });
    let stages = Stage::ALL.into_iter().map(|stage| {
        let found = match failure {
            Some(failure) if failure.stage == stage => {
                Found::Failed(failure.message.clone(), hint(&snapshot.name, failure))
            }
            // Auth comes last, and is asked for in the course of HTTP.
            Some(failure)
                if failure.stage < stage || (failure.stage == Stage::Auth && stage == Stage::Mcp) =>
            {
                Found::Skipped("not reached")
            }
            None if !is_ready => Found::Skipped("disabled"),
            _ => passed(stage, server, &snapshot.state),
        };
        (stage, found)
    });
    stages.collect()
}

fn passed(stage: Stage, server: Option<&McpServer>, state: &ServerState) -> Found {
    let Some(server) = server else { return Found::Skipped("not in the configuration") };
    let executor = server.placement().ok().and_then(Placement::executor);
    let host = server.url.host();
    Found::Ok(match stage {
        Stage::Config => format!("{} from {}", server.url, server.environment),
        Stage::Executor => match executor {
            Some(executor) => format!("connected to {}", executor.name),
            None => return Found::Skipped("none is needed: requests leave from here"),
        },
        Stage::Policy => format!("{host} is allowed from {}", server.environment),
        Stage::Dns if host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() => {
            return Found::Skipped("the URL holds an address");
        }
        Stage::Dns => format!("{host} was resolved"),
        Stage::Connect => format!("{host} accepts connections"),
        Stage::Tls if server.url.scheme() == "http" => return Found::Skipped("the URL is http:"),
        Stage::Tls => "its certificate is trusted".to_owned(),
        Stage::Http => "it answers".to_owned(),
        Stage::Mcp => match state {
            ServerState::Ready { revision, server, tools } => format!(
                "{}, revision {revision}, {}",
                server.as_deref().unwrap_or("a server without a name"),
                tools.map_or_else(|| "no tools".to_owned(), |tools| format!("{tools} tools"))
            ),
            _ => "it answers".to_owned(),
        },
        Stage::Auth => match server.sets_authorization() {
            true => "the configured Authorization is accepted".to_owned(),
            false => "none is asked for, or the login is accepted".to_owned(),
        },
    })
}

fn text(snapshot: &Snapshot, stages: &[(Stage, Found)]) -> String {
    let mut text = format!("{} ({}): {}\n", snapshot.name, snapshot.environment, snapshot.state.name());
    for (stage, found) in stages {
        let (mark, said) = match found {
            Found::Ok(said) => ("ok  ", said.as_str()),
            Found::Failed(said, _) => ("FAIL", said.as_str()),
            Found::Skipped(why) => ("-   ", *why),
        };
        let said = said.replace(['\n', '\r'], " ");
        text.push_str(&format!("  {:<9} {mark}  {said}\n", stage.name()));
        if let Found::Failed(_, hint) = found
            && !hint.is_empty()
        {
            text.push_str(&format!("                  what to do: {hint}\n"));
        }
    }
    text
}

fn told(snapshot: &Snapshot, stages: &[(Stage, Found)]) -> Value {
    let stages: Vec<Value> = stages
        .iter()
        .map(|(stage, found)| match found {
            Found::Ok(said) => json!({ "stage": stage.name(), "outcome": "ok", "detail": said }),
            Found::Failed(said, hint) => {
                json!({ "stage": stage.name(), "outcome": "failed", "detail": said, "hint": hint })
            }
            Found::Skipped(why) => json!({ "stage": stage.name(), "outcome": "skipped", "detail": why }),
        })
        .collect();
    json!({
        "name": snapshot.name,
        "environment": snapshot.environment,
        "state": snapshot.state.name().replace(' ', "_"),
        "stages": stages,
    })
}
