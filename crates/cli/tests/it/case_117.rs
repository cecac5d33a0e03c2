//! Whoever runs the command goes away, fills the disk, or looks at binary data on a terminal.

use crate::support::{Place, afield, code, end, run, signal, text};
use afield_testkit::{Origin, origin::Outcome, within};
use rustix::{
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{fs::File, process::Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Proves that a reader which goes away (SIGPIPE) ends the command with curl's code 23 and closes the origin's socket.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_cancels_through_to_the_origin() {
    for place in Place::both().await {
        let origin = Origin::start().await;
        let mut command = place.request(&["-s", &origin.url("/sse?n=0&every_ms=5")]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        within("the first bytes", stdout.read_exact(&mut [0; 4])).await.unwrap();
        drop(stdout);
        assert_eq!(end(&mut child).await, Some(23), "{}", place.name());
        let outcome = within("the origin's end", origin.request(0).await.wait_ended()).await;
        assert_eq!(outcome, Outcome::Abandoned, "{}", place.name());
    }
}

/// Proves that Ctrl-C in the middle of a silent stream closes the origin's socket and exits with 130, and SIGTERM with
/// 143.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cancels_through_to_the_origin() {
    for place in Place::both().await {
        for (with, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let origin = Origin::start().await;
            let mut command = place.request(&["-si", &origin.url("/sse-open")]);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            // The head is printed: the stream is open.
            within("the head", child.stdout.as_mut().unwrap().read_exact(&mut [0; 8])).await.unwrap();
            signal(&child, with);
            assert_eq!(end(&mut child).await, Some(expected), "{}", place.name());
            let outcome = within("the origin's end", origin.request(0).await.wait_ended()).await;
            assert_eq!(outcome, Outcome::Abandoned, "{}", place.name());
        }
    }
}

/// Proves that Ctrl-C works before there is a response head, and while nobody reads the output.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_works_whatever_is_waited_for() {
    for place in Place::both().await {
        let origin = Origin::start().await;
        for path in ["/slow-head", "/endless"] {
            let index = origin.requests().len();
            let mut command = place.request(&["-s", &origin.url(path)]);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let request = origin.request(index).await;
            signal(&child, Signal::INT);
            assert_eq!(end(&mut child).await, Some(130), "{path} from {}", place.name());
            within("the origin's end", request.wait_ended()).await;
        }
    }
}

/// Proves that a full disk ends the command with curl's code 23.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_write_failure() {
    let origin = Origin::start().await;
    for place in Place::both().await {
        let got = run(place.request(&["-sS", "-o", "/dev/full", &origin.url("/bytes/100000")])).await;
        assert_eq!(code(&got), 23, "{}", text(&got.stderr));
        assert!(text(&got.stderr).contains("/dev/full"), "{}", text(&got.stderr));
        let mut command = place.request(&["-s", &origin.url("/endless")]);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(end(&mut command.spawn().unwrap()).await, Some(23));
    }
}

/// Proves that binary data is kept from a terminal unless it is asked for with `-o -`, and text is not.
#[tokio::test(flavor = "multi_thread")]
async fn binary_data_is_kept_from_a_terminal() {
    let origin = Origin::start().await;
    for (arguments, expected) in [
        (vec!["-s", "/bytes/1000"], 23),
        (vec!["-s", "-o", "-", "/bytes/1000"], 0),
        (vec!["-s", "/status/200"], 0),
    ] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap();
        let path = path.to_str().unwrap();
        let url = origin.url(arguments.last().unwrap());
        let mut command = afield(&["request"]);
        command.args(&arguments[..arguments.len() - 1]).arg(url);
        command.stdout(File::options().read(true).write(true).open(path).unwrap());
        let got = run_on(command).await;
        assert_eq!(got, Some(expected), "{arguments:?}");
    }
}

async fn run_on(mut command: tokio::process::Command) -> Option<i32> {
    end(&mut command.stderr(Stdio::null()).spawn().unwrap()).await
}

/// Proves that standard input far larger than memory should hold is streamed: while all of it has been taken, the
/// command has never held more than a small part of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_standard_input_is_streamed() {
    const SIZE: usize = 256 << 20;
    const MOST: u64 = 64 << 20;
    let origin = Origin::start().await;
    let mut command = afield(&["request", "-s", "--data-binary", "@-", &origin.url("/upload")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..SIZE / piece.len() {
        within("room for a piece", stdin.write_all(&piece)).await.unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdin);
    let got = within("the end", child.wait_with_output()).await.unwrap();
    assert_eq!(code(&got), 0);
    assert!(text(&got.stdout).contains(&format!("{SIZE}")), "{}", text(&got.stdout));
    assert!(peak * 1024 < MOST, "{peak} KiB at most");
}
