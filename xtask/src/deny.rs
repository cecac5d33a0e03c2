//! Dependencies: licences, sources, bans and, where their database is at hand, advisories (`deny.toml`).

use crate::{Result, run, setup};
use std::{env, path::PathBuf};

const VERSION: &str = "0.20.2";

/// Installs cargo-deny unless it is there.
pub fn install() -> Result {
    setup::cargo_tool("cargo-deny", VERSION)
}

/// Checks every dependency of every platform.
pub fn check() -> Result {
    if !run::succeeds(run::cargo(["deny", "--version"])) {
        let mend = "cargo-deny is not installed; `cargo xtask setup` installs it";
        if run::tools_are_required() {
            return Err(mend.to_owned());
        }
        eprintln!("skipped: {mend}");
        return Ok(());
    }
    run::run(run::cargo(["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    if !advisories_are_fetched() {
        eprintln!("advisories skipped: their database is not on this machine; `cargo deny fetch` brings it");
        return Ok(());
    }
    run::run(run::cargo(["deny", "--locked", "check", "--disable-fetch", "advisories"]))
}

/// `cargo deny fetch` keeps databases below Cargo's home. The suite itself fetches nothing.
fn advisories_are_fetched() -> bool {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let databases = home.and_then(|home| home.join("advisory-dbs").read_dir().ok());
    databases
        .is_some_and(|mut databases| databases.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())))
}
