//! What every test of the suite needs.

use afield_conformance::Results;
use afield_testkit::Process;
use tokio::process::Command;

/// A running `conformance-server`, ended on drop.
pub struct Server {
    pub url: String,
    _process: Process,
}

impl Server {
    pub async fn start() -> Self {
        let process = Process::start(Command::new(env!("CARGO_BIN_EXE_conformance-server"))).unwrap();
        let url = process.stdout().wait_line("http://").await;
        Self { url, _process: process }
    }
}

/// Fails with the differences, if there are any.
#[track_caller]
pub fn assert_identical(what: &str, results: &Results, expected: &Results) {
    let differences = expected.differences(results);
    assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
}
