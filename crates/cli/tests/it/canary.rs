//! A canary in every place that can hold a secret, through every command at its most talkative, done right and done wrong:
//! nothing that any of them prints, logs or records shows it.

use crate::support::{afield, code, run, text};
use afield_testkit::{Origin, Process, RawOrigin, Script, mcp::Server, tls::Ca, within};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::process::Command;

/// A home with a configuration, and everything that was said there.
struct Home {
    folder: TempDir,
    /// How its logs look.
    format: &'static str,
    heard: Vec<(String, String)>,
}

impl Home {
    fn new(format: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), format, heard: Vec::new() }
    }

    fn write(&self, name: &str, contents: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The binary at its most talkative, with a canary in each variable.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = afield(arguments);
        command.env("HOME", self.folder.path()).env("AFIELD_LOG", "trace");
        command.env("AFIELD_LOG_FORMAT", self.format);
        command.env("VARIABLE", "canary-variable").env("AFIELD_TOKEN", "canary-token-0123456789");
        command.env("PASSWORD", "canary-password").env("EXECUTOR", "canary-executor-variable");
        command
    }

    fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments)).unwrap()
    }

    /// Runs a command, expects this code, and keeps what it said.
    async fn hear(&mut self, command: Command, expected: i32) {
        let shown = format!("{:?}", command.as_std().get_args().collect::<Vec<_>>());
        let got = run(command).await;
        let said = text(&got.stdout) + &text(&got.stderr);
        assert_eq!(code(&got), expected, "{shown}: {said}");
        self.heard.push((shown, said));
    }

    async fn says(&mut self, arguments: &[&str], expected: i32) {
        let command = self.command(arguments);
        self.hear(command, expected).await;
    }

    /// Ends a process that was started, and keeps what it said.
    async fn ends(&mut self, name: &str, mut process: Process) {
        process.terminate();
        within("the process ends", process.wait_exit()).await;
        let said = process.stdout().wait_end().await + &process.stderr().wait_end().await;
        assert!(said.contains("DEBUG"), "{name} has logged a lot: {said}");
        self.heard.push((name.to_owned(), said));
    }

    /// Nothing of what was said has a canary in it.
    fn is_silent(&self) {
        assert!(!self.heard.is_empty());
        let leaked: Vec<_> = (self.heard.iter())
            .flat_map(|(who, said)| said.lines().map(move |line| (who, line)))
            .filter(|(_, line)| line.to_lowercase().contains("canary"))
            .collect();
        assert!(leaked.is_empty(), "{leaked:#?}");
    }
}

/// Where requests go, each in its own way, and the code with which they end.
async fn targets(origin: &Origin, nonsense: &RawOrigin) -> Vec<(String, i32)> {
    let secret = |scheme: &str, host: &str, port: u16, path: &str| {
        format!("{scheme}://canary-user:canary-pass@{host}:{port}{path}?key=canary-query")
    };
    let port = origin.port();
    vec![
        (secret("http", "127.0.0.1", port, "/status/200"), 0),
        (secret("http", "127.0.0.1", port, "/status/401"), 0),
        (secret("http", "127.0.0.1", port, "/headers") + "&set-cookie=canary&location=/%3Fcanary", 0),
        (secret("http", "name.invalid", 80, "/"), 6),
        (secret("http", "127.0.0.1", 1, "/"), 7),
        (secret("https", "127.0.0.1", nonsense.address().port(), "/"), 35),
        (secret("http", "127.0.0.1", nonsense.address().port(), "/"), 8),
        (secret("http", "169.254.169.254", 80, "/"), 101),
    ]
}

const CARRIED: [&str; 8] = [
    "-H",
    "Authorization: Bearer canary-authorization",
    "-H",
    "Cookie: id=canary-cookie",
    "-H",
    "X-Api-Key: canary-header",
    "-d",
    "canary-body",
];

/// Proves that requests that carry secrets everywhere, wherever they leave from and however they end, and the executor that
/// makes them with secrets of its own, show none.
#[tokio::test(flavor = "multi_thread")]
async fn case_117_118_requests_and_their_executor_show_no_secret() {
    requests_and_their_executor("text").await;
}

/// Proves the same of logs in JSON, which have the fields of every span.
#[tokio::test(flavor = "multi_thread")]
async fn case_117_118_json_logs_show_no_secret() {
    requests_and_their_executor("json").await;
}

async fn requests_and_their_executor(format: &'static str) {
    let origin = Origin::start().await;
    let nonsense =
        RawOrigin::always(Script::new().expect_bytes(1).send("canary-nonsense\r\n\r\n").close()).await;
    let mut home = Home::new(format);
    home.write("tokens", "canary-token-0123456789\n");
    home.write("jwt", "canary-jwt-secret-canary-jwt-secret-canary\n");
    home.write("held", "canary-held\n");
    let port = origin.port();
    let configuration = home.write(
        "serve.toml",
        &format!(
            "[serve]\ntoken_file = \"tokens\"\n[serve.jwt]\nsecret_file = \"jwt\"\nissuer = \"i\"\naudience = \"a\"\n\
             [audit]\nsink = \"stderr\"\n\
             [secrets.held]\nheaders = \"x-held\"\nfile = \"held\"\nhosts = \"127.0.0.1:{port}\"\nallow_plain_http = true\n\
             [secrets.variable]\nheaders = \"x-variable\"\nenv = \"EXECUTOR\"\nhosts = \"127.0.0.1:{port}\"\nallow_plain_http = true\n\
             [[attach]]\nsecret = \"held\"\nheader = \"x-held\"\n[[attach]]\nsecret = \"variable\"\nheader = \"x-variable\"\n\
             [[upstreams]]\nname = \"way\"\nhosts = \"proxied.test\"\nproxy = \"http://127.0.0.1:{port}\"\n\
             proxy_resolves_names = true\nproxy_user = \"canary-proxy-user\"\nproxy_password_env = \"PASSWORD\"\n",
        ),
    );
    home.says(&["config", "check", &configuration], 0).await;
    home.says(&["policy", "show", "--config", &configuration], 0).await;
    for (url, expected) in [
        ("http://canary:canary@10.0.0.1/canary?canary", 0),
        ("http://canary:canary@169.254.169.254/?canary", 101),
    ] {
        home.says(&["policy", "check", url, "--config", &configuration], expected).await;
    }
    let executor = home.start(&["serve", "--listen", "ws://127.0.0.1:0", "--config", &configuration]);
    let url = executor.stdout().wait_line("ws://").await;
    for place in ["local", &url] {
        for (target, expected) in targets(&origin, &nonsense).await {
            // Without an operator nothing is denied here.
            if place == "local" && expected == 101 {
                continue;
            }
            let arguments =
                [&["request", "-v", "-o", "/dev/null", "--executor", place], &CARRIED[..], &[&target]];
            home.says(&arguments.concat(), expected).await;
        }
        for mistake in ["X-Api-Key canary", "Bad Name: canary", "X-Api-Key: canary\u{7}", ": canary"] {
            let target = origin.url("/echo");
            let command = home.command(&["request", "-v", "--executor", place, "-H", mistake, &target]);
            let got = run(command).await;
            home.heard.push((mistake.replace("canary", "…"), text(&got.stderr)));
        }
    }
    let held = origin.request(0).await;
    assert!(held.header("x-api-key").is_some());
    assert!(
        origin.requests().iter().any(|request| request.header("x-held").as_deref() == Some("canary-held"))
    );
    assert!(
        origin
            .requests()
            .iter()
            .any(|request| { request.header("x-variable").as_deref() == Some("canary-executor-variable") })
    );
    let by_proxy = "http://proxied.test/status/200?canary";
    home.says(&["request", "-v", "-o", "/dev/null", "--executor", &url, by_proxy], 0).await;
    assert!(origin.requests().iter().any(|request| request.header("proxy-authorization").is_some()));

    let target = origin.url("/status/200");
    let ask = ["request", "-v", "--executor", &url, &target];
    let mut wrong = home.command(&ask);
    wrong.env("AFIELD_TOKEN", "canary-wrong");
    home.hear(wrong, 105).await;
    let mut forged = home.command(&ask);
    forged.env("AFIELD_TOKEN", "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.canary");
    home.hear(forged, 105).await;
    let through = "http://canary-user:canary-pass@127.0.0.1:1";
    home.says(&[&ask[..], &["--executor-proxy", through]].concat(), 104).await;
    home.ends("the executor", executor).await;
    home.is_silent();
}

/// Proves that servers, executors and a gateway with secrets everywhere show none, in any command that reads them, also where a
/// caller's token is wrong or its request malformed.
#[tokio::test(flavor = "multi_thread")]
async fn case_118_the_gateway_and_commands_for_servers_show_no_secret() {
    let server = Server::start().await;
    let origin = Origin::start().await;
    let mut home = Home::new("json");
    home.write("wrong", "canary-wrong\n");
    home.write("gateway-token", "canary-gateway-token-0123456789\n");
    let tokens = home.write("tokens", "canary-token-0123456789\n");
    let listen = ["serve", "--listen", "ws://127.0.0.1:0", "--audit", "stderr", "--token-file", &tokens];
    let executor = home.start(&listen);
    let lab = executor.stdout().wait_line("ws://").await;
    let (far, echo) = (server.url(), origin.url("/echo"));
    let configuration = home.write(
        "afield.toml",
        &format!(
            "[executors.lab]\nurl = \"{lab}\"\ntoken_file = \"tokens\"\n\
             [executors.astray]\nurl = \"{lab}\"\ntoken_file = \"wrong\"\n\
             [executors.proxied]\nurl = \"{lab}\"\nallow_plaintext_token = true\ntoken_file = \"tokens\"\nproxy = \"http://canary:canary@127.0.0.1:1\"\n\
             [mcp_servers.far]\nurl = \"{far}?key=canary-query\"\nenvironment = \"lab\"\n\
             headers = {{ Cookie = \"canary-literal\", X-Key = \"canary-literal\" }}\nbearer_token_env_var = \"VARIABLE\"\n\
             [mcp_servers.near]\nurl = \"{far}\"\nheaders_from_env = {{ X-Key = \"of ${{VARIABLE}}\" }}\n\
             [mcp_servers.astray]\nurl = \"{far}\"\nenvironment = \"astray\"\nheaders = {{ X-Key = \"canary\" }}\n\
             [mcp_servers.proxied]\nurl = \"{far}\"\nenvironment = \"proxied\"\nheaders = {{ X-Key = \"canary\" }}\n\
             [mcp_servers.gone]\nurl = \"http://canary:canary@127.0.0.1:1/mcp?canary\"\nenvironment = \"lab\"\n\
             [gateway]\nexecutor = \"lab\"\ntoken_file = \"gateway-token\"\n\
             routes = {{ extra = \"{echo}?key=canary-route\" }}\n"
        ),
    );
    let with = ["--config", &configuration];
    for arguments in [
        &["config", "check"][..],
        &["executor", "list"],
        &["mcp", "list"],
        &["mcp", "list", "--json"],
        &["mcp", "status"],
        &["mcp", "tools", "far"],
        &["mcp", "tools", "near"],
        &["mcp", "call", "far", "count", "{\"secret\":\"canary-argument\"}"],
        &["mcp", "doctor", "far"],
    ] {
        home.says(&[arguments, &with].concat(), 0).await;
    }
    for name in ["gone", "astray", "proxied"] {
        for command in
            [&["doctor", name][..], &["tools", name], &["call", name, "count", "{\"a\":\"canary\"}"]]
        {
            let arguments = [&["mcp"], command, &with].concat();
            let got = run(home.command(&arguments)).await;
            assert_ne!(code(&got), 0, "{arguments:?}");
            home.heard.push((format!("{command:?}"), text(&got.stdout) + &text(&got.stderr)));
        }
    }

    let gateway = home.start(&[&["gateway", "--listen", "127.0.0.1:0"], &with[..]].concat());
    let base = gateway.stdout().wait_line("http://").await;
    let (right, wrong) = (
        "Afield-Gateway-Token: canary-gateway-token-0123456789",
        "Afield-Gateway-Token: canary-gateway-token-wrong",
    );
    for (token, path) in
        [(right, "extra"), (right, "gone"), (right, "astray"), (right, "none"), (wrong, "extra")]
    {
        let target = format!("{base}/{path}?key=canary-caller");
        let arguments = [&["request", "-v", "-o", "/dev/null", "-H", token], &CARRIED[..], &[&target]];
        home.says(&arguments.concat(), 0).await;
    }
    let seen = origin.request(0).await;
    assert!(seen.target().contains("canary-route") && seen.header("afield-gateway-token").is_none());
    home.ends("the gateway", gateway).await;
    home.ends("the executor", executor).await;
    home.is_silent();
}

/// Proves that a configuration that is broken where a secret stands is told of without the secret.
#[tokio::test]
async fn case_118_a_broken_configuration_is_told_of_without_its_secrets() {
    let mut home = Home::new("text");
    home.write("several", "canary canary canary\n");
    home.write("short", "canary\n");
    for (broken, commands) in [
        (
            "[mcp_servers.a]\nurl = \"http://h/\"\nheaders = { X-Key = \"canary }\n",
            &["config check", "mcp list", "gateway"][..],
        ),
        ("[mcp_servers.a]\nurl = \"http://h/\"\nheaders = \"canary\"\n", &["config check"]),
        ("[mcp_servers.a]\nurl = \"ftp://u:canary@h/?canary\"\n", &["config check"]),
        ("[executors.a]\nurl = \"ws://u:canary@h:1/?canary\"\n", &["config check"]),
        ("[executors.a]\nurl = \"ws://h:1\"\nproxy = \"canary://canary:canary@h\"\n", &["config check"]),
        ("[executors.a]\nurl = \"ws://h:1\"\ntoken = \"canary\"\n", &["config check"]),
        ("[serve]\ntoken_sha256 = \"ann=canary\"\n", &["config check", "serve"]),
        ("[serve]\ntoken_file = \"several\"\n", &["config check", "serve"]),
        ("[gateway]\nroutes = { a = \"ftp://u:canary@h/?canary\" }\n", &["config check"]),
        (
            "[[upstreams]]\nname = \"a\"\nhosts = \"h\"\nproxy = \"http://u:canary@h:1/?canary\"\n",
            &["config check", "serve", "policy show"],
        ),
        (
            "[serve.jwt]\nsecret_file = \"short\"\nissuer = \"i\"\naudience = \"a\"\n",
            &["config check", "serve"],
        ),
    ] {
        let path = home.write("broken.toml", broken);
        for command in commands {
            let mut arguments: Vec<&str> = command.split(' ').collect();
            arguments.extend(["--config", &path]);
            let got = run(home.command(&arguments)).await;
            assert_ne!(code(&got), 0, "{command}: {broken}");
            home.heard.push((format!("{command}: {broken}"), text(&got.stdout) + &text(&got.stderr)));
        }
    }
    home.is_silent();
}

/// Proves that secrets which TLS origins, over HTTP/2 and HTTP/1.1, reflect in their header fields and redirect to are shown to
/// no caller, by a request or through the gateway, and in no log; and that the redirects are not followed (cases 118, 156, 157).
#[tokio::test(flavor = "multi_thread")]
async fn case_118_156_157_what_tls_origins_reflect_shows_no_secret() {
    let ca = Ca::new();
    let origin = async |protocols: &[&str]| {
        let tls = ca.issue(&["127.0.0.1"]).server().alpn(protocols.iter().copied()).build();
        Origin::builder().tls(tls).start().await.unwrap()
    };
    let origins = [("h2", origin(&["h2", "http/1.1"]).await), ("http/1.1", origin(&["http/1.1"]).await)];
    let elsewhere = Origin::on("127.0.0.2").await;
    let mut home = Home::new("text");
    home.write("held", "canary-held \n");
    // `user:canary-basic`
    home.write("basic", "Basic dXNlcjpjYW5hcnktYmFzaWM=\n");
    let serving = home.write(
        "serve.toml",
        &format!(
            "[serve]\nca = \"{}\"\n[audit]\nsink = \"stderr\"\n\
             [secrets.held]\nfile = \"held\"\nhosts = \"127.0.0.1\"\nheaders = \"x-held\"\n\
             [secrets.basic]\nfile = \"basic\"\nhosts = \"127.0.0.1\"\n\
             [[attach]]\nsecret = \"held\"\nheader = \"x-held\"\n\
             [[attach]]\nsecret = \"basic\"\nheader = \"authorization\"\n",
            ca.pem_file().display()
        ),
    );
    let executor = home.start(&["serve", "--listen", "ws://127.0.0.1:0", "--config", &serving]);
    let lab = executor.stdout().wait_line("ws://").await;
    let routes: Vec<_> =
        origins.iter().enumerate().map(|(at, (_, to))| format!("r{at} = \"{}\"", to.url(""))).collect();
    let configuration = home.write(
        "afield.toml",
        &format!(
            "[executors.lab]\nurl = \"{lab}\"\ntoken_env = \"AFIELD_TOKEN\"\n[gateway]\nexecutor = \"lab\"\nroutes = {{ {} }}\n",
            routes.join(", ")
        ),
    );
    let gateway = home.start(&["gateway", "--listen", "127.0.0.1:0", "--config", &configuration]);
    let base = gateway.stdout().wait_line("http://").await;
    let reflected = "/headers?x-a=canary-held&x-b=%25%34%33ANARY-held&set-cookie=k%3Dcanary-held\
                     &x-c=canary-basic&x-d=user%3Acanary-basic&etag=dXNlcjpjYW5hcnktYmFzaWM";
    let port = elsewhere.port();
    let redirects = ["?canary-held", "canary-held", "%2563anary-held", "?canary-basic"];
    for (at, (protocol, origin)) in origins.iter().enumerate() {
        for way in [origin.url(""), format!("{base}/r{at}")] {
            let via = if way.starts_with(&base) { "local" } else { lab.as_str() };
            // Whoever follows redirects here goes by what is shown here.
            let follow: &[&str] = if via == "local" { &[] } else { &["-L"] };
            let ask = [&["request", "-s", "-i", "-v", "--executor", via][..], follow].concat();
            home.says(&[&ask[..], &[&format!("{way}{reflected}")]].concat(), 0).await;
            for to in redirects {
                let target = format!("{way}/redirect?to=http://127.0.0.2:{port}/{to}");
                home.says(&[&ask[..], &["-o", "/dev/null", "-w", "%{http_code}", &target]].concat(), 0).await;
                let (_, said) = home.heard.last().unwrap();
                assert!(said.contains("302"), "{said}");
            }
        }
        let seen = origin.request(0).await;
        assert_eq!(seen.header("x-held").as_deref(), Some("canary-held"));
        assert_eq!(seen.version() == "HTTP/2", *protocol == "h2", "{}", seen.version());
        let shown = home.heard.iter().filter(|(_, said)| said.contains("[redacted]")).count();
        assert!(shown > at * 2, "what is reflected is marked");
    }
    assert_eq!(elsewhere.accepted(), 0);
    home.ends("the gateway", gateway).await;
    home.ends("the executor", executor).await;
    home.is_silent();
    let encoded: Vec<_> = home.heard.iter().filter(|(_, said)| said.contains("dXNlcjpj")).collect();
    assert!(encoded.is_empty(), "{encoded:#?}");
}
