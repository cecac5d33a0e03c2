//! The servers that stand behind the gateway.

use afield_testkit::{
    Process,
    tools::{self, Unavailable},
};
use std::path::{Path, PathBuf};
use tokio::process::Command;

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
const EVERYTHING: &str = "@modelcontextprotocol/server-everything";

/// A running server, ended on drop.
pub struct Server {
    pub url: String,
    _process: Process,
}

/// The program of `server-everything`.
pub fn everything() -> Result<PathBuf, Unavailable> {
    Ok(tools::npm(EVERYTHING, "2026.8.31")?.join("node_modules").join(EVERYTHING).join("dist/index.js"))
}

/// A Python that has the official SDK.
pub fn python() -> Result<PathBuf, Unavailable> {
    Ok(tools::pip(&["mcp==2.3.0"])?.join("bin/python"))
}

impl Server {
    async fn start(command: Command) -> Self {
        let process = Process::start(command).unwrap();
        let url = process.stdout().wait_line("http://").await;
        Self { url, _process: process }
    }

    /// Our own, which implements all the suite asks for.
    pub async fn complete() -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_conformance-server"))).await
    }

    pub async fn everything(program: &Path) -> Self {
        let mut command = Command::new("node");
        command.args(["--require", &format!("{PROGRAMS}/loopback.cjs")]).arg(program).arg("streamableHttp");
        Self::start(command).await
    }

    pub async fn python(python: &Path) -> Self {
        let mut command = Command::new(python);
        command.arg(format!("{PROGRAMS}/python_server.py"));
        Self::start(command).await
    }
}
