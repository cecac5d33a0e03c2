//! Cores for the executor, and others for those who load it (`taskset`).

use crate::Result;
use afield_testkit::process::Command;
use std::path::Path;

/// Puts this process, and the origin that it starts, on every core but the first.
pub fn load() -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    if cores < 2 {
        return Err("--pin takes two cores".into());
    }
    let mut taskset = std::process::Command::new("taskset");
    taskset.args(["-a", "-c", "-p", &format!("1-{}", cores - 1), &std::process::id().to_string()]);
    let output = taskset.output().map_err(|error| format!("cannot run taskset: {error}"))?;
    if !output.status.success() {
        return Err(format!("taskset: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(())
}

/// An executor on the first core alone. `taskset` becomes `program`: its process id is the executor's.
pub fn executor(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}
