use super::{
    offered::OfferFlags,
    session::{Session, hint},
};
use crate::console::note;
use crate::{ExitCode, config_flags::ConfigFlags, console::print_json, failure::Failure, table::Table};
use afield_mcp::manager::{Manager, ServerState, Snapshot};
use clap::Args;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Which servers are asked how they are, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The servers. Default: all.
    names: Vec<String>,

    /// Wait until all of them are ready, for at most so many seconds (60), trying again meanwhile.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60", require_equals = true)]
    wait: Option<u64>,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    offers: OfferFlags,
}

pub(super) async fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let session = Session::open(config, &flags.offers, &flags.names).await?;
    let manager = session.manager(&flags.names)?;
    if manager.names().next().is_none() {
        note!("no MCP servers are configured in {}", config.location()?.path.display());
        note!("  hint: afield mcp add NAME URL, or afield mcp import to copy what other programs have");
        return Ok(());
    }
    manager.settled().await;
    if let Some(seconds) = flags.wait {
        let _ = timeout(Duration::from_secs(seconds), all_ready(&manager)).await;
    }
    let (snapshots, missing) = (manager.snapshot(), manager.missing());
    manager.close().await;
    session.placements.close().await;
    if flags.json {
        print_json(&json!({ "servers": snapshots.iter().map(told).collect::<Vec<_>>() }))?;
    } else {
        table(&snapshots).print()?;
    }
    let waited = flags.wait.is_some() && snapshots.iter().any(|snapshot| !is_settled(&snapshot.state));
    let names: Vec<_> = missing.iter().map(|snapshot| snapshot.name.as_str()).collect();
    match (names.is_empty(), waited) {
        (false, _) => {
            Err(Failure::new(ExitCode::McpFailed, format!("required and not ready: {}", names.join(", ")))
                .with_hint("afield mcp doctor says where it fails and what to do"))
        }
        (true, true) => Err(Failure::new(ExitCode::Timeout, "not all servers got ready in time")),
        (true, false) => Ok(()),
    }
}

fn is_settled(state: &ServerState) -> bool {
    matches!(state, ServerState::Ready { .. } | ServerState::Disabled)
}

async fn all_ready(manager: &Manager) {
    let names: Vec<String> = manager.names().map(str::to_owned).collect();
    for name in names {
        let Some(mut state) = manager.watch(&name) else { continue };
        let _ = state.wait_for(is_settled).await;
    }
}

fn table(snapshots: &[Snapshot]) -> Table {
    let mut table = Table::new(&["NAME", "ENVIRONMENT", "STATE", "REVISION", "TOOLS", "DETAIL"]);
    for snapshot in snapshots {
        let (revision, tools, detail) = match &snapshot.state {
            ServerState::Ready { revision, server, tools } => (
                revision.clone(),
                tools.map_or_else(String::new, |tools| tools.to_string()),
                server.clone().unwrap_or_default(),
            ),
            other => (String::new(), String::new(), detail(snapshot, other)),
        };
        let (name, environment) = (snapshot.name.clone(), snapshot.environment.clone());
        table.row([name, environment, snapshot.state.name().to_owned(), revision, tools, detail]);
    }
    table
}

fn detail(snapshot: &Snapshot, state: &ServerState) -> String {
    let Some(failure) = state.failure() else { return String::new() };
    match failure.hint.as_str() {
        "" => format!("{}: {}", failure.stage, failure.message),
        _ => format!("{}: {} ({})", failure.stage, failure.message, hint(&snapshot.name, failure)),
    }
}

fn told(snapshot: &Snapshot) -> Value {
    let mut value = json!({
        "name": snapshot.name,
        "environment": snapshot.environment,
        "required": snapshot.required,
        "state": snapshot.state.name().replace(' ', "_"),
    });
    match &snapshot.state {
        ServerState::Ready { revision, server, tools } => {
            value["revision"] = json!(revision);
            value["server"] = json!(server);
            value["tools"] = json!(tools);
        }
        other => {
            if let Some(failure) = other.failure() {
                value["failure"] = super::told::failure(&snapshot.name, failure);
            }
            if let ServerState::Failed { retry_at: Some(at), .. } = other {
                let millis = at.saturating_duration_since(Instant::now()).as_millis();
                value["retryInMs"] = json!(u64::try_from(millis).unwrap_or(u64::MAX));
            }
        }
    }
    value
}
