//! Installing what the suite needs beyond the Rust toolchain, a C compiler, Python and Node.js, by package name.

use crate::{Result, deny, run};

/// Installs what is missing; does nothing where all is there.
pub fn setup() -> Result {
    deny::install()?;
    debian_package("chromium", "chromium")
}

/// Installs a package of Debian's and its kin unless its command answers already. Where there is no `apt-get`, it says what is
/// missing and goes on: tests that need the command say so.
fn debian_package(command: &str, package: &str) -> Result {
    if run::succeeds(run::program(command, "--version")) {
        return Ok(());
    }
    if !run::succeeds(run::program("apt-get", "--version")) {
        eprintln!("{command} is not installed, and there is no apt-get to install {package} with");
        return Ok(());
    }
    run::run(run::program("apt-get", "update -qq"))?;
    run::run(run::program("apt-get", &format!("install -y -qq --no-install-recommends {package}")))
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
