//! What is spoken with an executor, and what that means for the person who asks.

use crate::support::{Place, afield, code, run, serve, text};
use afield_testkit::{
    Origin, Process, Toxic, pattern,
    process::Usage,
    toxic::{Cut, Way},
    within,
};
use std::process::Stdio;
use tokio::{io::AsyncWriteExt, process::Command};

/// Proves that a request survives a connection that is cut in the middle of its answer, that the file is whole, and that
/// `-v` says what happened; in base it fails.
#[tokio::test]
async fn a_request_survives_a_lost_connection_and_says_so() {
    let origin = Origin::start().await;
    let (_executor, url) = serve(&[]).await;
    let toxic = Toxic::start(url.trim_start_matches("ws://").parse().unwrap()).await;
    let through = format!("ws://{}", toxic.address());
    for (dialect, survives) in [("auto", true), ("base", false)] {
        let before = toxic.forwarded(Way::Down);
        let (served, gate) = (origin.received(), format!("rest-{dialect}"));
        let mut command = afield(&["request", "-v", "--executor", &through, "--dialect", dialect]);
        command.arg(origin.url(&format!("/half/100000?then={gate}")));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let request = origin.request(usize::try_from(served).unwrap()).await;
        toxic.wait_forwarded(Way::Down, before + 50_000).await;
        let connections = toxic.accepted();
        toxic.cut(Cut::Reset);
        if survives {
            toxic.wait_accepted(connections + 1).await;
        } else {
            request.wait_ended().await;
        }
        origin.open_gate(&gate);
        let output = within("the command's end", child.wait_with_output()).await.unwrap();
        let said = text(&output.stderr);
        assert_eq!(code(&output) == 0, survives, "{said}");
        assert_eq!(output.stdout == pattern::bytes(0, 100_000), survives);
        assert_eq!(said.contains("lost the connection to the executor"), survives, "{said}");
        assert_eq!(said.contains("connected again; the session goes on"), survives, "{said}");
        assert!(said.contains(if survives { "dialect afield/1" } else { "dialect base" }), "{said}");
    }
}

/// Proves that an upload of a gigabyte from a pipe goes through an executor in bounded memory at both ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_117_a_gigabyte_from_a_pipe_takes_little_memory() {
    const PIECE: usize = 1 << 20;
    let length: u64 = if cfg!(debug_assertions) { 256 << 20 } else { 1 << 30 };
    let origin = Origin::start().await;
    let mut executor = Command::new(env!("CARGO_BIN_EXE_afield"));
    executor.env_clear().args(["serve", "--listen", "ws://127.0.0.1:0", "--log", "off"]);
    let executor = Process::start(executor).unwrap();
    let url = executor.stdout().wait_line("ws://").await;
    let mut command = afield(&["request", "-T", "-", "--executor", url.trim(), &origin.url("/upload")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut peak = 0;
    for piece in 0..length / PIECE as u64 {
        stdin.write_all(&pattern::bytes(piece * PIECE as u64, PIECE)).await.unwrap();
        peak = peak.max(Usage::of(pid).rss_bytes().unwrap());
    }
    drop(stdin);
    let output = within("the command's end", child.wait_with_output()).await.unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen, serde_json::json!({ "bytes": length, "sha256": pattern::sha256(length) }));
    let peaks = [peak, executor.usage().peak_rss_bytes().unwrap()];
    assert!(peaks.iter().all(|peak| *peak < 64 << 20), "{peaks:?} bytes at the most, here and there");
}

/// Proves that the dialect may be chosen by the environment, and that another word is refused with the words there are.
#[tokio::test]
async fn the_dialect_may_be_chosen() {
    let origin = Origin::start().await;
    let place = Place::executor().await;
    let mut command = place.request(&["-v", &origin.url("/status/200")]);
    command.env("AFIELD_DIALECT", "base");
    assert!(text(&run(command).await.stderr).contains("dialect base"));
    let refused = run(place.request(&["--dialect", "newest", &origin.url("/status/200")])).await;
    assert!(text(&refused.stderr).contains("auto, base"), "{}", text(&refused.stderr));
    assert_eq!(origin.received(), 1);
}
