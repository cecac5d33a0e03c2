//! Servers, hosts and gateways, each in a process of its own.

use crate::support::{afield, serve};
use afield_testkit::{
    Process,
    tools::{self, Unavailable},
    within,
};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");
const LOOPBACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/programs/loopback.cjs");
const EVERYTHING: &str = "@modelcontextprotocol/server-everything";

/// The official SDK of a language, with a server and a host on it.
pub enum Sdk {
    Python { python: PathBuf },
    TypeScript { modules: PathBuf },
}

impl Sdk {
    pub fn python() -> Result<Self, Unavailable> {
        Ok(Self::Python { python: tools::pip(&["mcp==2.3.0"])?.join("bin/python") })
    }

    pub fn typescript() -> Result<Self, Unavailable> {
        Ok(Self::TypeScript { modules: tools::npm(EVERYTHING, "2026.8.31")?.join("node_modules") })
    }

    /// A server with a tool that has it say something on the session's own stream, and its URL.
    pub async fn server(&self) -> (Process, String) {
        let command = match self {
            Self::Python { python } => {
                let mut command = Command::new(python);
                command.arg(format!("{PROGRAMS}/teller.py"));
                command
            }
            Self::TypeScript { modules } => {
                let mut command = Command::new("node");
                command.args(["--require", LOOPBACK]).arg(modules.join(EVERYTHING).join("dist/index.js"));
                command.arg("streamableHttp");
                command
            }
        };
        let process = Process::start(command).unwrap();
        let url = process.stdout().wait_line("http://").await;
        (process, url)
    }

    /// The tool of that server.
    fn tool(&self) -> &'static str {
        match self {
            Self::Python { .. } => "tell",
            Self::TypeScript { .. } => "toggle-simulated-logging",
        }
    }

    /// A host that has connected to that server at `url`.
    pub async fn host(&self, url: &str) -> Host {
        self.connected(url, None).await
    }

    /// A host that has connected to what this command puts on its standard input and output.
    pub async fn host_of(&self, started: &Command) -> Host {
        self.connected("-", Some(started)).await
    }

    async fn connected(&self, url: &str, started: Option<&Command>) -> Host {
        let command = match self {
            Self::Python { python } => {
                let mut command = Command::new(python);
                command.arg(format!("{PROGRAMS}/host.py"));
                command
            }
            Self::TypeScript { modules } => {
                let mut command = Command::new("node");
                command.arg(format!("{PROGRAMS}/host.mjs")).arg(modules.join("@modelcontextprotocol/sdk"));
                command
            }
        };
        let mut command = command;
        command.args([url, self.tool()]);
        if let Some(started) = started {
            let started = started.as_std();
            command.arg(started.get_program()).args(started.get_args());
        }
        let process = Process::start(command).unwrap();
        process.stdout().wait_line("0 ready").await;
        Host { process, asked: 0 }
    }
}

/// A running host, ended on drop.
pub struct Host {
    process: Process,
    asked: u64,
}

impl Host {
    /// Has it do something, and returns what it says of it.
    pub async fn does(&mut self, command: &str) -> String {
        self.asked += 1;
        self.process.write_stdin(format!("{command}\n").as_bytes()).await.unwrap();
        let beginning = format!("{} ", self.asked);
        let said = self
            .process
            .stdout()
            .wait(command, move |line| line.strip_prefix(&*beginning).map(str::to_owned));
        said.await
    }
}

/// A port of this machine that nobody has, to be listened on more than once.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// An executor, and gateways to it at one address, with a route `s`.
pub struct Gateways {
    pub address: SocketAddr,
    pub executor: (Child, String),
    server: String,
    home: TempDir,
}

impl Gateways {
    pub async fn to(server: &str) -> Self {
        let home = TempDir::new().unwrap();
        Self { address: free_address(), executor: serve(&[]).await, server: server.to_owned(), home }
    }

    /// Where hosts find the server.
    pub fn url(&self) -> String {
        format!("http://{}/s", self.address)
    }

    /// What starts one of them.
    pub fn command(&self) -> Command {
        let mut command = afield(&["gateway", "--log", "off", "--executor", &self.executor.1]);
        command.env("HOME", Path::new(self.home.path()));
        command.args(["--listen", &self.address.to_string(), "--route", &format!("s={}", self.server)]);
        command
    }

    /// `afield mcp connect` to a server that is at this URL, from here.
    pub fn connect(&self, url: &str) -> Command {
        let config = self.home.path().join("connect.toml");
        std::fs::write(&config, format!("[mcp_servers.s]\nurl = \"{url}\"\n")).unwrap();
        afield(&["mcp", "connect", "--config", config.to_str().unwrap(), "s"])
    }

    /// Starts one of them on this socket, which is given to it as systemd gives one, and waits until it says where it listens.
    pub async fn start_on(&self, socket: &TcpListener) -> Child {
        start_on(&self.command(), socket).await.0
    }
}

/// Starts what the command says on this socket, which is given to it as systemd gives one, and waits until it says where it
/// listens.
pub async fn start_on(given: &Command, socket: &TcpListener) -> (Child, String) {
    let given = given.as_std();
    let mut command = Command::new("sh");
    command.env_clear().envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null", "sh"]);
    command.arg(given.get_program()).args(given.get_args());
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = within("it says where it listens", lines.next_line()).await.unwrap().unwrap();
    (child, url)
}

/// Waits until a gateway listens.
pub async fn started(command: Command) -> Process {
    let gateway = Process::start(command).unwrap();
    gateway.stdout().wait_line("HTTP_PROXY=").await;
    gateway
}
