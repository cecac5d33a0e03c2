//! What must hold, in the order in which it fails soonest.

use crate::{Result, cases, deny, docs, run, setup, structure};
use std::time::Instant;

type Step = (&'static str, fn() -> Result);

const QUICK: &[Step] =
    &[("structure", structure::check), ("cases", cases::check), ("format", format), ("lints", lints)];

const REST: &[Step] = &[
    ("dependencies", deny::check),
    ("documentation", docs::check),
    ("documentation tests", doc_tests),
    ("examples", examples),
    ("tests", tests),
];

/// Everything. Tests come last, so that their summary is what is read first.
pub fn test() -> Result {
    let begun = Instant::now();
    take(QUICK)?;
    take(REST)?;
    let steps = QUICK.len() + REST.len();
    println!("cargo xtask test: all {steps} steps passed in {} s", begun.elapsed().as_secs());
    Ok(())
}

/// The part that needs no tests to be built.
pub fn check() -> Result {
    take(QUICK)?;
    println!("cargo xtask check: all {} steps passed", QUICK.len());
    Ok(())
}

/// What continuous integration runs, in one command.
pub fn ci() -> Result {
    setup::setup()?;
    // A process of its own, so that the variable reaches it and nothing else.
    let mut again = run::program(&own_path()?, "test");
    again.env("AFIELD_REQUIRE_TOOLS", "1");
    run::run(again)
}

fn own_path() -> Result<String> {
    let path = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    path.into_os_string().into_string().map_err(|_| "this program's path is not UTF-8".to_owned())
}

fn take(steps: &[Step]) -> Result {
    for (name, step) in steps {
        eprintln!("\n== {name}");
        let begun = Instant::now();
        step().map_err(|error| format!("\n{error}\ncargo xtask: {name}: failed"))?;
        eprintln!("== {name}: passed in {:.1} s", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

fn format() -> Result {
    run::run(run::cargo(["fmt", "--all", "--check"]))
        .map_err(|error| format!("{error}\n`cargo fmt --all` mends it"))
}

fn lints() -> Result {
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    run::run(run::cargo(clippy))
}

fn doc_tests() -> Result {
    run::run(run::cargo(["test", "--workspace", "--locked", "--doc", "--quiet"]))
}

fn examples() -> Result {
    run::run(run::cargo(["build", "--workspace", "--locked", "--examples"]))
}

fn tests() -> Result {
    if run::succeeds(run::cargo(["nextest", "--version"])) {
        let nextest =
            ["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--status-level", "slow"];
        return run::run(run::cargo(nextest));
    }
    run::run(run::cargo(["test", "--workspace", "--locked", "--no-fail-fast", "--all-targets"]))
}
