//! `afield demo` keeps its promises on any machine.

use crate::support::{afield, code, end, run, signal, text};
use rustix::process::Signal;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Proves that the demo plays every act to its end, in plain text when its output is piped.
#[tokio::test]
async fn the_demo_plays_every_act() {
    let got = run(afield(&["demo"])).await;
    let told = text(&got.stdout);
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    for expected in ["Hello from the origin!", "data: tick 4", "the socket was closed", "policy_denied"] {
        assert!(told.contains(expected), "{expected:?} is missing:\n{told}");
    }
    assert!(!told.contains('\x1b'), "{told}");
}

/// Proves that Ctrl-C ends the demo.
#[tokio::test]
async fn ctrl_c_ends_the_demo() {
    let mut child = afield(&["demo"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap();
    signal(&child, Signal::INT);
    assert_eq!(end(&mut child).await, Some(130));
}
