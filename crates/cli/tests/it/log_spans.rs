//! One request, followed by its name through the logs of every process that it passes.

use crate::support::{afield, code, run, text};
use afield_testkit::{Origin, Process, within};
use serde_json::Value;
use tokio::process::Command;

const FAILURES: [&str; 3] = ["a request failed", "a request was denied", "a request failed by a defect"];

/// The binary with a log of JSON lines.
fn logging(arguments: &[&str]) -> Command {
    let mut command = afield(arguments);
    command.env("AFIELD_LOG", "debug").env("AFIELD_LOG_FORMAT", "json");
    command
}

/// Ends a process and returns its log.
async fn log_of(mut process: Process) -> Vec<Value> {
    process.terminate();
    within("the process ends", process.wait_exit()).await;
    json_lines(&process.stderr().wait_end().await)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The span of this name around a line.
fn span<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    line["spans"].as_array()?.iter().find(|span| span["name"] == name)
}

/// The failures that a log tells of, each as session, request, phase and kind.
fn failures(log: &[Value]) -> Vec<[String; 4]> {
    let failed = log.iter().filter(|line| FAILURES.iter().any(|text| line["fields"]["message"] == *text));
    failed
        .map(|line| {
            let request = span(line, "request").unwrap_or(&Value::Null);
            let session = span(line, "session").map_or(&request["session"], |span| &span["tag"]);
            let fields = &line["fields"];
            [session, &request["id"], &fields["phase"], &fields["kind"]]
                .map(|value| value.as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

/// The session and the name of the one request, as `-v` says them.
fn named(verbose: &str) -> (String, String) {
    let line = verbose.lines().find(|line| line.contains("sent as request")).expect(verbose);
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |word: &str| words[words.iter().position(|one| *one == word).unwrap() + 1].to_owned();
    (after("session"), after("request"))
}

/// Proves that a request bears one name in `-v`, in the log of the client and in the log of the executor, and that each log
/// has exactly one line about its failure, in both dialects.
#[tokio::test(flavor = "multi_thread")]
async fn failed_request_is_logged_once_at_each_end_under_one_name() {
    for dialect in ["auto", "base"] {
        let executor = Process::start(logging(&["serve", "--listen", "ws://127.0.0.1:0"])).unwrap();
        let url = executor.stdout().wait_line("ws://").await;
        let ask = [
            "request",
            "-v",
            "--dialect",
            dialect,
            "--executor",
            &url,
            "http://u:canary@127.0.0.1:1/canary?canary",
        ];
        let got = run(logging(&ask)).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), 7, "{said}");
        let (session, request) = named(&said);
        let expected = [session.clone(), request, "connect".to_owned(), "connect".to_owned()];
        assert_eq!(failures(&json_lines(&said)), std::slice::from_ref(&expected), "{dialect}, the client");

        let log = log_of(executor).await;
        assert_eq!(failures(&log), [expected], "{dialect}, the executor");
        let failure = log.iter().find(|line| line["fields"]["message"] == FAILURES[0]).unwrap();
        let connection = span(failure, "connection").unwrap();
        assert!(connection["peer"].as_str().unwrap().starts_with("127.0.0.1"), "{connection}");
        assert_eq!(connection["principal"], "anonymous");
        let request = span(failure, "request").unwrap();
        assert_eq!((&request["method"], &request["host"]), (&"GET".into(), &"127.0.0.1".into()));
        assert!(!format!("{log:?}").contains("canary"), "the log shows the URL");
    }
}

/// Proves that the executor's log shows each hop of a request that is redirected, with its number, its host and its status.
#[tokio::test(flavor = "multi_thread")]
async fn redirected_request_is_logged_hop_by_hop() {
    let origin = Origin::start().await;
    let executor = Process::start(logging(&["serve", "--listen", "ws://127.0.0.1:0"])).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    let target = format!("{}?to={}", origin.url("/redirect"), origin.url("/status/204"));
    let got = run(logging(&["request", "-v", "-L", "--executor", &url, &target])).await;
    let said = text(&got.stderr);
    assert_eq!(code(&got), 0, "{said}");
    let (_, id) = named(&said);
    let log = log_of(executor).await;
    let heads: Vec<_> = log
        .iter()
        .filter(|line| span(line, "request").is_some_and(|request| request["id"] == *id))
        .filter(|line| line["fields"]["status"].is_number())
        .map(|line| (span(line, "hop").unwrap()["n"].clone(), line["fields"]["status"].clone()))
        .collect();
    assert_eq!(heads, [(0.into(), 302.into()), (1.into(), 204.into())]);
    assert!(failures(&log).is_empty());
}

/// Proves that a request through a gateway bears one name in the gateway's log and in its executor's, that each tells once
/// of its failure, and that the gateway's log names the route.
#[tokio::test(flavor = "multi_thread")]
async fn failed_request_through_gateway_is_logged_once_at_each_end() {
    let executor = Process::start(logging(&["serve", "--listen", "ws://127.0.0.1:0"])).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    let route = ["--executor", &url, "--route", "gone=http://127.0.0.1:1/"];
    let home = tempfile::tempdir().unwrap();
    let mut command = logging(&[&["gateway", "--listen", "127.0.0.1:0"], &route[..]].concat());
    command.env("HOME", home.path());
    let gateway = Process::start(command).unwrap();
    let base = gateway.stdout().wait_line("http://").await;
    let got = run(afield(&["request", "-o", "/dev/null", &format!("{base}/gone/canary?canary")])).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    let (gateway, executor) = (log_of(gateway).await, log_of(executor).await);
    let (here, there) = (failures(&gateway), failures(&executor));
    assert_eq!(here.len(), 1, "{gateway:#?}");
    assert_eq!(here, there);
    let failure = gateway.iter().find(|line| line["fields"]["message"] == FAILURES[0]).unwrap();
    assert_eq!(span(failure, "relay").unwrap()["route"], "gone");
    assert!(!format!("{gateway:?}{executor:?}").contains("canary"), "a log shows the URL");
}

/// Proves that at the level at which an executor logs by default the one line about a denied request names its principal, its
/// session and itself.
#[tokio::test(flavor = "multi_thread")]
async fn denied_request_is_named_in_default_log() {
    let mut command = afield(&["serve", "--listen", "ws://127.0.0.1:0", "--log-format", "json"]);
    command.args(["--policy", "public-only"]);
    let executor = Process::start(command).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    let got = run(afield(&["request", "-v", "--executor", &url, "http://127.0.0.1:1/"])).await;
    let (session, request) = named(&text(&got.stderr));
    let log = log_of(executor).await;
    let denied: Vec<_> = log.iter().filter(|line| line["fields"]["message"] == FAILURES[1]).collect();
    assert_eq!(denied.len(), 1, "{log:#?}");
    let fields = &denied[0]["fields"];
    assert_eq!(
        (&fields["session"], &fields["request"], &fields["principal"]),
        (&session.into(), &request.into(), &"anonymous".into())
    );
}
