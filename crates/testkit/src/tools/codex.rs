use super::{Unavailable, npm};
use crate::process::{Command, Process};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const VERSION: &str = "0.171.0";

/// The reference whose `exec-server` speaks the base dialect: version 0.171.0, from npm.
///
/// # Errors
///
/// When npm is missing or fails, or when the package has no program for this platform.
pub fn codex() -> Result<Codex, Unavailable> {
    let modules = npm("@openai/codex", VERSION)?.join("node_modules/@openai");
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "codex-linux-x64",
        ("linux", "aarch64") => "codex-linux-arm64",
        ("macos", "x86_64") => "codex-darwin-x64",
        ("macos", "aarch64") => "codex-darwin-arm64",
        (os, arch) => return Err(Unavailable::new(format!("codex has no program for {os} on {arch}"))),
    };
    // The directory below names the target triple, of which there is one.
    let vendor = modules.join(platform).join("vendor");
    let triples = fs::read_dir(&vendor).into_iter().flatten().flatten();
    let program = triples.map(|triple| triple.path().join("bin/codex")).find(|program| program.is_file());
    let program = program
        .ok_or_else(|| Unavailable::new(format!("codex {VERSION} has no program in {platform}/vendor")))?;
    Ok(Codex { program })
}

/// The installed reference.
#[derive(Clone, Debug)]
pub struct Codex {
    program: PathBuf,
}

/// A running `codex exec-server`, ended on drop, with a home directory of its own.
#[derive(Debug)]
pub struct ExecServer {
    /// The process.
    pub process: Process,
    address: SocketAddr,
    _home: TempDir,
}

impl Codex {
    /// The native program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command with an empty environment but for the path and these homes, and nothing of the user's.
    pub fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", home).env("CODEX_HOME", home).current_dir(home);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Starts its `exec-server` on a free port of `127.0.0.1`, serving 64 requests of a connection at a time.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    ///
    /// # Panics
    ///
    /// When it does not say where it listens.
    pub async fn exec_server(&self) -> Result<ExecServer, Unavailable> {
        self.exec_server_with(|_| {}).await
    }

    /// As [`exec_server`](Self::exec_server), with arguments or variables added by `change`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    ///
    /// # Panics
    ///
    /// When it does not say where it listens.
    pub async fn exec_server_with(
        &self,
        change: impl FnOnce(&mut Command),
    ) -> Result<ExecServer, Unavailable> {
        let failed = |error| Unavailable::new(format!("codex exec-server cannot be started: {error}"));
        let home = tempfile::tempdir().map_err(failed)?;
        let mut command = self.command(home.path());
        command.args(["exec-server", "--listen", "ws://127.0.0.1:0", "--concurrent-requests", "64"]);
        change(&mut command);
        let process = Process::start(command).map_err(failed)?;
        let listening = |line: &str| line.trim().strip_prefix("ws://")?.parse().ok();
        let address = process.stdout().wait("codex says where it listens", listening).await;
        Ok(ExecServer { process, address, _home: home })
    }
}

impl ExecServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}
