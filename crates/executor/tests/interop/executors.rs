//! The two executors that are compared.

use afield_executor::{Config, Executor, Listen};
use afield_testkit::within;
use std::{net::SocketAddr, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// afield's executor, in this process.
pub struct Own {
    pub address: SocketAddr,
    running: JoinHandle<()>,
}

impl Own {
    pub async fn start() -> Self {
        let listen = Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 0)));
        let executor = Executor::bind(Config { listen, ..Config::default() }).await.unwrap();
        let address = executor.local_addr().unwrap();
        Self { address, running: tokio::spawn(executor.run(CancellationToken::new())) }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// The reference's executor, a process that ends with this value.
pub struct Reference {
    pub address: SocketAddr,
    process: Child,
    _home: tempfile::TempDir,
}

impl Reference {
    pub async fn start(codex: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut process = codex_command(codex, home.path())
            .args(["exec-server", "--listen", "ws://127.0.0.1:0", "--concurrent-requests", "64"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = within("the reference says where it listens", lines.next_line()).await.unwrap().unwrap();
        let address = line.strip_prefix("ws://").unwrap().parse().unwrap();
        Self { address, process, _home: home }
    }

    /// Ends the process and waits until it is gone.
    pub async fn kill(&mut self) {
        within("the reference ends", self.process.kill()).await.unwrap();
    }
}

/// The reference with a home of its own, and nothing of this machine's configuration.
pub fn codex_command(codex: &Path, home: &Path) -> Command {
    let mut command = Command::new(codex);
    let configuration = home.join(".codex");
    std::fs::create_dir_all(&configuration).unwrap();
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("CODEX_HOME", configuration)
        .current_dir(home)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}
