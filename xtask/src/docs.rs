//! The API documentation.

use crate::{Result, run};
use std::process::Command;

/// Builds it, and says where it lies.
pub fn docs() -> Result {
    run::run(rustdoc())?;
    println!("{}", run::target_dir().join("doc/afield_exchange/index.html").display());
    Ok(())
}

/// Builds it; a broken link or a missing text is a failure.
pub fn check() -> Result {
    let mut command = rustdoc();
    command.env("RUSTDOCFLAGS", "-D warnings");
    run::run(command)
}

fn rustdoc() -> Command {
    run::cargo(["doc", "--workspace", "--locked", "--no-deps"])
}
