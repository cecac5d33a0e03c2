//! The benchmarks: built in release, run by the binary in `benches/`.

use crate::{Result, run};
use std::process::Command;

/// Builds the executor and the harness, then runs the harness with `options`.
pub fn bench(options: &[&str]) -> Result {
    run::run(run::cargo(["build", "--release", "--locked", "-p", "afield", "-p", "afield-bench"]))?;
    let mut harness = Command::new(run::target_dir().join("release/afield-bench"));
    harness.args(options).current_dir(run::root());
    run::run(harness)
}
