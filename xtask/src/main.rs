//! The developer interface: `cargo xtask COMMAND`.
//!
//! Plain Rust without dependencies, so that it builds within seconds and behaves alike on every machine.

mod bench;
mod cases;
mod deny;
mod docs;
mod fuzz;
mod run;
mod setup;
mod structure;
mod suite;

use std::{env, process::ExitCode};

/// A failure, in words for the developer.
type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "\
The developer interface of afield

Usage: cargo xtask COMMAND

  test                    Everything that must hold before a change is handed in
  check                   The fast part of it: format, structure, lints
  setup                   Install what `test` needs beyond Rust, C, Python and Node.js
  ci                      setup, then test, with no test skipped for want of a tool
  bench [OPTIONS]         Measure against a direct origin, the reference and an earlier revision (--help for options)
  fuzz TARGET [SECONDS]   Fuzz one target (default 60 s); without TARGET, list them
  cases                   Write docs/cases.md: which test proves which promise
  docs                    Build the API documentation

Environment: AFIELD_REQUIRE_TOOLS=1 makes a missing tool a failure instead of a skipped test.";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => suite::test(),
        ["check"] => suite::check(),
        ["setup"] => setup::setup(),
        ["ci"] => suite::ci(),
        ["bench", options @ ..] => bench::bench(options),
        ["fuzz"] => fuzz::list(),
        ["fuzz", target] => fuzz::fuzz(target, "60"),
        ["fuzz", target, seconds] => fuzz::fuzz(target, seconds),
        ["cases"] => cases::write(),
        ["docs"] => docs::docs(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
