use super::offered::OfferFlags;
use crate::console::note;
use crate::{
    config_flags::{ConfigFlags, warn},
    console::print_json,
    failure::Failure,
    table::Table,
};
use afield_config::{Config, HeaderSource, McpServer, Problem, ServerHeader, Variables};
use afield_placement::Placements;
use clap::Args;
use serde_json::{Value, json};

/// How servers are listed, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    offers: OfferFlags,
}

pub(super) async fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let placements = Placements::new(Variables::of_process());
    let loaded = flags.offers.load(config, &placements, &[]).await?;
    if flags.json {
        return print_json(&told(&loaded));
    }
    warn(&loaded.warnings);
    let mut table = Table::new(&["NAME", "ENVIRONMENT", "URL", "HEADERS", "STATE"]);
    for server in loaded.mcp_servers.values() {
        let headers: Vec<&str> = server.headers.iter().map(|header| header.name.as_str()).collect();
        table.row([
            server.name.clone(),
            server.environment.clone(),
            server.url.to_string(),
            headers.join(", "),
            state(server),
        ]);
    }
    for server in &loaded.unusable {
        let first = server.problems.iter().next().map(|problem| problem.what.clone()).unwrap_or_default();
        table.row([&*server.name, "", "", "", &format!("cannot be used: {first}")]);
    }
    if let (true, Some(executor)) = (table.is_empty(), flags.offers.executor()) {
        note!("no MCP servers are placed at {executor}, and it offers none");
        note!(
            "  hint: afield mcp add NAME URL --environment {executor}; or its operator offers servers with offer = true"
        );
        return Ok(());
    }
    if table.is_empty() {
        note!("no MCP servers are configured in {}", config.location()?.path.display());
        note!("  hint: afield mcp add NAME URL, or afield mcp import to copy what other programs have");
        return Ok(());
    }
    table.print()
}

fn state(server: &McpServer) -> String {
    match server.placement() {
        Err(problem) => format!("cannot be used: {}", problem.what),
        Ok(_) if !server.enabled => "disabled".into(),
        Ok(_) if server.offered_by.is_some() => format!("offered by {}", server.environment),
        Ok(_) if server.required => "enabled, required".into(),
        Ok(_) => "enabled".into(),
    }
}

fn told(config: &Config) -> Value {
    let servers: Vec<Value> = config.mcp_servers.values().map(server).collect();
    let unusable: Vec<Value> = config
        .unusable
        .iter()
        .map(|server| json!({ "name": server.name, "problems": server.problems }))
        .collect();
    json!({ "file": config.file, "servers": servers, "unusable": unusable, "warnings": config.warnings })
}

fn server(server: &McpServer) -> Value {
    let problem: Option<&Problem> = server.placement().err();
    json!({
        "name": server.name,
        "url": server.url.to_string(),
        "environment": server.environment,
        "offeredBy": server.offered_by,
        "enabled": server.enabled,
        "required": server.required,
        "headers": server.headers.iter().map(header).collect::<Vec<_>>(),
        "oauth": server.oauth.is_some(),
        "startupTimeoutMs": millis(server.startup_timeout),
        "toolTimeoutMs": millis(server.tool_timeout),
        "idleTimeoutMs": server.idle_timeout.map(millis),
        "problem": problem,
    })
}

/// Where a header's value comes from, and never the value.
fn header(header: &ServerHeader) -> Value {
    let (from, names): (&str, Vec<&str>) = match &header.source {
        HeaderSource::Literal(_) => ("file", Vec::new()),
        HeaderSource::Here(template) => ("env", template.variables().collect()),
        HeaderSource::There { variable, .. } => ("executorEnv", vec![variable]),
        HeaderSource::Secret(name) => ("executorSecret", vec![name]),
    };
    json!({ "name": header.name, "from": from, "names": names })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
