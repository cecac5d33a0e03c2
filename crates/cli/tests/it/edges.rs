//! What an operator types, and files as they are found.

use crate::support::{
    afield, code,
    folder::{Folder, hang_up},
    gateway::gateway,
    run, serve, text,
};
use afield_testkit::{Origin, tls::Ca, within};
use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};

const TLS: &str =
    "[serve]\nlisten = \"wss://127.0.0.1:0\"\ntls_certificate = \"server.pem\"\ntls_key = \"server.key\"\n";

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

/// Proves that `afield doctor` tells how long an executor's certificate is good, and of one that is trusted by its digest that it
/// has expired (case 185).
#[tokio::test(flavor = "multi_thread")]
async fn case_185_doctor_tells_the_days_of_a_certificate() {
    let ca = Ca::new();
    let day = Duration::from_secs(86_400);
    let expired = ca.issue_expired(&["127.0.0.1"]);
    for (identity, expected, left) in [
        (
            ca.issue_until("127.0.0.1", SystemTime::now() + 40 * day + day / 2),
            "certificate  is good for 40 days",
            "40",
        ),
        (
            ca.issue_until("127.0.0.1", SystemTime::now() + 3 * day + day / 2),
            "certificate  expires in 3 days",
            "3",
        ),
        (expired, "certificate  has expired", "-"),
    ] {
        let folder = Folder::with(TLS);
        folder.identity(&identity);
        folder.write("ca.pem", &ca.pem());
        let executor = folder.serve();
        let url = executor.stdout().wait_line("wss://").await;
        let trusted = match left {
            "-" => {
                // Whoever asks with a wrong digest is told the right one.
                let got = run(afield(&["doctor", url.trim(), "--executor-pin", &"0".repeat(64)])).await;
                let said = text(&got.stdout);
                let digest = said.split("digest is ").nth(1).unwrap_or_else(|| panic!("{said}"));
                ["--executor-pin".to_owned(), digest[..64].to_owned()]
            }
            _ => ["--ca".to_owned(), folder.path("ca.pem").display().to_string()],
        };
        let got = run(afield(&["doctor", url.trim(), &trusted[0], &trusted[1]])).await;
        let said = text(&got.stdout);
        assert!(code(&got) == 0 && said.contains(expected), "{said}{}", text(&got.stderr));
        let got = run(afield(&["doctor", url.trim(), &trusted[0], &trusted[1], "--json"])).await;
        let said = text(&got.stdout);
        assert!(said.contains(&format!("\"certificateDaysLeft\": {left}")), "{said}");
    }
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

/// Proves that a client without the certificate that an executor demands is told by which flags and keys it shows one, and that
/// the authority which an executor lacks for an origin, or the certificate that it lacks there, is told as a matter of its own
/// configuration (case 186).
#[tokio::test(flavor = "multi_thread")]
async fn case_186_hints_name_the_key_at_the_right_end() {
    let (ca, private) = (Ca::new(), Ca::new());
    let folder = Folder::with(&format!("{TLS}[serve.client_certificates]\nca = \"clients.pem\"\n"));
    folder.identity(&ca.issue(&["127.0.0.1"]));
    folder.write("clients.pem", &ca.pem());
    folder.write("ca.pem", &ca.pem());
    let executor = folder.serve();
    let url = executor.stdout().wait_line("wss://").await;
    let file = folder.path("ca.pem").display().to_string();
    let got =
        run(afield(&["request", "-sS", "--ca", &file, "--executor", url.trim(), "http://127.0.0.1:1/"]))
            .await;
    let said = text(&got.stderr);
    for key in ["--executor-certificate", "--executor-key", "client_certificate", "client_key"] {
        assert!(!got.status.success() && said.contains(key), "{key}: {said}");
    }
    let got = run(afield(&["request", "-sS", "--executor", url.trim(), "http://127.0.0.1:1/"])).await;
    let said = text(&got.stderr);
    assert!(said.contains("--ca") && said.contains("--executor-pin"), "{said}");

    let tls = |server: afield_testkit::tls::Server| server.alpn(["http/1.1"]).build();
    let issued = private.issue(&["127.0.0.1"]);
    let unknown = Origin::builder().tls(tls(issued.server())).start().await.unwrap();
    let demanding =
        issued.server().demand_client_certificate(&private).only(afield_testkit::tls::Version::Tls12);
    let demanding = Origin::builder().tls(tls(demanding)).start().await.unwrap();
    let folder = Folder::with("[serve]\nlisten = \"ws://127.0.0.1:0\"\n");
    let executor = folder.serve();
    let url = executor.stdout().wait_line("ws://").await;
    let asked = async |url: &str, origin: &Origin| {
        text(&run(afield(&["request", "-sS", "--executor", url.trim(), &origin.url("/")])).await.stderr)
    };
    let said = asked(&url, &unknown).await;
    assert!(said.contains("`ca` in [serve]") && said.contains("[[upstreams]]"), "{said}");
    assert!(said.contains("--ca FILE"), "{said}");
    let folder = Folder::with("[serve]\nlisten = \"ws://127.0.0.1:0\"\nca = \"ca.pem\"\n");
    folder.write("ca.pem", &private.pem());
    let executor = folder.serve();
    let url = executor.stdout().wait_line("ws://").await;
    let said = asked(&url, &demanding).await;
    assert!(said.contains("demands a client certificate"), "{said}");
    assert!(said.contains("`client_certificate` and `client_key` in one of [[upstreams]]"), "{said}");
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

/// Proves that a gateway whose executor's URL or own token is changed uses the new ones, without a restart and without a signal for the
/// token; and that a file which cannot be used is told of and changes nothing (case 188).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_takes_up_another_executor_and_token() {
    let origin = Origin::start().await;
    let (first, url) = serve(&[]).await;
    let (_second, other) = serve(&[]).await;
    let config = |url: &str| {
        format!(
            "[executors.there]\nurl = \"{url}\"\n[gateway]\nlisten = \"127.0.0.1:0\"\nexecutor = \"there\"\ntoken_file = \"token\"\n\
             routes = {{ a = \"{}\" }}\n",
            origin.url("/echo")
        )
    };
    let folder = Folder::with(&config(&url));
    folder.write("token", "first");
    let child = folder.gateway();
    let base = child.stdout().wait_line("http://").await;
    let status = async |token: &str| {
        let field = format!("Afield-Gateway-Token: {token}");
        let got = run(afield(&[
            "request",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            &field,
            &format!("{base}/a"),
        ]));
        text(&got.await.stdout)
    };
    assert_eq!((status("first").await, status("second").await), ("200".into(), "407".into()));
    folder.write("config.toml", "[executors.there]\nurl = 7\n");
    hang_up(child.pid());
    child.stderr().wait_line("everything stays as it was").await;
    assert_eq!(status("first").await, "200");
    drop(first);
    folder.write("config.toml", &config(&other));
    folder.write("token", "second");
    let changed = async {
        while status("second").await != "200" {
            tokio::task::yield_now().await;
        }
    };
    within("the other executor and the other token", changed).await;
    assert_eq!(status("first").await, "407");
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
