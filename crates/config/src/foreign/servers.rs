use crate::{
    Format,
    syntax::{Entry, Node},
};
use std::path::Path;

/// The servers of another program's file. Claude Code keeps some for each project folder: those of `folder` are among
/// them, and go before others of the same name.
pub(crate) fn servers<'a>(format: Format, node: &'a Node, folder: Option<&Path>) -> Vec<&'a Entry> {
    let tables = match format {
        Format::Afield | Format::Codex => vec![node.get("mcp_servers")],
        Format::VsCode => vec![node.get("servers"), node.get("mcp").and_then(|mcp| mcp.get("servers"))],
        Format::McpServers => vec![of_folder(node, folder), node.get("mcpServers")],
    };
    let mut found: Vec<&Entry> = Vec::new();
    for table in tables.into_iter().flatten() {
        // Of two with one name in one table the last one counts, as in JSON.
        for entry in table.as_table().unwrap_or_default().iter().rev() {
            if !found.iter().any(|known| known.key == entry.key) {
                found.push(entry);
            }
        }
    }
    found.sort_by_key(|entry| entry.key_span.start);
    found
}

fn of_folder<'a>(node: &'a Node, folder: Option<&Path>) -> Option<&'a Node> {
    node.get("projects")?.get(folder?.to_str()?)?.get("mcpServers")
}
