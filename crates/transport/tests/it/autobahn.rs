//! The Autobahn test suite's cases, run by `kosoku` from the Python package index.

use crate::support::{acceptor, echo, message, soon};
use afield_transport::{DialConfig, Message, NoAuthentication, dial};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
    sync::OnceCell,
    task::JoinSet,
    time::timeout,
};

const PACKAGE: &str = "kosoku";
const VERSION: &str = "0.1.0";

/// Cases 12 and 13 are about compression, which is never agreed to.
const LEFT_OUT: [&str; 4] = ["-x", "12.*", "-x", "13.*"];

/// So many cases are left: a run of fewer proves too little.
const CASES: usize = 301;

const LONGEST: Duration = Duration::from_secs(300);

/// Proves that the accepting end passes the Autobahn cases.
#[tokio::test]
async fn autobahn_cases_none_failed_by_the_server() {
    let Some(tool) = tool().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            connections.spawn(async move {
                if let Ok(accepted) = acceptor(NoAuthentication).accept(stream, peer).await {
                    echo(accepted.connection).await;
                }
            });
        }
    });
    let report = report_directory("server");
    let mut run = kosoku(&tool, &report);
    run.args(["-m", "fuzzingclient", "-p", "4"]).arg(address.to_string());
    timeout(LONGEST, run.output()).await.expect("the cases hang").unwrap();
    check(&report);
}

/// Proves that the dialling end passes the Autobahn cases.
#[tokio::test]
async fn autobahn_cases_none_failed_by_the_client() {
    let Some(tool) = tool().await else { return };
    let report = report_directory("client");
    let mut run = kosoku(&tool, &report);
    let mut server = run.args(["-m", "fuzzingserver", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let greeting = soon(lines.next_line()).await.unwrap().expect("the fuzzing server says where it listens");
    let url = &greeting[greeting.find("ws://").expect("an address")..];
    let Message::Text(count) =
        message(&mut dial(&DialConfig::new(format!("{url}/getCaseCount"))).await.unwrap()).await
    else {
        panic!("the number of cases is text");
    };
    let count: usize = std::str::from_utf8(&count).unwrap().parse().unwrap();
    timeout(LONGEST, async {
        for case in 1..=count {
            let url = format!("{url}/runCase?case={case}&agent=afield");
            if let Ok(connection) = dial(&DialConfig::new(url)).await {
                echo(connection).await;
            }
        }
        echo(dial(&DialConfig::new(format!("{url}/updateReports?agent=afield"))).await.unwrap()).await;
        // It ends by itself; what it still prints must have somewhere to go.
        while let Ok(Some(_)) = lines.next_line().await {}
        server.wait().await.unwrap()
    })
    .await
    .expect("the cases hang");
    check(&report);
}

fn kosoku(tool: &Path, report: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-c", "from kosoku._cli import main; main()"])
        .args(LEFT_OUT)
        .arg("-o")
        .arg(report)
        .env("PYTHONPATH", tool)
        .env("PYTHONUNBUFFERED", "1")
        .kill_on_drop(true);
    command
}

/// Reads the report: nothing failed, nothing was not run.
fn check(report: &Path) {
    let index = std::fs::read(report.join("index.json")).expect("the run leaves a report");
    let index: Value = serde_json::from_slice(&index).unwrap();
    let cases: Vec<_> =
        index.as_object().unwrap().values().flat_map(|agent| agent.as_object().unwrap()).collect();
    let bad: Vec<_> = cases
        .iter()
        .filter(|(_, result)| {
            !["behavior", "behaviorClose"]
                .into_iter()
                .all(|part| matches!(result[part].as_str(), Some("OK" | "NON-STRICT" | "INFORMATIONAL")))
        })
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(cases.len() >= CASES, "only {} cases were run", cases.len());
    let _ = std::fs::remove_dir_all(report);
}

/// The tool, installed below the target directory if it is not there; `None` if that is not possible here.
async fn tool() -> Option<PathBuf> {
    static TOOL: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let tool = TOOL.get_or_init(install).await.clone();
    if tool.is_none() {
        let required = std::env::var_os("AFIELD_REQUIRE_TOOLS").is_some();
        assert!(!required, "{PACKAGE} could not be installed and AFIELD_REQUIRE_TOOLS is set");
        eprintln!("skipped: {PACKAGE} could not be installed with python3 -m pip");
    }
    tool
}

async fn install() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("tools");
    let place = tools.join(format!("{PACKAGE}-{VERSION}"));
    if place.exists() {
        return Some(place);
    }
    // Installed aside and moved into place, so that no other run ever sees half of it.
    let aside = tools.join(format!("{PACKAGE}-{VERSION}.{}", std::process::id()));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(&aside)
        .arg(format!("{PACKAGE}=={VERSION}"))
        .kill_on_drop(true);
    let installed = timeout(LONGEST, pip.output()).await.ok()?.ok()?;
    if !installed.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&installed.stderr));
        return None;
    }
    if std::fs::rename(&aside, &place).is_err() {
        // Another run was quicker.
        std::fs::remove_dir_all(&aside).ok()?;
    }
    place.exists().then_some(place)
}

fn report_directory(name: &str) -> PathBuf {
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("autobahn-{name}.{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    directory
}
