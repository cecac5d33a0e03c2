use super::{call, offered::OfferFlags, session::Session};
use crate::console::note;
use crate::{config_flags::ConfigFlags, console::print_json, failure::Failure, table::Table};
use clap::Args;
use rmcp::model::Tool;
use serde_json::{Value, json};

/// Which server's tools are listed, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The server's name.
    name: String,

    /// Print JSON: the tools as the server describes them.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    offers: OfferFlags,
}

pub(super) async fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let session = Session::open(config, &flags.offers, std::slice::from_ref(&flags.name)).await?;
    let manager = session.manager_of(&flags.name)?;
    let listed = manager.list_tools(&flags.name).await;
    manager.close().await;
    session.placements.close().await;
    let tools = listed.map_err(|error| call::failed(&flags.name, &error))?;
    if flags.json {
        return print_json(&json!({ "tools": tools }));
    }
    if tools.is_empty() {
        note!("{} has no tools", flags.name);
        return Ok(());
    }
    let mut table = Table::new(&["NAME", "ARGUMENTS", "DESCRIPTION"]);
    for tool in &tools {
        let description = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
        let first = description.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        table.row([tool.name.to_string(), arguments(tool), first.to_owned()]);
    }
    table.print()
}

/// The arguments of a tool; those it can do without in brackets.
fn arguments(tool: &Tool) -> String {
    let properties = tool.input_schema.get("properties").and_then(Value::as_object);
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let mut names: Vec<_> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_by_key(|name| !is_required(name));
    let shown = names.into_iter().map(|name| match is_required(name) {
        true => name.to_owned(),
        false => format!("[{name}]"),
    });
    shown.collect::<Vec<_>>().join(" ")
}
