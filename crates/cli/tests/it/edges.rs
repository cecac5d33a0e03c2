//! What an operator types, and files as they are found.

use crate::support::{afield, code, gateway::gateway, run, text};
use afield_testkit::{
    Origin, Process,
    tls::{Ca, Identity},
    within,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};

/// A folder with a configuration in it.
struct Folder(TempDir);

impl Folder {
    fn with(configuration: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("config.toml", configuration);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, contents: &str) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    fn config(&self) -> String {
        self.path("config.toml").display().to_string()
    }

    fn identity(&self, identity: &Identity) {
        self.write("server.pem", identity.certificate_pem());
        self.write("server.key", identity.key_pem());
    }

    /// `config check` of it: the code, and what is said.
    async fn check(&self) -> (i32, String) {
        let got = run(afield(&["config", "check", &self.config()])).await;
        (code(&got), text(&got.stderr) + &text(&got.stdout))
    }

    fn serve(&self) -> Process {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_afield"));
        command.env_clear().args(["serve", "--config", &self.config()]);
        Process::start(command.into()).unwrap()
    }
}

fn hang_up(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::HUP).unwrap();
}

const TLS: &str =
    "[serve]\nlisten = \"wss://127.0.0.1:0\"\ntls_certificate = \"server.pem\"\ntls_key = \"server.key\"\n";

/// Proves that whatever keeps an executor from starting is an error of `config check` too, and what does not is none
/// (case 190).
#[tokio::test(flavor = "multi_thread")]
async fn config_check_finds_what_serve_refuses() {
    for (configuration, expected) in [
        ("[serve]\nlisten = \"ws://0.0.0.0:0\"\n", "neither authentication nor TLS"),
        ("[serve]\nlisten = \"ws://0.0.0.0:0\"\ntoken_file = \"tokens\"\n", "no TLS"),
        ("[serve]\nlisten = \"ws://0.0.0.0:0\"\ntls_terminated_in_front = true\n", "no authentication"),
        ("[serve]\ntoken_file = \"nothing\"\n", "No such file"),
        ("[serve]\ntoken_file = \"empty\"\n", "no token in it"),
        ("[serve]\nlisten = \"wss://127.0.0.1:0\"\n", "TLS needs"),
        ("[serve]\ntls_certificate = \"tokens\"\ntls_key = \"tokens\"\n", "no certificate in it"),
        ("[audit]\npath = \"nowhere/audit\"\n", "nowhere"),
    ] {
        let folder = Folder::with(configuration);
        folder.write("tokens", "token\n");
        folder.write("empty", "# nobody\n");
        let (found, said) = folder.check().await;
        assert_eq!(found, 78, "{configuration}: {said}");
        assert!(said.contains(expected) && said.contains("would not start"), "{configuration}: {said}");
        let got = run(afield(&["serve", "--config", &folder.config()])).await;
        assert!(!got.status.success() && text(&got.stdout).is_empty(), "{configuration}: it does start");
    }
    for configuration in [
        "[serve]\nlisten = \"ws://127.0.0.1:0\"\n",
        "[serve]\nlisten = \"ws://0.0.0.0:0\"\ntoken_file = \"tokens\"\ntls_terminated_in_front = true\n",
    ] {
        let folder = Folder::with(configuration);
        folder.write("tokens", "token\n");
        assert_eq!(folder.check().await.0, 0, "{configuration}");
    }
}

/// Proves that a token which a client needs and which is not there is told of, and no secret (case 190).
#[tokio::test(flavor = "multi_thread")]
async fn config_check_finds_missing_client_tokens() {
    let folder = Folder::with(
        "[executors.lab]\nurl = \"ws://127.0.0.1:1\"\ntoken_file = \"lab.token\"\n[gateway]\ntoken_env = \"NOT_SET\"\n",
    );
    let (found, said) = folder.check().await;
    assert_eq!(found, 0, "{said}");
    assert!(said.contains("executors.lab") && said.contains("lab.token"), "{said}");
    assert!(said.contains("gateway") && said.contains("NOT_SET"), "{said}");
    folder.write("lab.token", "canary\n");
    let (_, said) = folder.check().await;
    assert!(!said.contains("executors.lab") && !said.contains("canary"), "{said}");
}

/// Proves that a value which is set back to what runs is not said to need a restart any more (case 190).
#[tokio::test(flavor = "multi_thread")]
async fn reload_of_a_value_set_back_warns_no_more() {
    let configuration = "[serve]\nlisten = \"ws://127.0.0.1:0\"\n";
    let folder = Folder::with(configuration);
    let executor = folder.serve();
    executor.stdout().wait_line("ws://").await;
    folder.write("config.toml", &format!("{configuration}grace = \"3s\"\n"));
    executor.reload();
    executor.stderr().wait_line("`serve.grace` in the configuration has changed").await;
    folder.write("config.toml", &format!("{configuration}[log]\nlevel = \"info\"\n"));
    executor.reload();
    executor.stderr().wait_line("`log` in the configuration has changed").await;
    let said = executor.stderr().text();
    assert_eq!(said.matches("`serve.grace`").count(), 1, "{said}");
}

/// Proves that a file which anybody can write is refused by `config check` and at start, whichever it is (case 146).
#[tokio::test(flavor = "multi_thread")]
async fn files_that_anybody_can_write_are_refused() {
    for (file, configuration) in [
        ("config.toml", TLS),
        ("server.key", TLS),
        ("server.pem", TLS),
        ("tokens", "[serve]\nlisten = \"ws://127.0.0.1:0\"\ntoken_file = \"tokens\"\n"),
        (
            "secret",
            "[serve]\nlisten = \"ws://127.0.0.1:0\"\n[serve.jwt]\nissuer = \"i\"\naudience = \"a\"\nsecret_file = \"secret\"\n",
        ),
    ] {
        let folder = Folder::with(configuration);
        folder.identity(&Ca::new().issue(&["localhost"]));
        folder.write("tokens", "token\n");
        folder.write("secret", &"s".repeat(32));
        let (found, said) = folder.check().await;
        assert_eq!(found, 0, "{file}: {said}");
        std::fs::set_permissions(folder.path(file), PermissionsExt::from_mode(0o666)).unwrap();
        let (found, said) = folder.check().await;
        assert_eq!(found, 78, "{file}: {said}");
        assert!(said.contains(&format!("{file} can be written by anybody")), "{file}: {said}");
        let got = run(afield(&["serve", "--config", &folder.config()])).await;
        let said = text(&got.stderr);
        assert!(!got.status.success() && said.contains("can be written by anybody"), "{file}: {said}");
    }
}

/// Proves that a certificate which has expired, or is about to, is told of with the days that are left: by `config check`, at
/// start, and when it is read again (case 185).
#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_expires_is_told_of() {
    let ca = Ca::new();
    let folder = Folder::with(TLS);
    let until = SystemTime::now() + Duration::from_secs(3 * 86_400 + 3600);
    folder.identity(&ca.issue_client_until("soon", until));
    let (found, said) = folder.check().await;
    assert!(found == 0 && said.contains("server.pem expires in 3 days"), "{found} {said}");
    folder.identity(&ca.issue_expired(&["localhost"]));
    let (found, said) = folder.check().await;
    assert!(found == 0 && said.contains("server.pem has expired"), "{found} {said}");
    let executor = folder.serve();
    executor.stderr().wait_line("server.pem has expired").await;
    executor.stdout().wait_line("wss://").await;
    folder.identity(&ca.issue_client_until("soon", until));
    executor.reload();
    executor.stderr().wait_line("server.pem expires in 3 days").await;
    folder.identity(&ca.issue(&["localhost"]));
    assert!(!folder.check().await.1.contains("expire"), "a good one is worth no word");
}

/// Proves that a client tells what is wrong with an executor's certificate, whose it is, and at which end it is mended
/// (cases 185 and 186).
#[tokio::test(flavor = "multi_thread")]
async fn request_tells_what_is_wrong_with_a_certificate() {
    let (ca, folder) = (Ca::new(), Folder::with(TLS));
    for (identity, trusted, expected) in [
        (ca.issue_expired(&["127.0.0.1"]), &ca, "executor's certificate has expired"),
        (ca.issue_not_yet_valid(&["127.0.0.1"]), &ca, "executor's certificate is not valid yet"),
        (ca.issue(&["other.test"]), &ca, "is for other names (other.test)"),
        (ca.issue(&["127.0.0.1"]), &Ca::new(), "of an authority that is not trusted on this side"),
    ] {
        folder.identity(&identity);
        let executor = folder.serve();
        let url = executor.stdout().wait_line("wss://").await;
        let file = trusted.pem_file().display().to_string();
        let arguments = [
            "request",
            "-sS",
            "--ca",
            &file,
            "--connect-timeout",
            "10",
            "--executor",
            url.trim(),
            "http://h/",
        ];
        let got = run(afield(&arguments)).await;
        let said = text(&got.stderr);
        assert!(!got.status.success() && said.contains(expected), "{expected}: {said}");
    }
}

/// A request to this executor with this token that stays open until it is ended.
async fn open_stream(url: &str, token: &Path, origin: &Origin) -> tokio::process::Child {
    let mut command: Command = afield(&["request", "-sS", "-i", "--executor", url, "--token-file"]);
    command.arg(token).arg(origin.url("/sse-open"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    within("the head", child.stdout.as_mut().unwrap().read_exact(&mut [0; 8])).await.unwrap();
    child
}

/// Proves that when the last line of a token file is taken out, or the file is emptied or deleted, whoever has the token is
/// put out and nobody is let in any more, through to the origin's socket (case 181).
#[tokio::test(flavor = "multi_thread")]
async fn last_token_withdrawn_puts_its_holder_out() {
    for way in ["line", "empty", "delete"] {
        let origin = Origin::start().await;
        let folder = Folder::with(
            "[serve]\nlisten = \"ws://127.0.0.1:0\"\ntoken_file = \"tokens\"\n[audit]\npath = \"audit\"\n",
        );
        let made = text(&run(afield(&["token", "new", "--name", "ci"])).await.stdout);
        let (token, line) = made.split_once('\n').unwrap();
        folder.write("ci.token", token);
        folder.write("tokens", &format!("# who\n{line}"));
        let executor = folder.serve();
        let url = executor.stdout().wait_line("ws://").await;
        let mut stream = open_stream(url.trim(), &folder.path("ci.token"), &origin).await;
        match way {
            "line" => folder.write("tokens", "# who\n"),
            "empty" => folder.write("tokens", ""),
            _ => std::fs::remove_file(folder.path("tokens")).unwrap(),
        }
        let ended = within("the stream's end", stream.wait()).await.unwrap();
        assert!(!ended.success(), "{way}");
        within("the origin's end", origin.request(0).await.wait_ended()).await;
        executor.stderr().wait_line("no token is in the file any more").await;
        let token = folder.path("ci.token").display().to_string();
        for arguments in [&["--token-file", &token][..], &[]] {
            let mut command = afield(&["request", "-sS", "--executor", url.trim(), &origin.url("/")]);
            let got = run({
                command.args(arguments);
                command
            })
            .await;
            assert_eq!(code(&got), 105, "{way}: {}", text(&got.stderr));
        }
        assert!(
            std::fs::read_to_string(folder.path("audit")).unwrap().contains("\"reason\":\"revoked\""),
            "{way}"
        );
    }
}

/// Proves that the audit tells of start and stop, and that the log tells of connections also when the audit goes to a file
/// (case 189).
#[tokio::test(flavor = "multi_thread")]
async fn audit_tells_of_start_and_stop_and_log_of_connections() {
    let folder = Folder::with("[serve]\nlisten = \"ws://127.0.0.1:0\"\n[audit]\npath = \"audit\"\n");
    let mut executor = folder.serve();
    let url = executor.stdout().wait_line("ws://").await;
    let origin = Origin::start().await;
    let got = run(afield(&["request", "-s", "--executor", url.trim(), &origin.url("/")])).await;
    assert_eq!(code(&got), 0);
    executor.stderr().wait_line("admitted").await;
    executor.reload();
    // The last of what is read again.
    executor.stderr().wait_line("what=\"audit\"").await;
    executor.terminate();
    executor.wait_exit().await;
    let audit = std::fs::read_to_string(folder.path("audit")).unwrap();
    let events: Vec<serde_json::Value> =
        audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events[0]["at"]), (&"started".into(), &url.trim().into()), "{audit}");
    assert_eq!(events[0]["authentication"], "none", "{audit}");
    assert_eq!(events.last().unwrap()["event"], "stopped", "{audit}");
    let mode = std::fs::metadata(folder.path("audit")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

/// Proves that a gateway takes over a changed configuration, at once on SIGHUP, and that a stream through it goes on
/// (case 188).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_reads_its_configuration_again() {
    let origin = Origin::start().await;
    let route = |name: &str| format!("[gateway.routes]\n{name} = \"{}\"\n", origin.url(""));
    let folder = Folder::with(&route("a"));
    let home = TempDir::new().unwrap();
    let (child, base, _) = gateway(home.path(), &["--config", &folder.config()], 2).await;
    let mut stream = afield(&["request", "-sN", &format!("{base}/a/sse-open")]);
    let mut stream = stream.args(["-i"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stream.stdout.take().unwrap()).lines();
    assert!(within("the head", lines.next_line()).await.unwrap().unwrap().contains("200"));
    let status = async |path: &str| {
        let got = run(afield(&[
            "request",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &format!("{base}{path}"),
        ]))
        .await;
        text(&got.stdout)
    };
    assert_eq!((status("/a/echo").await, status("/b/echo").await), ("200".into(), "404".into()));
    // What cannot be used changes nothing; what can is put in place.
    folder.write("config.toml", "[gateway]\nlisten = 7\n");
    hang_up(child.id().unwrap());
    folder.write("config.toml", &route("b"));
    hang_up(child.id().unwrap());
    let changed = async {
        while status("/b/echo").await != "200" {
            tokio::task::yield_now().await;
        }
    };
    within("the new route", changed).await;
    assert_eq!(status("/a/echo").await, "404");
    assert!(stream.try_wait().unwrap().is_none(), "the stream goes on");
    assert!(origin.request(0).await.outcome().is_none(), "at the origin too");
}

/// Proves that an executor that demands client certificates tells without one whether it lives and is ready, through its
/// drain; and that pages, names that lead there, other machines and its own orchestrators get nothing from it (case 194).
#[tokio::test(flavor = "multi_thread")]
async fn admin_listener_tells_readiness_without_a_certificate() {
    let (ca, folder) = (
        Ca::new(),
        Folder::with(&format!(
            "{TLS}admin = \"127.0.0.1:0\"\n[serve.client_certificates]\nca = \"clients.pem\"\n"
        )),
    );
    folder.identity(&ca.issue(&["127.0.0.1"]));
    folder.write("clients.pem", &ca.pem());
    let mut executor = folder.serve();
    let said = executor.stderr().wait_line("/livez and /readyz are answered here too").await;
    let admin = said.split("url=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let asked = async |path: &str, more: &[&str]| {
        let mut command = afield(&["request", "-s", "-w", "%{http_code}", &format!("{admin}{path}")]);
        let got = run({
            command.args(more);
            command
        })
        .await;
        text(&got.stdout)
    };
    assert_eq!(asked("/readyz", &[]).await, "ready\n200");
    assert_eq!(asked("/livez", &["-I"]).await.rsplit_once("\r\n").unwrap().1, "200");
    for (path, more, expected) in [
        ("/readyz", &["-H", "Origin: http://localhost"][..], "403"),
        ("/readyz", &["-H", "Sec-Fetch-Site: cross-site"], "403"),
        ("/readyz", &["-H", "Host: evil.test"], "403"),
        ("/readyz", &["-X", "POST"], "405"),
        ("/metrics", &[], "404"),
        ("/", &[], "404"),
    ] {
        let got = asked(path, more).await;
        assert!(got.ends_with(expected), "{path} {more:?}: {got}");
    }
    executor.terminate();
    executor.wait_exit().await;
    let exposed = Folder::with("[serve]\nlisten = \"ws://127.0.0.1:0\"\nadmin = \"0.0.0.0:0\"\n");
    let (found, said) = exposed.check().await;
    assert!(found == 78 && said.contains("admin listener"), "{found} {said}");
    // Its orchestrators are kept from it.
    let open = Folder::with("[serve]\nlisten = \"ws://127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n");
    let executor = open.serve();
    let url = executor.stdout().wait_line("ws://").await;
    let said = executor.stderr().wait_line("/livez and /readyz are answered here too").await;
    let admin = said.split("url=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let got = run(afield(&["request", "-sS", "--executor", url.trim(), &format!("{admin}/readyz")])).await;
    assert_eq!(code(&got), 101, "{}", text(&got.stderr));
}
