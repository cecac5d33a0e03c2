//! Fuzzing by hand. The suite itself runs every target briefly and deterministically (`fuzz/tests`).

use crate::{Result, run};
use std::process::Command;

/// Prints the targets.
pub fn list() -> Result {
    run::run(run::cargo(["run", "--quiet", "--locked", "-p", "afield-fuzz", "--", "list"]))
}

/// Fuzzes `target` for `seconds`: guided by coverage where cargo-fuzz and a nightly toolchain are installed, else with
/// the project's own mutator in release.
pub fn fuzz(target: &str, seconds: &str) -> Result {
    seconds.parse::<u64>().map_err(|_| format!("`{seconds}` is not a number of seconds"))?;
    if run::succeeds(run::cargo(["fuzz", "--version"])) && run::succeeds(nightly(&["--version"])) {
        return coverage_guided(target, seconds);
    }
    eprintln!("cargo-fuzz or a nightly toolchain is missing: fuzzing without coverage");
    run::run(run::cargo([
        "run",
        "--release",
        "--quiet",
        "--locked",
        "-p",
        "afield-fuzz",
        "--",
        target,
        seconds,
    ]))
}

fn coverage_guided(target: &str, seconds: &str) -> Result {
    let found = run::target_dir().join("fuzz").join(target);
    std::fs::create_dir_all(&found).map_err(|error| format!("cannot create {}: {error}", found.display()))?;
    let found = found.to_string_lossy().into_owned();
    let seeds = format!("fuzz/seeds/{target}");
    let time = format!("-max_total_time={seconds}");
    // What libFuzzer finds goes into the first directory; the seeds are only read.
    run::run(nightly(&["fuzz", "run", "--features", "libfuzzer", target, &found, &seeds, "--", &time]))
}

fn nightly(words: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("+nightly").args(words).current_dir(run::root());
    // Set by the Cargo that runs this; it would pin the wrong toolchain.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}
