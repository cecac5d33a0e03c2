//! `afield serve` as an operator sets it up in a file: policy, secrets, audit, and changes while it runs.

use crate::support::{afield, code, run, text};
use afield_testkit::{Origin, Process, within};
use serde_json::Value;
use std::{path::PathBuf, process::Stdio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// A folder with a configuration in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(configuration: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("config.toml", configuration);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, contents: &str) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    /// `afield` with these arguments and this configuration.
    fn afield(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = afield(arguments);
        command.arg("--config").arg(self.path("config.toml"));
        command
    }

    /// Starts `afield serve` with this configuration, and says its URL.
    async fn serve(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Process, String) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_afield"));
        command.env_clear().args(["serve", "--listen", "ws://127.0.0.1:0", "--config"]);
        command.arg(self.path("config.toml")).args(arguments).envs(variables.iter().copied());
        let executor = Process::start(command.into()).unwrap();
        let url = executor.stdout().wait_line("ws://").await;
        (executor, url)
    }

    /// The lines of its audit so far, once there is one that `is_last`.
    async fn audit(&self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        within("the audit's line", async {
            loop {
                let text = std::fs::read_to_string(self.path("audit")).unwrap_or_default();
                let lines: Vec<Value> =
                    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
                if lines.iter().any(&is_last) {
                    return lines;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

/// The status of an origin's answer through this executor, or the exit code.
async fn get(executor: &str, url: &str) -> Result<String, i32> {
    let output =
        run(afield(&["request", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--executor", executor, url]))
            .await;
    match code(&output) {
        0 => Ok(text(&output.stdout)),
        code => Err(code),
    }
}

fn allowing(port: u16) -> String {
    format!(
        "[policy]\npreset = \"allow-list\"\n[[policy.rules]]\nname = \"the one\"\naction = \"allow\"\n\
         networks = \"127.0.0.0/8\"\nports = [{port}]\n"
    )
}

/// Proves that the policy of the file holds, that a preset from the environment goes before the file's, and one from the
/// command line before both.
#[tokio::test(flavor = "multi_thread")]
async fn case_22_the_policy_of_the_file_holds_and_flags_go_before_it() {
    let (one, other) = (Origin::start().await, Origin::start().await);
    let folder = Folder::with(&allowing(one.port()));
    let (_executor, url) = folder.serve(&[], &[]).await;
    assert_eq!(get(&url, &one.url("/echo")).await, Ok("200".into()));
    assert_eq!(get(&url, &other.url("/echo")).await, Err(101));
    assert_eq!(other.received(), 0);
    let (_executor, url) = folder.serve(&[], &[("AFIELD_POLICY", "standard")]).await;
    assert_eq!(get(&url, &other.url("/echo")).await, Ok("200".into()));
    let (_executor, url) = folder.serve(&["--policy", "public-only"], &[("AFIELD_POLICY", "standard")]).await;
    assert_eq!(get(&url, &other.url("/echo")).await, Err(101));
    assert_eq!(get(&url, &one.url("/echo")).await, Ok("200".into()), "the rule stays");
}

/// Proves that a changed file is put in force by SIGHUP and by its change alone, that what is under way goes on, that idle
/// connections to what is denied now are gone, that a broken file changes nothing, and that what needs a restart is said.
#[tokio::test(flavor = "multi_thread")]
async fn case_35_a_changed_file_holds_at_once_and_drops_nothing() {
    let (one, other) = (Origin::start().await, Origin::start().await);
    let folder = Folder::with(&(allowing(one.port()) + "[audit]\npath = \"audit\"\n"));
    let (executor, url) = folder.serve(&[], &[]).await;
    assert_eq!(get(&url, &one.url("/echo")).await, Ok("200".into()));
    let mut streaming = afield(&["request", "-sN", "--executor", &url, &one.url("/half/2000?then=rest")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut body = BufReader::new(streaming.stdout.take().unwrap());
    assert!(!within("half of the stream", body.fill_buf()).await.unwrap().is_empty());

    folder.write("config.toml", "[polcy]\n");
    executor.reload();
    executor.stderr().wait_line("did you mean `policy`?").await;
    assert_eq!(get(&url, &one.url("/echo")).await, Ok("200".into()));
    let failed = folder.audit(|line| line["event"] == "reload_failed").await;
    let failed = failed.iter().find(|line| line["event"] == "reload_failed").unwrap();
    assert_eq!(failed["what"], "configuration");

    let restart = allowing(other.port()) + "[audit]\npath = \"audit\"\n[limits]\nrequests = 7\n";
    folder.write("config.toml", &restart);
    executor.reload();
    executor.stderr().wait_line("`limits` in the configuration has changed: that needs a restart").await;
    folder.audit(|line| line["event"] == "reloaded" && line["what"] == "configuration").await;
    assert_eq!(get(&url, &one.url("/echo")).await, Err(101));
    assert_eq!(get(&url, &other.url("/echo")).await, Ok("200".into()));
    // Nothing but the stream is connected there any more.
    one.wait_active(1).await;
    one.open_gate("rest");
    let mut rest = Vec::new();
    within("the rest of the stream", body.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest.len(), 2000);
    assert!(streaming.wait().await.unwrap().success());

    // Nobody asks this time.
    folder.write("config.toml", "[policy]\npreset = \"standard\"\n[audit]\npath = \"audit\"\n");
    within("the change is noticed", async { while get(&url, &one.url("/echo")).await.is_err() {} }).await;
}

/// Proves that a session whose token is taken out of the configuration ends, and that another one is let in at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_file_can_be_taken_away() {
    let hex = |token: &str| afield_transport::TokenDigest::of(token).hex();
    let folder = Folder::with(&format!("[serve]\ntoken_sha256 = \"ann={}\"\n", hex("token-of-ann")));
    let (executor, url) = folder.serve(&[], &[]).await;
    let origin = Origin::start().await;
    let ask = |token: &str, path: &str| {
        let mut command = afield(&["request", "-s", "--executor", &url, &origin.url(path)]);
        command.env("AFIELD_TOKEN", token).stdout(Stdio::null());
        command
    };
    let mut streaming = ask("token-of-ann", "/sse-open").spawn().unwrap();
    origin.request(0).await;
    folder.write("config.toml", &format!("[serve]\ntoken_sha256 = \"bob={}\"\n", hex("token-of-bob")));
    executor.reload();
    executor.stderr().wait_line("revoked").await;
    assert_eq!(within("the stream ends", streaming.wait()).await.unwrap().code(), Some(103));
    assert_eq!(code(&run(ask("token-of-bob", "/echo")).await), 0);
    assert_eq!(code(&run(ask("token-of-ann", "/echo")).await), 105);
}

/// Proves that an address which others can reach is refused from a file as from a flag, and that everything else that is
/// wrong with the file is said at once.
#[tokio::test]
async fn case_82_an_exposed_address_in_the_file_is_refused() {
    let folder = Folder::with("[serve]\nlisten = \"ws://0.0.0.0:0\"\n");
    let got = run(folder.afield(&["serve"])).await;
    assert_eq!(code(&got), 64, "{}", text(&got.stderr));
    assert!(text(&got.stderr).contains("other machines"));
    folder.write(
        "config.toml",
        "[[policy.rules]]\naction = \"deny\"\nhosts = [\"ok.test\", \"a*b\"]\n[[policy.rules]]\naction = \"allow\"\n\
         methods = [\"GET\"]\n[secrets.key]\nenv = \"KEY\"\nhosts = \"*\"\n[[upstreams]]\nname = \"a\"\n\
         hosts = [\"x:0\"]\n",
    );
    for command in [&["serve"][..], &["config", "check"], &["policy", "show"]] {
        let got = run(folder.afield(command)).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 78, "{command:?}: {said}");
        for line in [
            "config.toml:3:21: policy.rules[0].hosts: ",
            "config.toml:6:12: policy.rules[1].methods: ",
            "config.toml:9:9: secrets.key.hosts: ",
            "config.toml:12:10: upstreams[0].hosts: ",
        ] {
            assert!(said.contains(line), "{command:?}: {line}: {said}");
        }
    }
}

/// Proves that `config check` reads what the file names: what keeps an executor from starting is an error, what is lacking
/// for some requests a warning.
#[tokio::test]
async fn config_check_reads_the_files_that_are_named() {
    let folder = Folder::with(
        "[serve]\ntls_certificate = \"no.pem\"\ntls_key = \"no.key\"\ntoken_file = \"no.tokens\"\n\
         [secrets.key]\nfile = \"no.secret\"\nhosts = \"a.test\"\n",
    );
    let got = run(folder.afield(&["config", "check"])).await;
    let said = text(&got.stderr);
    assert_eq!(code(&got), 78, "{said}");
    for name in ["no.pem", "no.tokens", "no.secret"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(said.lines().any(|line| line.starts_with("warning: ") && line.contains("no.secret")), "{said}");
    folder.write("config.toml", "[policy]\npreset = \"public-only\"\n");
    assert_eq!(code(&run(folder.afield(&["config", "check"])).await), 0);
}

/// Proves that `config check` warns where more principals have tokens than there are shares, and counts each principal once.
#[tokio::test]
async fn config_check_compares_principals_with_shares() {
    let folder = Folder::with("[serve]\ntoken_file = \"tokens\"\n");
    let hex = |token: &str| afield_transport::TokenDigest::of(token).hex();
    let tokens = |principals: usize| {
        let line = |at: usize| format!("p{} {}\n", at % principals, hex(&format!("token-{at}")));
        (0..12).map(line).collect::<String>()
    };
    for (principals, warns) in [(8, false), (9, true)] {
        folder.write("tokens", &tokens(principals));
        let got = run(folder.afield(&["config", "check"])).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 0, "{said}");
        assert_eq!(said.contains("set limits.shares = 9"), warns, "{principals}: {said}");
    }
}

/// Proves that a secret which the file attaches reaches its origin and no other, over redirects too, and that neither the
/// caller nor any line of log or audit shows it.
#[tokio::test(flavor = "multi_thread")]
async fn case_54_an_attached_secret_stays_on_the_first_hop() {
    let (one, other) = (Origin::start().await, Origin::on("127.0.0.2").await);
    let folder = Folder::with(&format!(
        "[secrets.key]\nenv = \"KEY\"\nhosts = \"127.0.0.1:{}\"\nprefix = \"Bearer \"\nallow_plain_http = true\n\
         [[attach]]\nsecret = \"key\"\nheader = \"authorization\"\n[audit]\npath = \"audit\"\n",
        one.port()
    ));
    let (executor, url) = folder.serve(&["--log", "trace"], &[("KEY", "canary")]).await;
    let target = one.url(&format!("/redirect?to={}", other.url("/echo")));
    let got = run(afield(&["request", "-s", "-v", "-L", "--executor", &url, &target])).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    assert_eq!(one.request(0).await.header("authorization").as_deref(), Some("Bearer canary"));
    assert_eq!(other.request(0).await.header("authorization"), None);
    let lines = folder.audit(|line| line["hop"] == 1).await;
    let first = lines.iter().find(|line| line["hop"] == 0).unwrap();
    assert_eq!(first["secrets"], serde_json::json!(["key"]));
    assert_eq!(first["outcome"], "redirected");
    let all = [text(&got.stdout), text(&got.stderr), executor.stderr().text(), format!("{lines:?}")].concat();
    assert!(!all.contains("canary"), "{all}");
}

/// Proves that each request is one line with who, where, by which rule and how it ended, in both dialects; that what was
/// refused is one too; and that no line holds a path, a query, or a session's id.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_a_line_of_the_audit() {
    let origin = Origin::start().await;
    let folder = Folder::with(&(allowing(origin.port()) + "[audit]\npath = \"audit\"\n"));
    let (mut executor, url) = folder.serve(&[], &[]).await;
    assert_eq!(get(&url, &origin.url("/echo?canary")).await, Ok("200".into()));
    assert_eq!(get(&url, "http://127.0.0.1:1/canary").await, Err(101));
    assert_eq!(get(&url, "http://canary:canary@127.0.0.1:x/canary").await, Err(3));
    let mut peer = afield_testkit::Upgrade::to(url.strip_prefix("ws://").unwrap().parse().unwrap())
        .open()
        .await
        .unwrap();
    let session = peer.initialize(serde_json::json!({ "clientName": "base" })).await["sessionId"].clone();
    peer.call("http/request", serde_json::json!({ "method": "POST", "url": origin.url("/mirror"), "requestId": "mine", "bodyBase64": "YWI=" })).await;
    drop(peer);
    executor.terminate();
    within("the executor ends", executor.wait_exit()).await;
    let lines = folder.audit(|line| line["request"] == "mine").await;
    let requests: Vec<&Value> = lines.iter().filter(|line| line["event"] == "request").collect();
    let mine = *requests.iter().find(|line| line["request"] == "mine").unwrap();
    for (key, value) in [
        ("principal", "anonymous".into()),
        ("method", "POST".into()),
        ("scheme", "http".into()),
        ("host", "127.0.0.1".into()),
        ("port", Value::from(origin.port())),
        ("rule", "the one".into()),
        ("status", 200.into()),
        ("sent", 2.into()),
        ("received", 2.into()),
        ("hop", 0.into()),
        ("outcome", "answered".into()),
    ] {
        assert_eq!(mine[key], value, "{key}: {mine}");
    }
    assert!(mine["durationMs"].is_u64() && mine["session"].as_str().unwrap().len() == 12, "{mine}");
    let outcomes: Vec<_> = requests.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "answered").count(), 2, "{outcomes:?}");
    assert!(outcomes.contains(&"policy_denied"), "{outcomes:?}");
    for event in ["admitted", "ended"] {
        assert!(lines.iter().any(|line| line["event"] == event), "{event}");
    }
    let all = format!("{lines:?}");
    assert!(!all.contains("canary") && !all.contains(session.as_str().unwrap()), "{all}");
}

/// Proves that the audit's file gives way to a new one when it is full, and that SIGHUP makes a file anew that was moved away.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_audit_rotates_and_is_made_anew() {
    let folder = Folder::with("[audit]\nsink = \"file\"\npath = \"audit\"\nrotate_bytes = 600\nkeep = 2\n");
    let (executor, url) = folder.serve(&[], &[]).await;
    for _ in 0..8 {
        assert_eq!(get(&url, "http://127.0.0.1:1/").await, Err(7));
    }
    // Its thread may still be writing; once it has written everything, both files are like that.
    let is_whole = |name: &str| {
        let text = std::fs::read_to_string(folder.path(name)).unwrap_or_default();
        let is_json = |line: &str| serde_json::from_str::<Value>(line).is_ok();
        !text.is_empty() && text.len() <= 600 && text.ends_with('\n') && text.lines().all(is_json)
    };
    within("the file gives way, and both are whole", async {
        while !(is_whole("audit") && is_whole("audit.1")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    std::fs::rename(folder.path("audit"), folder.path("moved")).unwrap();
    executor.reload();
    folder.audit(|line| line["event"] == "reloaded" && line["what"] == "audit").await;
}

/// Proves that an audit on a standard error that nobody reads holds up no request, and that every line is there once it is
/// read.
#[tokio::test(flavor = "multi_thread")]
async fn case_110_an_audit_that_nobody_reads_holds_up_no_request() {
    const REQUESTS: usize = 500;
    let mut command = afield(&["serve", "--listen", "ws://127.0.0.1:0", "--log", "off", "--audit", "stderr"]);
    let mut executor = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(executor.stdout.take().unwrap()).lines();
    let url = within("the executor's URL", lines.next_line()).await.unwrap().unwrap();
    let address = url.strip_prefix("ws://").unwrap().parse().unwrap();
    let mut peer = afield_testkit::Upgrade::to(address).open().await.unwrap();
    peer.initialize(serde_json::json!({ "clientName": "base" })).await;
    let target = format!("http://{}.test/", "long-name".repeat(6));
    for number in 0..REQUESTS {
        // Long enough that all of them fill any pipe.
        let name = format!("{number}-{}", "x".repeat(100));
        let params = serde_json::json!({ "method": "TRACE", "url": target, "requestId": name });
        assert_eq!(peer.call("http/request", params).await["error"]["data"]["kind"], "invalid_request");
    }
    drop(peer);
    let mut told = BufReader::new(executor.stderr.take().unwrap()).lines();
    let mut requests = 0;
    while requests < REQUESTS {
        let line = within("a line of the audit", told.next_line()).await.unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_ne!(line["event"], "lost");
        requests += usize::from(line["event"] == "request");
    }
}

/// Proves that the policy is asked without a request, that nothing is resolved unless asked, and that the exit code and the
/// JSON tell the answer.
#[tokio::test]
async fn a_policy_is_asked_without_a_request() {
    let folder = Folder::with(
        "[policy]\npreset = \"public-only\"\n[[policy.rules]]\nname = \"no deletes\"\naction = \"deny\"\n\
         hosts = \"api.test\"\nmethods = \"DELETE\"\n[[policy.rules]]\naction = \"allow\"\nnetworks = \"127.0.0.1\"\n\
         principals = \"ann\"\n",
    );
    for (arguments, exit, said) in [
        (&["http://127.0.0.1/"][..], 101, "denied: GET http://127.0.0.1:80 by public-only/loopback"),
        (&["http://127.0.0.1/", "--principal", "ann"], 0, "allowed: GET http://127.0.0.1:80 by allow"),
        (&["http://2130706433/"], 101, "denied: GET http://127.0.0.1:80"),
        (&["https://api.test/", "-X", "DELETE"], 101, "by no deletes"),
        (&["https://api.test/"], 0, "--resolve looks"),
        (&["http://localhost/", "--resolve"], 101, "127.0.0.1: denied"),
        (&["https://api.invalid/", "--resolve"], 6, "cannot be resolved"),
        (&["nonsense"], 3, "URL"),
    ] {
        let got = run(folder.afield(&[&["policy", "check"], arguments].concat())).await;
        let told = text(&got.stdout) + &text(&got.stderr);
        assert_eq!(code(&got), exit, "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    let got = run(folder.afield(&["policy", "check", "https://api.test/", "--json"])).await;
    let told: Value = serde_json::from_slice(&got.stdout).unwrap();
    assert_eq!((told["allowed"].as_bool(), told["dependsOnAddresses"].as_bool()), (Some(true), Some(true)));
    let got = run(folder.afield(&["policy", "show"])).await;
    let told = text(&got.stdout);
    assert!(
        told.contains("preset public-only") && told.contains("(no deletes)") && told.contains("for ann:"),
        "{told}"
    );
}

/// Proves that secrets in every place that has one are in no output of an executor that logs everything.
#[tokio::test(flavor = "multi_thread")]
async fn case_118_a_canary_in_every_place_is_in_no_output() {
    let origin = Origin::start().await;
    let folder = Folder::with(&format!(
        "[serve]\ntoken_file = \"token\"\n[audit]\npath = \"audit\"\n[log]\nlevel = \"trace\"\n\
         [secrets.held]\nfile = \"held\"\nhosts = \"127.0.0.1:{}\"\nallow_plain_http = true\nheaders = \"x-held\"\n\
         [secrets.of-env]\nheaders = \"x-env\"\nenv = \"OF_ENV\"\nhosts = \"127.0.0.1:{0}\"\nallow_plain_http = true\n\
         [[attach]]\nsecret = \"held\"\nheader = \"x-held\"\n[[attach]]\nsecret = \"of-env\"\nheader = \"x-env\"\n",
        origin.port()
    ));
    folder.write("token", "canary-token\n");
    folder.write("held", "canary-held\n");
    let (mut executor, url) = folder.serve(&[], &[("OF_ENV", "canary-env")]).await;
    let ask = |token: &str, target: &str| {
        let mut command = afield(&["request", "-s", "-o", "/dev/null", "--executor", &url, "--log", "trace"]);
        command.args([
            "-H",
            "Cookie: canary-cookie",
            "-H",
            "X-Api-Key: canary-header",
            "-d",
            "canary-body",
            target,
        ]);
        command.env("AFIELD_TOKEN", token);
        command
    };
    let secret = |port: u16, path: &str| {
        format!("http://canary-user:canary-password@127.0.0.1:{port}{path}?q=canary-query")
    };
    let mut all = String::new();
    for (token, target, exit) in [
        ("canary-token", secret(origin.port(), "/mirror"), 0),
        ("canary-token", secret(origin.port(), "/status/500"), 0),
        ("canary-token", secret(1, "/"), 7),
        ("canary-token", "http://169.254.169.254/?canary-query".to_owned(), 101),
        ("canary-wrong", secret(origin.port(), "/"), 105),
    ] {
        let got = run(ask(token, &target)).await;
        assert_eq!(code(&got), exit, "{}", text(&got.stderr));
        all += &text(&got.stderr);
    }
    let request = origin.request(0).await;
    assert_eq!(request.header("x-held").as_deref(), Some("canary-held"));
    assert_eq!(request.header("x-env").as_deref(), Some("canary-env"));
    folder.write("held", "canary-\u{7}broken\n");
    executor.reload();
    folder.audit(|line| line["event"] == "reloaded" && line["what"] == "configuration").await;
    executor.terminate();
    within("the executor ends", executor.wait_exit()).await;
    all += &executor.stderr().text();
    all += &executor.stdout().text();
    assert!(all.contains("DEBUG"), "it has logged a lot: {all}");
    all += &std::fs::read_to_string(folder.path("audit")).unwrap();
    let leaked: Vec<&str> = all.lines().filter(|line| line.contains("canary")).collect();
    assert!(leaked.is_empty(), "{leaked:#?}");
}
