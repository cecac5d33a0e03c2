use super::Unavailable;
use crate::pattern;
use rustix::fs::{FlockOperation, flock};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The directory into which version `version` of the npm package `name` is installed, its scripts not run: the package
/// is in `node_modules/NAME`, its programs in `node_modules/.bin`. Blocks while it is being installed, by whomever.
///
/// # Errors
///
/// When npm is missing or fails.
pub fn npm(name: &str, version: &str) -> Result<PathBuf, Unavailable> {
    let directory = format!("{}-{version}", name.trim_start_matches('@').replace('/', "-"));
    once(&directory, |into| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
            .args(["--fetch-retries=1", "--fetch-timeout=120000", "--prefix"])
            .arg(into)
            .arg(format!("{name}@{version}"));
        run(npm)
    })
}

/// The directory of a Python virtual environment with these packages (`name==version`): programs are in `bin`. Blocks
/// while it is being made, by whomever.
///
/// # Errors
///
/// When Python or its `venv` is missing, or pip fails.
pub fn pip(packages: &[&str]) -> Result<PathBuf, Unavailable> {
    let digest = &pattern::sha256_of(packages.join("\n"))[..12];
    let first = packages.first().copied().unwrap_or("python");
    let name: String = first.chars().take_while(|c| !matches!(c, '=' | '<' | '>' | '[')).collect();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    once(&format!("pip-{name}-{digest}"), |into| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(into);
        run(venv)?;
        let mut pip = Command::new(into.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--retries=1",
            "--timeout=60",
        ])
        .args(packages);
        run(pip)
    })
}

/// What could not be installed by this process, so that its tests do not each wait for the network again.
static FAILED: Mutex<Option<HashMap<String, Unavailable>>> = Mutex::new(None);

/// Installs into `directory` of the tools, unless that was done before; one process at a time.
fn once(
    directory: &str,
    install: impl FnOnce(&Path) -> Result<(), Unavailable>,
) -> Result<PathBuf, Unavailable> {
    let disk = |error: std::io::Error| Unavailable::new(format!("{directory} cannot be installed: {error}"));
    let tools = tools_directory();
    let into = tools.join(directory);
    let complete = into.join(".complete");
    if complete.exists() {
        return Ok(into);
    }
    let mut failed = FAILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(unavailable) = failed.get_or_insert_default().get(directory) {
        return Err(unavailable.clone());
    }
    fs::create_dir_all(&tools).map_err(disk)?;
    let lock = File::create(tools.join(format!("{directory}.lock"))).map_err(disk)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| disk(errno.into()))?;
    if complete.exists() {
        return Ok(into);
    }
    if into.exists() {
        fs::remove_dir_all(&into).map_err(disk)?;
    }
    fs::create_dir_all(&into).map_err(disk)?;
    match install(&into) {
        Ok(()) => {
            File::create(complete).map_err(disk)?;
            Ok(into)
        }
        Err(unavailable) => {
            failed.get_or_insert_default().insert(directory.to_owned(), unavailable.clone());
            Err(unavailable)
        }
    }
}

fn tools_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("AFIELD_TOOLS_DIR") {
        return directory.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")).join("tools")
}

fn run(mut command: Command) -> Result<(), Unavailable> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Unavailable::new(format!("{program} cannot be run: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().rev().take(5).collect();
    let said: Vec<&str> = said.into_iter().rev().collect();
    Err(Unavailable::new(format!("{program} failed ({}): {}", output.status, said.join(" | "))))
}
