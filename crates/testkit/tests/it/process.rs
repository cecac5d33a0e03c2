use afield_testkit::process::{Command, Process, Usage};
use afield_testkit::within;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::start(command).unwrap()
}

/// Proves that a test can follow what a process says and answer it, and learn how it ended.
#[tokio::test]
async fn a_process_is_followed_by_its_lines() {
    let mut process = shell("echo ready on 7; echo oops >&2; read word; echo got $word; exit 3");
    assert_eq!(process.stdout().wait_line("ready").await, "ready on 7");
    assert_eq!(process.stderr().wait_line("").await, "oops");
    process.write_stdin(b"word\n").await.unwrap();
    assert_eq!(process.wait_exit().await.code(), Some(3));
    assert_eq!(process.stdout().wait_end().await, "ready on 7\ngot word\n");
    assert!(!process.is_running());
    process.terminate();
}

/// Proves that a process reacts to signals and that its use of the machine is read.
#[tokio::test]
async fn a_process_is_signalled_and_measured() {
    let mut process = shell("echo up; read word");
    process.stdout().wait_line("up").await;
    let usage = process.usage();
    assert!(usage.rss_bytes().unwrap() > 0 && usage.peak_rss_bytes().unwrap() > 0);
    assert!(usage.open_fds().unwrap() >= 3);
    assert_eq!(usage.threads().unwrap(), 1);
    assert!(usage.cpu_time().unwrap() < Duration::from_secs(60));
    process.freeze();
    assert!(process.is_running());
    process.terminate();
    process.resume();
    assert_eq!(process.wait_exit().await.signal(), Some(15));
    assert!(usage.rss_bytes().is_err());
}

/// Proves that no process outlives its owner.
#[tokio::test]
async fn a_dropped_process_is_killed() {
    let process = shell("echo up; exec cat");
    process.stdout().wait_line("up").await;
    let usage = Usage::of(process.pid());
    drop(process);
    let gone = async {
        while usage.rss_bytes().is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within("the process is gone", gone).await;
}
