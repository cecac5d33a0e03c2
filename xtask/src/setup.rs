//! Installing what the suite needs beyond the Rust toolchain, a C compiler, Python and Node.js, by package name.

use crate::{Result, deny, run};

/// Installs what is missing; does nothing where all is there.
pub fn setup() -> Result {
    deny::install()?;
    debian_package("chromium", "chromium")?;
    debian_package("squid", "squid")?;
    debian_package("tinyproxy", "tinyproxy-bin")?;
    debian_package("sshd", "openssh-server")?;
    debian_package("ssh", "openssh-client")
}

/// Installs a package of Debian's and its kin unless its command is there already. Where there is no `apt-get`, it says what is
/// missing and goes on: tests that need the command say so. Services that come along are not started: tests start their own.
fn debian_package(command: &str, package: &str) -> Result {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| folder.join(command).is_file()) {
        return Ok(());
    }
    if !run::succeeds(run::program("apt-get", "--version")) {
        eprintln!("{command} is not installed, and there is no apt-get to install {package} with");
        return Ok(());
    }
    run::run(run::program("apt-get", "update -qq"))?;
    let mut install = run::program("apt-get", &format!("install -y -qq --no-install-recommends {package}"));
    install.env("SYSTEMD_OFFLINE", "1").env("RUNLEVEL", "1");
    run::run(install)
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
