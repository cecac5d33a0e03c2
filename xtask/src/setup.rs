//! Installing what the suite needs beyond the Rust toolchain, a C compiler, Python and Node.js, by package name.

use crate::{Result, deny, run};

/// Installs what is missing; does nothing where all is there.
pub fn setup() -> Result {
    deny::install()
}

/// Installs a Cargo tool unless it answers already. Without optimisation: it builds in a third of the time.
pub fn cargo_tool(name: &str, version: &str) -> Result {
    let subcommand = name.trim_start_matches("cargo-");
    if run::succeeds(run::cargo([subcommand, "--version"])) {
        return Ok(());
    }
    let line = ["install", name, "--version", version, "--locked", "--debug", "--no-default-features"];
    let mut install = run::cargo(line);
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    run::run(install)
}
