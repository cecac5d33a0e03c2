use crate::{
    Format,
    syntax::{Node, Syntax},
};
use std::path::Path;

/// How a file is written: by its name, else by how it begins.
pub(crate) fn syntax(path: &Path, text: &str) -> Syntax {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Syntax::Toml,
        Some("json" | "jsonc" | "json5") => Syntax::Json,
        _ => {
            let start = text.trim_start_matches('\u{feff}').trim_start();
            if start.starts_with('{') || start.starts_with("//") || start.starts_with("/*") {
                Syntax::Json
            } else {
                Syntax::Toml
            }
        }
    }
}

/// Whose file it is, by what it says. `None`: JSON without any servers.
pub(crate) fn format(path: &Path, syntax: Syntax, node: &Node) -> Option<Format> {
    match syntax {
        Syntax::Toml if is_codex(path, node) => Some(Format::Codex),
        Syntax::Toml => Some(Format::Afield),
        Syntax::Json if node.get("mcpServers").is_some() || node.get("projects").is_some() => {
            Some(Format::McpServers)
        }
        Syntax::Json if node.get("servers").is_some() => Some(Format::VsCode),
        Syntax::Json if node.get("mcp").and_then(|mcp| mcp.get("servers")).is_some() => Some(Format::VsCode),
        Syntax::Json => None,
    }
}

/// Sections and keys that Codex's file has, and ours has not.
const CODEX: &[&str] = &[
    "approval_policy",
    "features",
    "history",
    "marketplaces",
    "mcp_oauth_callback_port",
    "mcp_oauth_credentials_store",
    "model",
    "model_provider",
    "model_providers",
    "model_reasoning_effort",
    "notice",
    "personality",
    "plugins",
    "profile",
    "profiles",
    "projects",
    "sandbox_mode",
    "shell_environment_policy",
    "tui",
];

fn is_codex(path: &Path, node: &Node) -> bool {
    let in_its_folder = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == ".codex");
    in_its_folder || CODEX.iter().any(|key| node.get(key).is_some())
}
