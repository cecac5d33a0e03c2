//! `afield serve` as an operator sets it up: tokens, TLS, client certificates, Unix sockets, and what goes wrong.

use crate::support::{afield, code, end, run, serve, signal, text};
use afield_testkit::{Origin, Process, tls::Ca, within};
use rustix::process::Signal;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// Starts `afield serve` with exactly these arguments, and says its URL.
async fn serve_at(arguments: &[&str]) -> (Child, String) {
    let mut command = afield(&["serve", "--log", "off"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = within("the executor's URL", lines.next_line()).await.unwrap().expect("serve prints its URL");
    (child, url)
}

/// `afield token new`: the token, and the line for the executor's file.
pub async fn new_token(name: &str) -> (String, String) {
    let made = run(afield(&["token", "new", "--name", name])).await;
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let made = text(&made.stdout);
    let (token, line) = made.split_once('\n').unwrap();
    (token.to_owned(), line.trim().to_owned())
}

/// The status that an origin answers through this executor, or else the exit code and what was said.
async fn status(url: &str, token: Option<&str>, more: &[&str]) -> Result<String, (i32, String)> {
    let origin = Origin::start().await;
    let mut command =
        afield(&["request", "-s", "-S", "-o", "/dev/null", "-w", "%{http_code}", "--executor", url]);
    command.args(more).arg(origin.url("/echo"));
    if let Some(token) = token {
        command.env("AFIELD_TOKEN", token);
    }
    let output = run(command).await;
    match code(&output) {
        0 => Ok(text(&output.stdout)),
        code => Err((code, text(&output.stderr))),
    }
}

fn write(directory: &Path, name: &str, contents: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, contents).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Proves that a token that was made here lets in whoever has it by the line in the executor's file, that the line does not
/// tell the token, and that each is another.
#[tokio::test]
async fn a_new_token_lets_in() {
    let directory = tempfile::tempdir().unwrap();
    let ((ann, ann_line), (bob, bob_line)) = (new_token("ann").await, new_token("bob").await);
    assert!(ann.starts_with("afield_") && ann.len() == 50 && ann != bob, "{ann}");
    assert!(ann_line.starts_with("ann ") && ann_line.len() == 68 && !ann_line.contains(&ann), "{ann_line}");
    let file = write(directory.path(), "tokens", &format!("{ann_line}\n"));
    let hex = bob_line.strip_prefix("bob ").unwrap();
    let (_child, url) = serve(&["--token-file", &file, "--token-sha256", &format!("bob={hex}")]).await;
    for (token, accepted) in [(Some(&ann), true), (Some(&bob), true), (Some(&ann_line), false), (None, false)]
    {
        let token = token.map(|token| token.replace(' ', ""));
        let outcome = status(&url, token.as_deref(), &[]).await;
        match outcome {
            Ok(status) => assert!(accepted && status == "200"),
            Err((code, why)) => assert!(!accepted && code == 105, "{code} {why}"),
        }
    }
    assert_eq!(code(&run(afield(&["token", "new", "--name", "a b"])).await), 2);
}

/// Proves that SIGHUP has the token file read again, that a token that is gone ends what it carries, and that a file that
/// cannot be used changes nothing and is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_reads_tokens_again() {
    let directory = tempfile::tempdir().unwrap();
    let ((ann, ann_line), (bob, bob_line)) = (new_token("ann").await, new_token("bob").await);
    let file = write(directory.path(), "tokens", &ann_line);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_afield"));
    command.env_clear().args(["serve", "--listen", "ws://127.0.0.1:0", "--token-file", &file]);
    let executor = Process::start(command.into()).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    assert_eq!(status(&url, Some(&ann), &[]).await, Ok("200".into()));
    let origin = Origin::start().await;
    let mut streaming = afield(&["request", "-s", "--executor", &url, &origin.url("/sse-open")]);
    let streaming = streaming.env("AFIELD_TOKEN", &ann).stdout(Stdio::null()).spawn().unwrap();
    origin.request(0).await;

    write(directory.path(), "tokens", "a b c");
    executor.reload();
    executor.stderr().wait_line("reload_failed").await;
    assert_eq!(status(&url, Some(&ann), &[]).await, Ok("200".into()));
    write(directory.path(), "tokens", &bob_line);
    executor.reload();
    executor.stderr().wait_line("revoked").await;
    let ended = within("the request ends", streaming.wait_with_output()).await.unwrap();
    assert_eq!(ended.status.code(), Some(103), "{}", text(&ended.stderr));
    assert_eq!(status(&url, Some(&bob), &[]).await, Ok("200".into()));
    assert_eq!(status(&url, Some(&ann), &[]).await.unwrap_err().0, 105);
    executor.stderr().wait_line("credential_wrong").await;
    let told = executor.stderr().text();
    assert!(told.contains("ann"), "{told}");
    assert!(!told.contains(&ann) && !told.contains(&bob), "{told}");
}

/// Proves that an executor with TLS is reached by an authority that is named, or by a pin, and not otherwise; that OpenSSL
/// speaks TLS 1.2 and 1.3 with it; and that it may then listen where others reach it.
#[tokio::test]
async fn an_executor_speaks_tls() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let identity = ca.issue(&["127.0.0.1"]);
    let (certificate, key) = identity.write_to(directory.path()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let (token, line) = new_token("ann").await;
    let file = write(directory.path(), "tokens", &line);
    let all = ["--token-file", &file, "--tls-certificate", certificate, "--tls-key", key];
    let (_child, url) = serve_at(&[&["--listen", "wss://0.0.0.0:0"], &all[..]].concat()).await;
    let port = url.strip_prefix("wss://0.0.0.0:").unwrap();
    let url = format!("wss://127.0.0.1:{port}");
    let pin = afield_transport::Pin::of_certificate(&identity.chain()[0]).to_string();
    let authority = ca.pem_file().to_str().unwrap();
    assert_eq!(status(&url, Some(&token), &["--ca", authority]).await, Ok("200".into()));
    assert_eq!(status(&url, Some(&token), &["--executor-pin", &pin]).await, Ok("200".into()));
    let other = Ca::new();
    let refused =
        status(&url, Some(&token), &["--ca", other.pem_file().to_str().unwrap()]).await.unwrap_err();
    assert!(refused.1.contains("TLS") && refused.1.contains("certificate"), "{refused:?}");
    let wrong =
        status(&url, Some(&token), &["--executor-pin", &pin.replace(['0', '1'], "2")]).await.unwrap_err();
    assert!(wrong.1.contains(&pin), "{wrong:?}");

    for version in ["-tls1_2", "-tls1_3"] {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), version, "-CAfile", authority]);
        openssl.args(["-verify_return_error", "-alpn", "http/1.1"]).stdin(Stdio::null()).kill_on_drop(true);
        let Ok(output) = within("openssl", openssl.output()).await else {
            assert!(
                std::env::var_os("AFIELD_REQUIRE_TOOLS").is_none(),
                "openssl is required and is not there"
            );
            eprintln!("skipped: there is no openssl");
            return;
        };
        let said = text(&output.stdout);
        assert!(output.status.success() && said.contains("ALPN protocol: http/1.1"), "{said}");
    }
}

/// Proves that a client certificate lets in, by flags on both sides.
#[tokio::test]
async fn a_client_certificate_lets_in() {
    let (ca, clients, directory) = (Ca::new(), Ca::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = ca.issue(&["127.0.0.1"]).write_to(directory.path()).unwrap();
    let own = tempfile::tempdir().unwrap();
    let (client, client_key) = clients.issue_client("ann.test").write_to(own.path()).unwrap();
    let names = write(directory.path(), "names", "ann.test\n");
    let [certificate, key, client, client_key] =
        [&certificate, &key, &client, &client_key].map(|path| path.to_str().unwrap());
    let tls = ["--tls-certificate", certificate, "--tls-key", key, "--listen", "wss://127.0.0.1:0"];
    let client_ca = ["--tls-client-ca", clients.pem_file().to_str().unwrap(), "--tls-client-names", &names];
    let (_child, url) = serve_at(&[&tls[..], &client_ca].concat()).await;
    let trust = ["--ca", ca.pem_file().to_str().unwrap()];
    let present = ["--executor-certificate", client, "--executor-key", client_key];
    assert_eq!(status(&url, None, &[&trust[..], &present].concat()).await, Ok("200".into()));
    let refused = status(&url, None, &trust).await.unwrap_err();
    assert!(refused.1.contains("client certificate"), "{refused:?}");
}

/// Proves that a JSON Web Token that was made here lets in, and one for somebody else does not.
#[tokio::test]
async fn a_json_web_token_lets_in() {
    let directory = tempfile::tempdir().unwrap();
    let secret = write(directory.path(), "secret", "0123456789abcdef0123456789abcdef\n");
    let of = ["--jwt-issuer", "https://issuer.test", "--jwt-audience", "afield"];
    let (_child, url) = serve(&[&["--jwt-secret-file", &secret], &of[..]].concat()).await;
    for (audience, accepted) in [("afield", true), ("another", false)] {
        let for_whom = ["--issuer", "https://issuer.test", "--audience", audience, "--subject", "ann"];
        let made = run(afield(&[&["token", "jwt", "--secret-file", &secret], &for_whom[..]].concat())).await;
        assert_eq!(code(&made), 0, "{}", text(&made.stderr));
        let outcome = status(&url, Some(text(&made.stdout).trim()), &[]).await;
        assert_eq!(outcome.is_ok(), accepted, "{outcome:?}");
    }
}

/// Proves that an executor on a Unix socket is reached by its path, and takes the socket away at its end.
#[tokio::test]
async fn an_executor_listens_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("executor.sock");
    let listen = format!("unix:{}", path.display());
    let (mut child, url) = serve_at(&["--listen", &listen]).await;
    assert_eq!(url, listen);
    assert_eq!(status(&url, None, &[]).await, Ok("200".into()));
    signal(&child, Signal::TERM);
    assert_eq!(end(&mut child).await, Some(0));
    assert!(!path.exists());
}

/// Proves that what makes no sense together, or cannot be used, is refused as usage, with what to do.
#[tokio::test]
async fn case_82_what_is_not_safe_or_makes_no_sense_is_refused() {
    let (ca, directory) = (Ca::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = ca.issue(&["127.0.0.1"]).write_to(directory.path()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let short = write(directory.path(), "short", "canary");
    let hex = "0".repeat(64);
    let authority = ca.pem_file().to_str().unwrap();
    for (arguments, why) in [
        (vec!["--listen", "ws://0.0.0.0:0"], "afield token new"),
        (vec!["--listen", "ws://0.0.0.0:0", "--token-sha256", &hex], "no TLS"),
        (vec!["--listen", "ws://0.0.0.0:0", "--tls-terminated-in-front"], "no authentication"),
        (vec!["--listen", "wss://127.0.0.1:0"], "--tls-certificate"),
        (vec!["--listen", "ws://127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key], "wss://"),
        (
            vec!["--listen", "unix:/nonexistent/x", "--tls-certificate", certificate, "--tls-key", key],
            "no TLS",
        ),
        (vec!["--tls-certificate", certificate], "--tls-key"),
        (vec!["--tls-key", key], "--tls-certificate"),
        (vec!["--tls-certificate", certificate, "--tls-key", &short], "no private key"),
        (vec!["--tls-client-ca", authority], "--tls-certificate"),
        (vec!["--tls-client-optional"], "--tls-client-ca"),
        (vec!["--token-sha256", "canary"], "64 hexadecimal"),
        (vec!["--token-file", "/nonexistent"], "/nonexistent"),
        (vec!["--jwt-secret-file", &short], "--jwt-issuer"),
        (vec!["--jwt-secret-file", &short, "--jwt-issuer", "i", "--jwt-audience", "a"], "32 or more"),
        (vec!["--jwt-issuer", "i"], "need a key"),
    ] {
        let got = run(afield(&[&["serve"], &arguments[..]].concat())).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 64, "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let taken = run(afield(&["serve", "--listen", "unix:/nonexistent/executor.sock"])).await;
    assert_eq!(code(&taken), 69, "{}", text(&taken.stderr));
}

/// Proves that an executor that has run out of descriptors, as when its limit is lowered while it runs, backs off and goes on
/// serving: those who have said nothing give way to those who do, and it is as before when they are gone.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn case_86_running_out_of_descriptors_is_survived() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    let arguments =
        ["serve", "--listen", "ws://127.0.0.1:0", "--log", "warn", "--limit", "handshakeMs=60000"];
    command.env_clear().args(arguments);
    let executor = Process::start(command).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    assert_eq!(status(&url, None, &[]).await, Ok("200".into()));
    let pid = Pid::from_raw(executor.pid().try_into().unwrap());
    let few = Rlimit { current: Some(48), maximum: Some(48) };
    prlimit(pid, Resource::Nofile, few).unwrap();
    crowded(&executor, &url, "cannot accept connections for now").await;
}

/// Proves that an executor that may have few descriptors lowers its limits to what there is, so that some are left for whoever
/// says who it is.
#[tokio::test]
async fn few_descriptors_lower_the_limits() {
    let mut command = Command::new("sh");
    let start =
        "ulimit -n 48; exec \"$0\" serve --listen ws://127.0.0.1:0 --log warn --limit handshakeMs=60000";
    command.env_clear().args(["-c", start, env!("CARGO_BIN_EXE_afield")]);
    let executor = Process::start(command).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    assert_eq!(status(&url, None, &[]).await, Ok("200".into()));
    executor.stderr().wait_line("limits are lower than they were set").await;
    crowded(&executor, &url, "too many connections").await;
}

/// A hundred who say nothing, until the executor says this; then one who says who it is, and one when they have gone.
async fn crowded(executor: &Process, url: &str, says: &str) {
    let address = url.strip_prefix("ws://").unwrap();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    executor.stderr().wait_line(says).await;
    // They are still there: whoever says who it is gets their place.
    assert_eq!(status(url, None, &[]).await, Ok("200".into()));
    drop(silent);
    let mut one = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncWriteExt::write_all(&mut one, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    within("readyz", one.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}
