//! `afield protocol-check`, against `afield serve`.

use crate::support::{afield, code, run, serve, text};
use serde_json::Value;

/// Proves that afield's own executor passes, for persons and for programs, and that a section can be tried alone.
#[tokio::test(flavor = "multi_thread")]
async fn protocol_check_of_own_executor_succeeds() {
    let (_executor, url) = serve(&["--limit", "sessionRequests=8"]).await;
    let got = run(afield(&["protocol-check", &url, "--patience", "30", "--longest-wait", "2"])).await;
    assert_eq!(code(&got), 0, "{}{}", text(&got.stdout), text(&got.stderr));
    assert!(text(&got.stdout).contains("and the kit waits 2 s (--longest-wait)"), "{}", text(&got.stdout));
    assert!(text(&got.stdout).contains("kept        4.7 Resumption"), "{}", text(&got.stdout));
    let got = run(afield(&["protocol-check", &url, "--json", "--section", "1.2", "--section", "5"])).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    let report: Value = serde_json::from_slice(&got.stdout).unwrap();
    let sections: Vec<_> =
        report["sections"].as_array().unwrap().iter().map(|told| &told["section"]).collect();
    assert_eq!(report["kept"], true);
    assert_eq!(sections, ["1.2", "5"]);
}

/// Proves that a breach, an executor that is not there, and a wrong command line have codes of their own.
#[tokio::test(flavor = "multi_thread")]
async fn protocol_check_tells_failures_apart() {
    let (_executor, url) = serve(&[]).await;
    // An executor that cannot reach the origin fails whatever needs one.
    let nowhere = ["--origin-host", "afield-kit.invalid", "--section", "4.3", "--patience", "1"];
    let got = run(afield(&[&["protocol-check", &url], &nowhere[..]].concat())).await;
    assert_eq!(code(&got), 110, "{}", text(&got.stderr));
    assert!(text(&got.stdout).starts_with("FAILED"), "{}", text(&got.stdout));
    let got = run(afield(&["protocol-check", "ws://127.0.0.1:1"])).await;
    assert_eq!(code(&got), 104, "{}", text(&got.stderr));
    let got = run(afield(&["protocol-check", &url, "--section", "9"])).await;
    assert_eq!(code(&got), 2, "{}", text(&got.stderr));
}
