use super::{
    offered::OfferFlags,
    session::{Session, blame, of_stage},
};
use crate::{
    ExitCode,
    config_flags::ConfigFlags,
    console::{print, print_json},
    failure::Failure,
};
use afield_config::parse_duration;
use afield_exchange::{Blame, Retry};
use afield_mcp::{Stage, manager::CallError};
use clap::Args;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ResourceContents};
use serde_json::json;
use std::{io::Read, time::Duration};

/// Which tool is called with what, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The server's name.
    name: String,

    /// The tool's name.
    tool: String,

    /// The arguments: a JSON object, `@FILE` that holds one, or `-` for standard input. Default: none.
    #[arg(value_name = "JSON|@FILE|-")]
    arguments: Option<String>,

    /// How long it may take, as `90s` or `5m`; progress that the server reports begins it anew. Default: the server's
    /// `tool_timeout`.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,

    /// Print JSON: the result as the server gave it.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    offers: OfferFlags,
}

pub(super) async fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let arguments = arguments(flags.arguments.as_deref())?;
    let timeout = flags.timeout.as_deref().map(time).transpose()?;
    let session = Session::open(config, &flags.offers, std::slice::from_ref(&flags.name)).await?;
    let manager = session.manager_of(&flags.name)?;
    let called = manager.call_tool(&flags.name, &flags.tool, arguments, timeout).await;
    manager.close().await;
    session.placements.close().await;
    let result = called.map_err(|error| failed(&flags.name, &error))?;
    if flags.json {
        print_json(&result)?;
    } else {
        print(text(&result))?;
    }
    match result.is_error {
        Some(true) => Err(Failure::new(
            ExitCode::ToolFailed,
            format!("{}: the tool {} says that it failed", flags.name, flags.tool),
        )),
        _ => Ok(()),
    }
}

fn time(text: &str) -> Result<Duration, Failure> {
    parse_duration(text).map_err(|why| Failure::usage(format!("--timeout: {why}")))
}

fn arguments(given: Option<&str>) -> Result<Option<JsonObject>, Failure> {
    let Some(given) = given else { return Ok(None) };
    let unreadable = |name: &str, error: std::io::Error| {
        Failure::new(ExitCode::Read, format!("cannot read the arguments from {name}: {error}"))
    };
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| unreadable(file, error))?,
        None if given == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| unreadable("standard input", error))?;
            text
        }
        None => given.to_owned(),
    };
    let parsed = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("the arguments are no JSON object: {error}"))
            .with_hint("write them as '{\"name\": \"value\"}'")
    })?;
    Ok(Some(parsed))
}

/// Why a call brought no result.
pub(super) fn failed(name: &str, error: &CallError) -> Failure {
    if let Some(failure) = error.failure() {
        let mut told = of_stage(name, failure);
        // Where something has to be done first, that stands in the hint.
        told.verdict = match (error.may_have_been_executed(), failure.stage) {
            (true, _) => Some((blame(failure.stage), Retry::Unknown)),
            (false, Stage::Config | Stage::Policy) => None,
            (false, Stage::Auth) if failure.is_login_needed() => None,
            (false, _) if failure.blame().is_some() => failure.blame().map(|blame| (blame, Retry::Safe)),
            (false, _) => Some((blame(failure.stage), Retry::Safe)),
        };
        return told;
    }
    let code = match error {
        CallError::Timeout(_) => ExitCode::Timeout,
        _ => ExitCode::McpFailed,
    };
    let mut told = Failure::new(code, format!("{name}: {error}"));
    told.verdict = match error {
        CallError::Timeout(_) | CallError::InputRequired => Some((Blame::Origin, Retry::Unknown)),
        _ => None,
    };
    match error {
        // What is wrong with the name or the arguments; any other refusal is the server's to explain.
        CallError::Refused(data) if matches!(data.code.0, -32602 | -32601) => {
            told.with_hint(format!("`afield mcp tools {name}` shows what there is"))
        }
        CallError::Timeout(_) => told.with_hint("--timeout gives it longer"),
        _ => told,
    }
}

/// A result as a person reads it: texts as they are, everything else named.
fn text(result: &CallToolResult) -> String {
    let mut text = String::new();
    for block in &result.content {
        let shown = match block {
            ContentBlock::Text(block) => block.text.clone(),
            ContentBlock::Image(block) => binary("image", &block.mime_type, &block.data),
            ContentBlock::Audio(block) => binary("audio", &block.mime_type, &block.data),
            ContentBlock::Resource(block) => match &block.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => format!("{uri}\n{text}"),
                ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                    format!("{uri}\n{}", binary("blob", mime_type.as_deref().unwrap_or("unknown type"), blob))
                }
                other => json!(other).to_string(),
            },
            ContentBlock::ResourceLink(link) => format!("{} ({})", link.uri, link.name),
            other => json!(other).to_string(),
        };
        text.push_str(&shown);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    if let (Some(structured), true) = (&result.structured_content, result.content.is_empty()) {
        text.push_str(&format!("{structured:#}\n"));
    }
    text
}

fn binary(what: &str, mime_type: &str, base64: &str) -> String {
    format!("[{what}, {mime_type}, {} bytes: --json shows it]", base64.trim_end_matches('=').len() * 3 / 4)
}
