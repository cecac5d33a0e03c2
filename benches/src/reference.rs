//! The reference executor: installed from npm once, by exact version, below the target directory.

use crate::Result;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The version measured against.
pub const VERSION: &str = "0.169.0";

/// Overrides the installed one with the path of a native `codex` binary.
const OVERRIDE: &str = "AFIELD_REFERENCE";

/// The native binary (the npm launcher would be a second process whose CPU is not the executor's).
pub fn binary(target: &Path) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(OVERRIDE) {
        return Ok(path.into());
    }
    let home = target.join(format!("tools/codex-{VERSION}"));
    if let Some(found) = find(&home) {
        return Ok(found);
    }
    eprintln!("installing the reference executor {VERSION} from npm");
    fs::create_dir_all(&home)?;
    let status = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&home)
        .arg(format!("@openai/codex@{VERSION}"))
        .status()
        .map_err(|error| format!("cannot run npm ({error}); install Node.js or pass --skip-reference"))?;
    if !status.success() {
        return Err(
            "npm could not install the reference executor; pass --skip-reference to go without".into()
        );
    }
    find(&home)
        .ok_or_else(|| "the reference executor's package holds no native binary for this platform".into())
}

/// `node_modules/@openai/codex-PLATFORM/vendor/TRIPLE/bin/codex`.
fn find(home: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(home.join("node_modules/@openai")).ok()?;
    packages
        .flatten()
        .filter_map(|package| fs::read_dir(package.path().join("vendor")).ok())
        .flat_map(|vendor| vendor.flatten())
        .map(|triple| triple.path().join("bin/codex"))
        .find(|binary| binary.is_file())
}
