use crate::{Format, Variables};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A program that uses MCP servers, and has a file that names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Claude Desktop, whose file takes commands alone.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// VS Code.
    VsCode,
    /// Codex.
    Codex,
}

/// Whose servers a file names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The user's, in every project.
    #[default]
    User,
    /// Those of the project in this folder.
    Project,
}

impl Host {
    /// Every one.
    pub const ALL: &'static [Self] =
        &[Self::ClaudeDesktop, Self::ClaudeCode, Self::Cursor, Self::VsCode, Self::Codex];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
        }
    }

    /// How its file is written.
    pub fn format(self) -> Format {
        match self {
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor => Format::McpServers,
            Self::VsCode => Format::VsCode,
            Self::Codex => Format::Codex,
        }
    }

    /// Whether its file takes URLs, so that it can use the gateway.
    pub fn takes_urls(self) -> bool {
        self != Self::ClaudeDesktop
    }

    /// Its file in this scope, where it has one; `folder` is the project's. It need not exist.
    pub fn file(self, scope: Scope, folder: &Path, variables: &Variables) -> Option<PathBuf> {
        let home = || variables.home();
        let folder_of = |name: &str, otherwise: &str| {
            variables.get(name).map(PathBuf::from).or_else(|| Some(home()?.join(otherwise)))
        };
        match (self, scope) {
            (Self::ClaudeDesktop, Scope::User) => {
                Some(applications(variables)?.join("Claude/claude_desktop_config.json"))
            }
            (Self::ClaudeDesktop, Scope::Project) => None,
            (Self::ClaudeCode, Scope::User) => Some(folder_of("CLAUDE_CONFIG_DIR", "")?.join(".claude.json")),
            (Self::ClaudeCode, Scope::Project) => Some(folder.join(".mcp.json")),
            (Self::Cursor, Scope::User) => Some(home()?.join(".cursor/mcp.json")),
            (Self::Cursor, Scope::Project) => Some(folder.join(".cursor/mcp.json")),
            (Self::VsCode, Scope::User) => Some(applications(variables)?.join("Code/User/mcp.json")),
            (Self::VsCode, Scope::Project) => Some(folder.join(".vscode/mcp.json")),
            (Self::Codex, Scope::User) => Some(folder_of("CODEX_HOME", ".codex")?.join("config.toml")),
            (Self::Codex, Scope::Project) => Some(folder.join(".codex/config.toml")),
        }
    }
}

/// Where desktop programs keep their files.
fn applications(variables: &Variables) -> Option<PathBuf> {
    if cfg!(windows) {
        return variables.get("APPDATA").map(PathBuf::from);
    }
    let home = variables.home()?;
    if cfg!(target_os = "macos") {
        return Some(home.join("Library/Application Support"));
    }
    let configured = variables.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(configured.unwrap_or_else(|| home.join(".config")))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|host| host.name() == text).copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|host| host.name()).collect();
            format!("known are {}", names.join(", "))
        })
    }
}
