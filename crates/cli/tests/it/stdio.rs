//! The protocol over pipes: an executor on standard input and output, and `afield stdio`, which carries it to an executor that
//! outlives the pipes.

use crate::support::{afield, code, end, run, run_with_input, text};
use afield_client::{ConnectionState, Endpoint, HttpClient, Remote, RemoteConfig};
use afield_exchange::{Request, RequestBody};
use afield_testkit::{Origin, pattern, within};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// `initialize`, `initialized`, and these requests, a line each.
fn lines(requests: &[Value]) -> Vec<u8> {
    let mut all = vec![
        json!({ "id": 1, "method": "initialize", "params": { "clientName": "t" } }),
        json!({ "method": "initialized" }),
    ];
    all.extend_from_slice(requests);
    all.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

fn get(id: &str, url: &str, streamed: bool) -> Value {
    json!({ "id": id, "method": "http/request", "params": {
        "method": "GET", "url": url, "requestId": id, "streamResponse": streamed,
    } })
}

fn messages(output: &[u8]) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An executor on a Unix socket.
pub async fn listening(socket: &Path) -> Child {
    let listen = format!("unix:{}", socket.display());
    let mut command = afield(&["serve", "--listen", &listen, "--log", "off", "--policy", "standard"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    within("the executor's URL", lines.next_line()).await.unwrap().expect("serve prints its URL");
    child
}

/// A program that notes its process id and becomes `afield` with these arguments.
fn noting(directory: &Path, name: &str, arguments: &str) -> (PathBuf, PathBuf) {
    noting_of(directory, name, &format!("'{}' {arguments}", env!("CARGO_BIN_EXE_afield")))
}

/// A program that notes its process id and becomes this one.
pub fn noting_of(directory: &Path, name: &str, becomes: &str) -> (PathBuf, PathBuf) {
    let (program, pids) = (directory.join(name), directory.join(format!("{name}.pids")));
    let script = format!("#!/bin/sh\necho $$ >> '{}'\nexec {becomes}\n", pids.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, pids)
}

/// Kills the program that was started last.
pub fn kill_last(pids: &Path) {
    let pid = fs::read_to_string(pids).unwrap().lines().last().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Proves that every answer that is owed when the input ends is written before the executor ends, streamed and not, and that
/// it then ends with 0 (case 183).
#[tokio::test]
async fn input_end_leaves_no_answer_unwritten() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("executor.sock");
    let _executor = listening(&socket).await;
    let bridge = format!("unix:{}", socket.display());
    let input = lines(&[
        get("a", &origin.url("/bytes/100000"), false),
        get("b", &origin.url("/chunked/300000"), true),
        get("c", "ftp://nowhere", false),
        json!(7),
    ]);
    for _ in 0..10 {
        for arguments in [vec!["serve", "--listen", "stdio", "--log", "off"], vec!["stdio", &bridge]] {
            let output = run_with_input(afield(&arguments), &input).await;
            assert_eq!(code(&output), 0, "{arguments:?}: {}", text(&output.stderr));
            let said = messages(&output.stdout);
            let answer = |id: &str| {
                said.iter().find(|said| said["id"] == id).unwrap_or_else(|| panic!("{id}: {said:?}"))
            };
            assert_eq!(answer("a")["result"]["status"], 200);
            assert_eq!(answer("b")["result"]["status"], 200);
            assert!(answer("c")["error"].is_object());
            assert!(said.iter().any(|said| said["id"] == -1), "{said:?}");
            assert!(said.iter().any(|said| said["params"]["done"] == true), "{said:?}");
        }
    }
}

/// Proves that answers that are not there when the time after the input's end is over are told by the exit code and on
/// standard error, and so are those that nobody reads (case 183).
#[tokio::test]
async fn answers_cut_are_told_by_exit_code() {
    let origin = Origin::start().await;
    let input =
        lines(&[get("a", &origin.url("/slow-head"), false), get("b", &origin.url("/status/200"), false)]);
    let serve = ["serve", "--listen", "stdio", "--log", "off", "--grace", "1"];
    let output = run_with_input(afield(&serve), &input).await;
    assert_eq!(code(&output), 74, "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("1 answer was owed when standard input ended"),
        "{}",
        text(&output.stderr)
    );
    assert!(messages(&output.stdout).iter().any(|said| said["id"] == "b"));

    let mut command = afield(&["serve", "--listen", "stdio", "--log", "off"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let gated = lines(&[get("a", &origin.url("/count?key=unread&gate=go"), false)]);
    tokio::io::AsyncWriteExt::write_all(&mut stdin, &gated).await.unwrap();
    origin.request(2).await;
    drop((child.stdout.take(), stdin));
    origin.open_gate("go");
    assert_eq!(end(&mut child).await, Some(74));
}

/// A download, an upload and POSTs go on when what carries their session is killed in their middle by `kill`, three times: each
/// is sent to the origin once, and no byte is lost.
pub async fn survives(mut config: RemoteConfig, kill: impl Fn(u32)) {
    let origin = Origin::start().await;
    config.wait = false;
    let remote = Remote::connect(config).await.unwrap();
    let mut watch = remote.watch();
    for round in 1..=3 {
        let gate = format!("gate-{round}");
        let spawn = |request: Request| {
            let remote = remote.clone();
            tokio::spawn(async move { remote.call(request).await.unwrap().body })
        };
        let arrived = origin.received();
        let posts: Vec<_> = (0..3)
            .map(|at| {
                let url = origin.url(&format!("/count?key={round}-{at}&gate={gate}"));
                spawn(Request::new("POST", url).body(RequestBody::Bytes(pattern::bytes(0, 20_000))))
            })
            .collect();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let pieces = stream::poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok);
        let body = RequestBody::Stream { length: None, stream: Box::pin(pieces) };
        let upload = spawn(Request::new("PUT", origin.url("/upload")).body(body));
        sender.send(pattern::bytes(0, 300_000)).unwrap();
        let half = format!("/half/1000000?then={gate}");
        let mut response = remote.stream(Request::get(origin.url(&half))).await.unwrap();
        let mut read = response.body.next().await.unwrap().unwrap().to_vec();
        within("all have arrived", async {
            while origin.received() < arrived + 5 {
                tokio::task::yield_now().await;
            }
        })
        .await;

        kill(round);
        let again = |state: &ConnectionState| matches!(state, ConnectionState::Connected { resumed, .. } if *resumed == round);
        within("the session goes on", watch.wait_for(again)).await.unwrap();

        origin.open_gate(&gate);
        sender.send(pattern::bytes(300_000, 200_000)).unwrap();
        drop(sender);
        for post in posts {
            assert_eq!(within("a POST", post).await.unwrap(), r#"{"executions":1}"#);
        }
        let seen: Value = serde_json::from_slice(&within("the upload", upload).await.unwrap()).unwrap();
        assert_eq!(seen["sha256"], pattern::sha256(500_000));
        while let Some(bytes) = within("the download", response.body.next()).await {
            read.extend_from_slice(&bytes.unwrap());
        }
        assert!(read == pattern::bytes(0, 1_000_000), "{} bytes", read.len());
    }
    assert_eq!(origin.received(), 15, "every request was sent once");
}

/// Proves that a download, an upload and POSTs go on when the program that carries the session is killed in their middle: each
/// is sent to the origin once, and no byte is lost (case 184).
#[tokio::test]
async fn session_survives_kill_of_its_carrier() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("executor.sock");
    let _executor = listening(&socket).await;
    let (program, pids) = noting(directory.path(), "carrier", &format!("stdio unix:{}", socket.display()));
    let config = RemoteConfig::command(program.to_str().unwrap(), Vec::new());
    survives(config, |_| kill_last(&pids)).await;
    assert_eq!(fs::read_to_string(&pids).unwrap().lines().count(), 4);
}

/// Proves that `--executor ssh://HOST/SOCKET` runs ssh with `afield stdio` behind it, in afield/1 (case 184). The ssh is one that
/// runs its command here.
#[tokio::test]
async fn request_reaches_executor_through_ssh() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("executor.sock");
    let _executor = listening(&socket).await;
    let ssh = directory.path().join("ssh");
    fs::write(&ssh, "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\n[ \"$2\" = box ] || exit 255\nshift 2\nexec \"$@\"\n").unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(env!("CARGO_BIN_EXE_afield"), directory.path().join("afield")).unwrap();
    let request = |host: &str| {
        let mut command: Command = afield(&["request", "-v", "--executor"]);
        command.arg(format!("ssh://{host}{}", socket.display())).arg(origin.url("/status/200"));
        command.env("PATH", directory.path());
        command
    };
    let output = run(request("box")).await;
    let said = text(&output.stderr);
    assert_eq!(code(&output), 0, "{said}");
    assert!(said.contains("dialect afield/1"), "{said}");
    let output = run(request("other")).await;
    assert_eq!(code(&output), 104);
    assert!(
        text(&output.stderr).contains("ssh ended before the session began (exit status: 255)"),
        "{}",
        text(&output.stderr)
    );
}

/// Proves that an executor that is the program itself speaks afield/1 over its pipes, and that what is under way is lost with
/// it at once: nothing is sought that cannot come back.
#[tokio::test]
async fn executor_that_ends_with_its_pipes_is_not_sought() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (program, pids) = noting(directory.path(), "executor", "serve --listen stdio --log off");
    let endpoint = Endpoint::Command {
        program: program.to_str().unwrap().into(),
        arguments: Vec::new(),
        variables: Vec::new(),
    };
    let mut config = RemoteConfig::command("", Vec::new());
    config.endpoint = endpoint;
    let remote = Remote::connect(config).await.unwrap();
    assert_eq!(remote.connected().unwrap().dialect.as_deref(), Some("afield/1"));
    let body = RequestBody::Bytes(pattern::bytes(0, 3_000_000));
    let answer = remote.call(Request::new("PUT", origin.url("/upload")).body(body)).await.unwrap();
    let seen: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(seen["sha256"], pattern::sha256(3_000_000));
    let mut response = remote.stream(Request::get(origin.url("/sse-open"))).await.unwrap();
    kill_last(&pids);
    let failed = async {
        while let Some(read) = response.body.next().await {
            if read.is_err() {
                return true;
            }
        }
        false
    };
    assert!(within("the body fails", failed).await);
    assert_eq!(fs::read_to_string(&pids).unwrap().lines().count(), 1, "not started again for that");
    assert_eq!(remote.call(Request::get(origin.url("/status/204"))).await.unwrap().head.status, 204);
}
