//! Hosts as they are published, each at a server directly, through the gateway and by `afield mcp connect`, behind an executor: what
//! works directly works there, also after the server, the executor or the gateway was started again.

use super::parts::{free_address, started};
use crate::support::{afield, code, run, text};
use afield_testkit::{
    Process,
    mcp::Server,
    require_or_skip,
    tools::{Unavailable, npm},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::process::Command;

/// A server, the way to it by an executor and a gateway, and a user's home with the configuration of both.
struct World {
    server: Server,
    home: TempDir,
    gateway_at: SocketAddr,
    executor_at: SocketAddr,
    executor: Option<Process>,
    gateway: Option<Process>,
}

impl World {
    async fn start() -> Self {
        let (server, home) = (Server::start().await, TempDir::new().unwrap());
        let (gateway_at, executor_at) = (free_address(), free_address());
        let folder = home.path().join(".config/afield");
        std::fs::create_dir_all(&folder).unwrap();
        let configuration = format!(
            "[executors.lab]\nurl = \"ws://{executor_at}\"\n[mcp_servers.s]\nurl = \"{}\"\nenvironment = \"lab\"\n\
             [gateway]\nlisten = \"{gateway_at}\"\n",
            server.url()
        );
        std::fs::write(folder.join("config.toml"), configuration).unwrap();
        let mut world = Self { server, home, gateway_at, executor_at, executor: None, gateway: None };
        world.restart_executor().await;
        world.restart_gateway().await;
        world
    }

    /// Kills the executor, if there is one, and starts it at the same address.
    async fn restart_executor(&mut self) {
        killed(self.executor.take()).await;
        let at = format!("ws://{}", self.executor_at);
        let executor = Process::start(afield(&["serve", "--log", "off", "--listen", &at])).unwrap();
        executor.stdout().wait_line("ws://").await;
        self.executor = Some(executor);
    }

    async fn restart_gateway(&mut self) {
        killed(self.gateway.take()).await;
        let mut command = afield(&["gateway", "--log", "off"]);
        command.env("HOME", self.home.path());
        self.gateway = Some(started(command).await);
    }

    fn gateway_url(&self) -> String {
        format!("http://{}/s", self.gateway_at)
    }

    /// A published program of Node's, for the user of this home.
    fn node(&self, script: &Path) -> Command {
        let mut command = Command::new("node");
        command.env_clear().env("HOME", self.home.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg(script);
        command
    }
}

/// Ends what runs, and lets go of its address.
async fn killed(process: Option<Process>) {
    if let Some(mut process) = process {
        process.kill();
        process.wait_exit().await;
    }
}

/// A host that makes one call and ends.
enum OneCall {
    Mcporter(PathBuf),
    Inspector(PathBuf),
}

/// Where a host finds the server.
#[derive(Clone, Copy, Debug)]
enum Way {
    Direct,
    Gateway,
    Connect,
}

impl OneCall {
    fn mcporter() -> Result<Self, Unavailable> {
        Ok(Self::Mcporter(npm("mcporter", "0.12.3")?.join("node_modules/mcporter/dist/cli.js")))
    }

    fn inspector() -> Result<Self, Unavailable> {
        let package = npm("@modelcontextprotocol/inspector", "2.12.0")?;
        let script = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
        Ok(Self::Inspector(package.join(script)))
    }

    /// Calls the tool `count`, or lists the tools. Returns what the host said, if it says that all went well.
    async fn does(&self, world: &World, way: Way, calls: bool) -> Result<String, String> {
        let url = match way {
            Way::Direct => world.server.url(),
            Way::Gateway | Way::Connect => world.gateway_url(),
        };
        let connect = [env!("CARGO_BIN_EXE_afield"), "mcp", "connect", "s"];
        let command = match (self, calls, way) {
            (Self::Mcporter(script), true, Way::Connect) => {
                let mut command = world.node(script);
                command.args(["call", "--stdio", &connect.join(" "), "--tool", "count"]);
                command
            }
            (Self::Mcporter(script), false, Way::Connect) => {
                let mut command = world.node(script);
                command.args(["list", "--stdio", &connect.join(" ")]);
                command
            }
            (Self::Mcporter(script), true, _) => {
                let mut command = world.node(script);
                command.args(["call", "--allow-http", &format!("{url}.count")]);
                command
            }
            (Self::Mcporter(script), false, _) => {
                let mut command = world.node(script);
                command.args(["list", "--allow-http", &url]);
                command
            }
            (Self::Inspector(script), ..) => {
                let mut command = world.node(script);
                command.arg("--cli");
                match way {
                    Way::Connect => _ = command.args(connect),
                    Way::Direct | Way::Gateway => _ = command.args([&url, "--transport", "http"]),
                }
                match calls {
                    true => command.args(["--method", "tools/call", "--tool-name", "count"]),
                    false => command.args(["--method", "tools/list"]),
                };
                command
            }
        };
        let got = run(command).await;
        let said = text(&got.stdout) + &text(&got.stderr);
        let wanted = if calls { "done" } else { "count" };
        match code(&got) == 0 && said.contains(wanted) {
            true => Ok(said),
            false => Err(said),
        }
    }
}

/// Has a host list and call in each way, and call through the gateway after each restart of what stands behind it. Each call is
/// executed once.
async fn does_everywhere(host: &OneCall) {
    let mut world = World::start().await;
    for way in [Way::Gateway, Way::Connect] {
        host.does(&world, way, false).await.unwrap_or_else(|said| panic!("{way:?} lists: {said}"));
    }
    for way in [Way::Direct, Way::Gateway, Way::Connect] {
        calls_once(host, &world, way, "at first").await;
    }
    world.server.restart().await;
    calls_once(host, &world, Way::Gateway, "the server is another").await;
    world.restart_executor().await;
    calls_once(host, &world, Way::Gateway, "the executor is another").await;
    world.restart_gateway().await;
    calls_once(host, &world, Way::Gateway, "the gateway is another").await;
}

async fn calls_once(host: &OneCall, world: &World, way: Way, when: &str) {
    let before = world.server.counts().executed;
    host.does(world, way, true).await.unwrap_or_else(|said| panic!("{way:?} calls, {when}: {said}"));
    assert_eq!(world.server.counts().executed, before + 1, "{way:?}, {when}");
}

/// Proves that mcporter lists and calls through the gateway and by `mcp connect` behind an executor as it calls directly, also when
/// each of what stands there was started again.
#[tokio::test(flavor = "multi_thread")]
async fn mcporter_does_behind_an_executor_what_it_does_directly() {
    does_everywhere(&require_or_skip!(OneCall::mcporter())).await;
}

/// Proves the same of the command of the MCP Inspector.
#[tokio::test(flavor = "multi_thread")]
async fn inspector_does_behind_an_executor_what_it_does_directly() {
    does_everywhere(&require_or_skip!(OneCall::inspector())).await;
}

/// mcp-remote, which stays, spoken to on its standard input and output.
struct McpRemote {
    process: Process,
    asked: u64,
}

impl McpRemote {
    fn script() -> Result<PathBuf, Unavailable> {
        Ok(npm("mcp-remote", "0.15.1")?.join("node_modules/mcp-remote/dist/proxy.js"))
    }

    async fn start(world: &World, url: &str) -> Self {
        let mut command = world.node(&Self::script().unwrap());
        command.args([url, "--allow-http"]);
        let mut remote = Self { process: Process::start(command).unwrap(), asked: 0 };
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = remote.asks("initialize", params).await;
        assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
        remote.says(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        remote
    }

    async fn says(&mut self, message: &Value) {
        self.process.write_stdin(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn asks(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.says(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let answer = move |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            (message["id"] == id && message.get("method").is_none()).then_some(message)
        };
        self.process.stdout().wait("mcp-remote's answer", answer).await
    }

    /// Whether a call of a tool is answered with its result.
    async fn calls(&mut self) -> bool {
        let answer = self.asks("tools/call", json!({ "name": "count", "arguments": {} })).await;
        answer["result"]["content"][0]["text"] == "done"
    }
}

/// Proves that mcp-remote goes on through the gateway behind an executor where it goes on directly: its calls come through before and
/// after the server is started again, and after the executor and the gateway are; none is executed more often than directly.
#[tokio::test(flavor = "multi_thread")]
async fn host_that_stays_goes_on_behind_an_executor_where_it_does_directly() {
    require_or_skip!(McpRemote::script());
    let mut world = World::start().await;
    let mut direct = McpRemote::start(&world, &world.server.url()).await;
    let mut behind = McpRemote::start(&world, &world.gateway_url()).await;
    assert_eq!([direct.calls().await, behind.calls().await], [true, true]);
    world.server.restart().await;
    let before = world.server.counts().executed;
    let went_on = direct.calls().await;
    let directly = world.server.counts().executed - before;
    assert!(behind.calls().await || !went_on, "it goes on directly");
    assert!(world.server.counts().executed - before - directly <= directly.max(1));
    world.restart_executor().await;
    let after_executor = behind.calls().await || behind.calls().await;
    assert!(after_executor, "the executor is another one, and the server's session is the same");
    world.restart_gateway().await;
    let after_gateway = behind.calls().await || behind.calls().await;
    assert!(after_gateway, "the gateway is another one");
}
