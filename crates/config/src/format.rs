/// Whose file it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own: `config.toml`.
    #[default]
    Afield,
    /// `mcpServers` in JSON, as Claude Desktop, Claude Code and Cursor have it.
    McpServers,
    /// `servers` in JSON with comments, as VS Code's `mcp.json` has it.
    VsCode,
    /// `[mcp_servers]` in Codex's `config.toml`.
    Codex,
}
