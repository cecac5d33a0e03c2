//! `afield mcp status`, `tools`, `call`, `doctor` and `connect`, and `afield doctor`: the binary, an executor that is a
//! process of its own, and a server that counts.

use crate::support::{afield, code, run, serve, text};
use afield_testkit::{mcp::Server, process::Process, within};
use serde_json::{Value, json};
use std::{path::Path, process::Output};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

fn configured(text: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".config/afield")).unwrap();
    std::fs::write(home.path().join(".config/afield/config.toml"), text).unwrap();
    home
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = afield(arguments);
    command.env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

async fn said(home: &Path, arguments: &[&str]) -> Output {
    run(command(home, arguments)).await
}

/// Proves that each command says what there is, here and over there, in words and as JSON, and ends with the code of what
/// happened.
#[tokio::test(flavor = "multi_thread")]
async fn servers_are_seen_called_and_looked_into() {
    let server = Server::start().await;
    let (_executor, executor) = serve(&[]).await;
    let url = server.url();
    let home = configured(&format!(
        "[executors.lab]\nurl = \"{executor}\"\n[mcp_servers]\nfar = {{ url = \"{url}\", environment = \"lab\" }}\n\
         near = {{ url = \"{url}\" }}\ngone = {{ url = \"http://127.0.0.1:1/mcp\", environment = \"lab\" }}\n\
         lost = {{ url = \"{url}\", environment = \"nowhere\" }}\n"
    ));
    let home = home.path();
    let got = said(home, &["mcp", "status"]).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    let table = text(&got.stdout);
    for expected in
        ["far   lab          ready", "near  local        ready", "connect: ", "config: there is no executor"]
    {
        assert!(table.contains(expected), "{table}");
    }
    let got = said(home, &["mcp", "status", "far", "--json"]).await;
    let told: Value = serde_json::from_slice(&got.stdout).unwrap();
    assert_eq!(
        (&told["servers"][0]["revision"], &told["servers"][0]["tools"]),
        (&json!("2025-11-25"), &json!(1))
    );
    assert!(text(&said(home, &["mcp", "tools", "far"]).await.stdout).contains("count"));
    let got = said(home, &["mcp", "call", "far", "count", "{}"]).await;
    assert_eq!((code(&got), text(&got.stdout)), (0, "done\n".to_owned()));
    assert_eq!(server.counts().executed, 1);
    for (arguments, expected) in [
        (&["mcp", "call", "gone", "count"][..], 7),
        (&["mcp", "call", "lost", "count"], 78),
        (&["mcp", "call", "none", "count"], 2),
        (&["mcp", "call", "far", "count", "[]"], 2),
        (&["mcp", "call", "far", "gated", "--timeout", "100ms"], 28),
        (&["mcp", "doctor", "gone"], 109),
        (&["doctor", "ws://127.0.0.1:1"], 104),
        (&["doctor", "nowhere"], 2),
    ] {
        let got = said(home, arguments).await;
        assert_eq!(code(&got), expected, "{arguments:?}: {}", text(&got.stderr));
    }
    let seen = text(&said(home, &["mcp", "doctor", "gone"]).await.stdout);
    assert!(
        seen.contains("executor  ok") && seen.contains("connect   FAIL") && seen.contains("what to do"),
        "{seen}"
    );
    for target in ["lab", &executor] {
        let got = said(home, &["doctor", target, "--json"]).await;
        let told: Value = serde_json::from_slice(&got.stdout).unwrap();
        assert_eq!(told["executors"][0]["dialect"], "afield/1", "{told}");
        assert_eq!(told["executors"][0]["deniesReservedAddresses"], true, "{told}");
        assert!(told["executors"][0]["latencyMs"].as_f64().is_some(), "{told}");
    }
}

/// Proves that a host on standard input and output keeps its session while the executor is killed and started again in the
/// middle of a call: that call is answered with an error, nothing is executed twice, and the next call works.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_outlives_a_killed_executor() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("x.sock").display());
    let start = || {
        let mut command = afield_testkit::process::Command::new(env!("CARGO_BIN_EXE_afield"));
        command.args(["serve", "--listen", &socket, "--log", "off"]);
        Process::start(command).unwrap()
    };
    let mut executor = start();
    executor.stdout().wait_line("unix:").await;
    let home = configured(&format!(
        "[executors.lab]\nurl = \"{socket}\"\n[mcp_servers.far]\nurl = \"{}\"\nenvironment = \"lab\"\n",
        server.url()
    ));
    let mut host = command(home.path(), &["mcp", "connect", "far"]);
    let mut host =
        host.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) =
        (host.stdin.take().unwrap(), BufReader::new(host.stdout.take().unwrap()).lines());
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let call = |id: u64, tool: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } });
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        call(1, "gated"),
    ];
    for line in lines {
        input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
    let mut hear = async || -> Value {
        let line = within("a message", output.next_line()).await.unwrap().expect("it goes on");
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(hear().await["result"]["serverInfo"]["name"], "counting");
    server.until("the call is being executed", |counts| counts.executed == 1).await;
    executor.kill();
    executor.wait_exit().await;
    let again = start();
    again.stdout().wait_line("unix:").await;
    let answer = hear().await;
    assert_eq!(answer["error"]["data"]["afield"]["mayHaveBeenExecuted"], true, "{answer}");
    input.write_all(format!("{}\n", call(2, "count")).as_bytes()).await.unwrap();
    assert_eq!(hear().await["result"]["content"][0]["text"], "done");
    drop(input);
    assert_eq!(within("its end", host.wait()).await.unwrap().code(), Some(0));
    let counts = server.counts();
    assert_eq!(
        (counts.initialized, counts.executed, counts.deleted),
        (1, 2, 1),
        "the session outlived the executor"
    );
}

/// What runs in the namespace beside the executor: loopback, and an MCP server that only the namespace can reach.
const INSIDE: &str = r#"
import fcntl, http.server, json, os, socket, struct, sys, threading, time
s = socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))
def leave(parent=os.getppid()):
    while os.getppid() == parent: time.sleep(0.1)
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def answer(self, status, body=b""):
        self.send_response(status); self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_GET(self): self.answer(405)
    def do_POST(self):
        m = json.loads(self.rfile.read(int(self.headers["content-length"]))); i = m.get("id")
        if i is None: return self.answer(202)
        r = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "inside", "version": "1"}},
             "tools/list": {"tools": []}, "tools/call": {"content": [{"type": "text", "text": "from inside"}]}}.get(m["method"])
        e = {"result": r} if r else {"error": {"code": -32601, "message": "unknown"}}
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": i, **e}).encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H)
server.serve_forever()
"#;

/// Proves placement by the network itself: a server in a network namespace of its own is called through the executor in
/// there, over a Unix socket, and cannot be reached from here at the same address.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_a_namespace_is_reached_from_in_there_alone() {
    let permitted = std::process::Command::new("unshare").args(["-rn", "true"]).output();
    let has_python = std::process::Command::new("python3").arg("--version").output().is_ok();
    if !permitted.is_ok_and(|output| output.status.success()) || !has_python {
        eprintln!("skipped: network namespaces are not permitted here, or there is no python3");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, script) = (folder.path().join("x.sock"), folder.path().join("inside.py"));
    std::fs::write(&script, INSIDE).unwrap();
    // A port that is refused here, and free in there.
    let port = afield_testkit::dead::Refusing::on("127.0.0.1");
    let number = port.address().port().to_string();
    let mut inside = afield_testkit::process::Command::new("unshare");
    let start = "python3 \"$1\" \"$2\" & exec \"$3\" serve --listen \"unix:$4\" --log off";
    inside.args(["-rn", "sh", "-c", start, "sh"]).args([&script]).arg(&number);
    inside.arg(env!("CARGO_BIN_EXE_afield")).arg(&socket);
    let executor = Process::start(inside).unwrap();
    executor.stdout().wait_line("unix:").await;
    let url = format!("http://127.0.0.1:{number}/mcp");
    let home = configured(&format!(
        "[executors.inside]\nurl = \"unix:{}\"\n[mcp_servers.there]\nurl = \"{url}\"\nenvironment = \"inside\"\n\
         [mcp_servers.here]\nurl = \"{url}\"\n",
        socket.display()
    ));
    let got = said(home.path(), &["mcp", "status", "there", "--wait"]).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    let got = said(home.path(), &["mcp", "call", "there", "anything"]).await;
    assert_eq!((code(&got), text(&got.stdout)), (0, "from inside\n".to_owned()), "{}", text(&got.stderr));
    let got = said(home.path(), &["mcp", "call", "here", "anything"]).await;
    assert_eq!(code(&got), 7, "{}", text(&got.stderr));
}
