//! MCP servers that an executor's operator offers.

use crate::support::{afield, code, folder::Folder, run, text};
use afield_testkit::{Process, mcp::Server, within};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
};

const TOKEN: &str = "canary-of-the-bearer";
const KEY: &str = "canary-of-the-key";

/// Stands between orchestrators and an executor, and keeps every byte that goes either way.
struct Tap {
    url: String,
    heard: Arc<Mutex<Vec<u8>>>,
    _accepting: JoinSet<()>,
}

impl Tap {
    async fn before(executor: &str) -> Self {
        let target = executor.strip_prefix("ws://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut carrying = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&target).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                for (mut from, mut to) in [(near_in, far_out), (far_in, near_out)] {
                    let kept = kept.clone();
                    carrying.spawn(async move {
                        let mut buffer = vec![0; 64 * 1024];
                        while let Ok(read @ 1..) = from.read(&mut buffer).await {
                            kept.lock().unwrap().extend_from_slice(&buffer[..read]);
                            if to.write_all(&buffer[..read]).await.is_err() {
                                break;
                            }
                        }
                    });
                }
            }
        });
        Self { url, heard, _accepting: accepting }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

/// An executor's folder that offers `docs` with two secrets, to `ops` alone, and `open` without any.
fn offering(server: &Server, tokens: &str) -> Folder {
    let url = server.url();
    let place = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned();
    let folder = Folder::with(&format!(
        r#"
        [serve]
        listen = "ws://127.0.0.1:0"
        token_file = "tokens"
        [mcp_servers.docs]
        url = "{url}"
        offer = true
        bearer_token_env_var = "DOCS_TOKEN"
        headers = {{ X-Team = "blue" }}
        headers_from_executor_secret = {{ X-Key = "key" }}
        tool_timeout = "90s"
        [mcp_servers.open]
        url = "{url}"
        offer = true
        [mcp_servers.own]
        url = "{url}"
        [secrets.docs]
        env = "DOCS_TOKEN"
        hosts = "{place}"
        principals = "ops"
        allow_plain_http = true
        [secrets.key]
        env = "DOCS_KEY"
        hosts = "{place}"
        headers = "X-Key"
        principals = "ops"
        allow_plain_http = true
        [[policy.rules]]
        action = "deny"
        hosts = "127.0.0.1"
        principals = "guest"
        "#
    ));
    folder.write("tokens", tokens);
    folder
}

/// `afield serve` of that folder.
fn serve(folder: &Folder) -> Process {
    let mut command = afield(&["serve", "--log", "debug", "--config", &folder.config()]);
    command.env("DOCS_TOKEN", TOKEN).env("DOCS_KEY", KEY);
    Process::start(command).unwrap()
}

/// A token, and its line for the executor.
async fn token(name: &str) -> (String, String) {
    let made = text(&run(afield(&["token", "new", "--name", name])).await.stdout);
    let mut lines = made.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.next().unwrap())
}

/// A user's folder: the executor `lab` at this URL, reached with this token.
fn user(url: &str, token: &str, more: &str) -> Folder {
    let folder =
        Folder::with(&format!("[executors.lab]\nurl = \"{url}\"\ntoken_file = \"lab.token\"\n{more}\n"));
    folder.write("lab.token", token);
    folder
}

fn command(user: &Folder, arguments: &[&str]) -> Command {
    let mut command = afield(arguments);
    command.args(["--config", &user.config()]).env("HOME", user.path("")).env("AFIELD_LOG", "trace");
    command
}

/// Runs a command that works: what it said on standard output, and both.
async fn says(user: &Folder, arguments: &[&str]) -> (String, String) {
    let got = run(command(user, arguments)).await;
    let (out, all) = (text(&got.stdout), text(&got.stdout) + &text(&got.stderr));
    assert_eq!(code(&got), 0, "{arguments:?}: {all}");
    (out, all)
}

fn named(json: &str) -> Vec<(String, Value)> {
    let told: Value = serde_json::from_str(json).unwrap();
    let servers = told["servers"].as_array().unwrap().iter();
    servers.map(|server| (server["name"].as_str().unwrap().to_owned(), server["offeredBy"].clone())).collect()
}

/// Proves that what an operator offers is listed, called, put on standard input and output and routed by its name, that its secrets
/// reach the server and nothing else, and that who may not use it does not hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn offered_servers_are_used_by_name_and_their_secrets_stay() {
    let server = Server::start().await;
    let ((ops, ops_line), (ci, ci_line), (guest, guest_line)) =
        (token("ops").await, token("ci").await, token("guest").await);
    let serving = offering(&server, &format!("{ops_line}\n{ci_line}\n{guest_line}\n"));
    let (checked, said) = serving.check().await;
    assert_eq!(checked, 0, "{said}");
    let executor = serve(&serving);
    let tap = Tap::before(&executor.stdout().wait_line("ws://").await).await;
    let mut heard = String::new();

    // Without a word about it in the configuration.
    let plain = user(&tap.url, &ops, "");
    let (out, all) = says(&plain, &["mcp", "list", "--executor", "lab"]).await;
    let url = server.url();
    let lines: Vec<String> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "NAME ENVIRONMENT URL HEADERS STATE".to_owned(),
            format!("docs lab {url} X-Team, Authorization offered by lab"),
            format!("open lab {url} - offered by lab"),
        ],
        "{all}"
    );
    heard.push_str(&all);
    let (out, all) = says(&plain, &["mcp", "list", "--executor", "lab", "--json"]).await;
    assert_eq!(named(&out), [("docs".to_owned(), json!("lab")), ("open".to_owned(), json!("lab"))]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["servers"][0]["toolTimeoutMs"], 90_000);
    heard.push_str(&all);
    for arguments in [
        &["mcp", "tools", "docs", "--executor", "lab"][..],
        &["mcp", "call", "docs", "count", "--executor", "lab"],
        &["mcp", "status", "--executor", "lab"],
        &["mcp", "doctor", "docs", "--executor", "lab"],
        &["doctor", "lab"],
    ] {
        heard.push_str(&says(&plain, arguments).await.1);
    }
    assert_eq!(server.counts().executed, 1);
    let sent = server.last_call_headers();
    for (name, value) in [("authorization", &*format!("Bearer {TOKEN}")), ("x-key", KEY), ("x-team", "blue")]
    {
        assert_eq!(sent.get(name).map(|value| value.to_str().unwrap()), Some(value), "{name}");
    }
    assert!(said_no_server(&plain, &["mcp", "call", "docs", "count"]).await);
    assert!(said_no_server(&plain, &["mcp", "call", "own", "count", "--executor", "lab"]).await);

    // As if it stood in the configuration.
    let using = user(&tap.url, &ops, "use_offered = true\n[mcp_servers.open]\nurl = \"http://own.test/mcp\"");
    let (out, all) = says(&using, &["mcp", "list", "--json"]).await;
    assert_eq!(named(&out), [("docs".to_owned(), json!("lab")), ("open".to_owned(), Value::Null)]);
    assert!(all.contains("is the name of a server of the configuration"), "{all}");
    heard.push_str(&all);
    heard.push_str(&says(&using, &["mcp", "call", "docs", "count"]).await.1);
    let (out, _) = says(&using, &["mcp", "export", "codex", "docs", "--via", "connect"]).await;
    assert!(out.contains("[mcp_servers.docs]") && out.contains("\"connect\", \"docs\""), "{out}");
    let mut connect = command(&using, &["mcp", "connect", "docs"]);
    connect.stdin(std::process::Stdio::piped());
    let answers = crate::support::run_with_input(connect, INITIALIZE).await;
    assert!(text(&answers.stdout).contains("\"counting\""), "{}", text(&answers.stderr));
    heard.push_str(&(text(&answers.stdout) + &text(&answers.stderr)));
    let gateway = Process::start(command(&using, &["gateway", "--listen", "127.0.0.1:0"])).unwrap();
    let base = gateway.stdout().wait_line("http://").await;
    gateway
        .stdout()
        .wait("the route is told", |line| line.contains("from lab, which offers it").then_some(()))
        .await;
    let initialize = text(INITIALIZE.trim_ascii_end());
    let posted = run(afield(&["request", "-s", "-d", &initialize, &format!("{base}/docs")])).await;
    assert!(text(&posted.stdout).contains("\"counting\""), "{}", text(&posted.stderr));

    // Others: one without the secrets, one whom the policy keeps away.
    for (whose, names) in [(&ci, &["open"][..]), (&guest, &[])] {
        let other = user(&tap.url, whose, "");
        let (out, _) = says(&other, &["mcp", "list", "--executor", "lab", "--json"]).await;
        let seen: Vec<String> = named(&out).into_iter().map(|(name, _)| name).collect();
        assert_eq!(seen, names);
    }

    // What is offered while it runs.
    let changed = std::fs::read_to_string(serving.path("config.toml")).unwrap().replacen(
        "offer = true",
        "offer = false",
        1,
    );
    serving.write("config.toml", &changed);
    crate::support::folder::hang_up(executor.pid());
    until("docs is offered no more", async || {
        let (out, _) = says(&plain, &["mcp", "list", "--executor", "lab", "--json"]).await;
        named(&out).len() == 1
    })
    .await;

    heard.push_str(&(executor.stderr().text() + &gateway.stderr().text()));
    assert!(
        tap.text().contains("environmentConfig") || tap.text().contains("mcp_servers.docs"),
        "the tap works"
    );
    for (what, all) in [("the wire", tap.text()), ("what was said", heard)] {
        let found = all.lines().find(|line| line.contains("canary"));
        assert_eq!(found, None, "{what}");
    }
}

const INITIALIZE: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}\n";

async fn said_no_server(user: &Folder, arguments: &[&str]) -> bool {
    let got = run(command(user, arguments)).await;
    code(&got) == 2 && text(&got.stderr).contains("there is no MCP server named")
}

/// Proves that a gateway that starts before its executor has the routes of what is offered once the executor is there, and that one
/// executor that cannot be asked keeps no other server from being listed.
#[tokio::test(flavor = "multi_thread")]
async fn offered_servers_are_found_by_a_gateway_that_was_there_first() {
    let server = Server::start().await;
    let ((ops, line), port) = (token("ops").await, free_port().await);
    let serving = offering(&server, &line);
    let configuration = std::fs::read_to_string(serving.path("config.toml")).unwrap();
    serving
        .write("config.toml", &configuration.replace("ws://127.0.0.1:0", &format!("ws://127.0.0.1:{port}")));
    let using = user(
        &format!("ws://127.0.0.1:{port}"),
        &ops,
        "use_offered = true\n[mcp_servers.near]\nurl = \"http://near.test/mcp\"",
    );
    let (out, all) = says(&using, &["mcp", "list", "--json"]).await;
    assert_eq!(named(&out), [("near".to_owned(), Value::Null)]);
    assert!(all.contains("it is not known which servers lab offers"), "{all}");
    let got = run(command(&using, &["mcp", "list", "--executor", "lab"])).await;
    assert_eq!(code(&got), 104, "{}", text(&got.stderr));
    let gateway = Process::start(command(&using, &["gateway", "--listen", "127.0.0.1:0"])).unwrap();
    let base = gateway.stdout().wait_line("http://").await;
    let _executor = serve(&serving);
    let initialize = text(INITIALIZE.trim_ascii_end());
    until("the route is there", async || {
        let posted = run(afield(&["request", "-s", "-d", &initialize, &format!("{base}/docs")])).await;
        text(&posted.stdout).contains("\"counting\"")
    })
    .await;
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Proves that `config check` finds what keeps an offered server from being used: a secret that is not declared, may not go there,
/// or not so.
#[tokio::test(flavor = "multi_thread")]
async fn offered_servers_are_checked_with_their_secrets() {
    for (secrets, expected) in [
        ("", "no secret comes from the variable DOCS_TOKEN"),
        ("[secrets.docs]\nenv = \"DOCS_TOKEN\"\nhosts = \"else.test\"", "may not go to this host and port"),
        ("[secrets.docs]\nenv = \"DOCS_TOKEN\"\nhosts = \"docs.test\"", "goes over https only"),
        (
            "[secrets.docs]\nenv = \"DOCS_TOKEN\"\nhosts = \"docs.test\"\nheaders = \"X-Key\"\nallow_plain_http = true",
            "may not be in this header",
        ),
    ] {
        let folder = Folder::with(&format!(
            "[mcp_servers.docs]\nurl = \"http://docs.test/mcp\"\noffer = true\nbearer_token_env_var = \"DOCS_TOKEN\"\n{secrets}\n"
        ));
        let (checked, said) = within("the check", folder.check()).await;
        assert!(
            checked == 78 && said.contains(expected) && said.contains("mcp_servers.docs.offer"),
            "{said}"
        );
    }
    let folder = Folder::with(
        "[mcp_servers.docs]\nurl = \"http://docs.test/mcp\"\noffer = true\nheaders_from_executor_secret = { X-Key = \"key\" }\n",
    );
    let (checked, said) = folder.check().await;
    assert!(checked == 78 && said.contains("there is no secret `key`"), "{said}");
}

/// Asks again until it is so.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async { while !holds().await {} }).await;
}
