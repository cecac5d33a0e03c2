//! Who does harm, as a process: `afield-bench hostile WAY ADDRESS TOKEN`.

use crate::Result;
use afield_testkit::{
    Process,
    hostile::{Hostile, Way},
    process::Command,
};
use std::io::Read as _;

/// Starts it. It ends when it is dropped.
pub async fn start(way: Way, executor: &str, token: &str) -> Result<Process> {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(std::env::current_exe()?).args(["hostile", way.name(), executor, token]);
    let process = Process::start(command).map_err(|error| format!("cannot start nice: {error}"))?;
    process.stdout().wait_line(READY).await;
    Ok(process)
}

/// What it prints when its origins are there and it begins.
const READY: &str = "hostile";

/// Is it, until standard input closes.
pub async fn serve(way: Way, executor: &str, token: &str) -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let hostile = Hostile::new(executor.parse()?, token).await;
    println!("{READY}");
    hostile.harm(way).await;
    Ok(())
}
