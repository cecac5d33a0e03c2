//! The facts that a benchmark's numbers depend on.

use serde::Serialize;
use std::{fs, process::Command};

/// The machine, the compiler and the command.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub rustc: String,
    pub baseline: Option<String>,
    pub reference: Option<String>,
    pub command: String,
    pub rounds: usize,
}

impl Facts {
    /// Reads them.
    pub fn read(rounds: usize, baseline: Option<String>, reference: Option<String>) -> Self {
        Self {
            cpu: proc_field("/proc/cpuinfo", "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib().unwrap_or_default(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rustc: rustc().unwrap_or_default(),
            baseline,
            reference,
            command: command(),
            rounds,
        }
    }
}

/// As it was typed: without what xtask has added.
fn command() -> String {
    let mut words = vec!["cargo xtask bench".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--baseline-afield" {
            arguments.next();
        } else {
            words.push(argument);
        }
    }
    words.join(" ")
}

fn proc_field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> Option<u64> {
    let kib: u64 = proc_field("/proc/meminfo", "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some((kib + (1 << 19)) >> 20)
}

fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
