//! The benchmarks: built as they are given to others (`--profile dist`), run by the binary in `benches/`.

use crate::{Result, run};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Builds the executor, the harness and, where one is asked for, the baseline, then runs the harness with `options`.
pub fn bench(options: &[&str]) -> Result {
    if options.contains(&"--clean-baselines") {
        clean_baselines()?;
    }
    let baseline = option(options, "--baseline")?.map(baseline).transpose()?;
    run::run(run::cargo(["build", "--profile", "dist", "--locked", "-p", "afield", "-p", "afield-bench"]))?;
    let mut harness = Command::new(run::target_dir().join("dist/afield-bench"));
    harness.args(options).current_dir(run::root());
    if let Some(afield) = baseline {
        harness.arg("--baseline-afield").arg(afield);
    }
    if options.contains(&"--profile") && option(options, "--afield")?.is_none() {
        // The same as the release build, but its functions have their names.
        run::run(run::cargo(["build", "--profile", "profiling", "--locked", "-p", "afield"]))?;
        harness.arg("--afield").arg(run::target_dir().join("profiling/afield"));
    }
    run::run(harness)
}

/// What `name` is given, as `name VALUE` or `name=VALUE`.
fn option<'a>(options: &[&'a str], name: &str) -> Result<Option<&'a str>> {
    for (at, option) in options.iter().enumerate() {
        if *option == name {
            let value = options.get(at + 1).filter(|value| !value.starts_with('-'));
            return value.copied().map(Some).ok_or_else(|| format!("{name} takes a value"));
        }
        if let Some(value) = option.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The release binary of an earlier revision, built in a worktree of its own that is kept for the next time.
fn baseline(revision: &str) -> Result<PathBuf> {
    let mut parse = run::program("git", "rev-parse --verify --quiet --end-of-options");
    parse.arg(format!("{revision}^{{commit}}"));
    let commit = run::output(parse).map_err(|_| format!("there is no revision {revision}"))?;
    let commit = commit.trim();
    let worktree = baselines().join(commit);
    if !worktree.join("Cargo.toml").is_file() {
        // One whose directory is gone is still listed.
        run::run(run::program("git", "worktree prune"))?;
        let mut add = run::program("git", "worktree add --detach --quiet");
        add.arg(&worktree).arg(commit);
        run::run(add)?;
    }
    let target = worktree.join("target");
    let mut build = run::cargo(["build", "--release", "--locked", "-p", "afield"]);
    build.current_dir(&worktree).env("CARGO_TARGET_DIR", &target);
    run::run(build)?;
    Ok(target.join("release/afield"))
}

/// Removes the worktrees of all baselines, and what was built in them.
fn clean_baselines() -> Result {
    let directory = baselines();
    if directory.is_dir() {
        let entries = fs::read_dir(&directory).map_err(|error| unusable(&directory, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| unusable(&directory, &error))?.path();
            let mut remove = run::program("git", "worktree remove --force");
            remove.arg(&path);
            run::run(remove)?;
        }
    }
    run::run(run::program("git", "worktree prune"))
}

fn baselines() -> PathBuf {
    run::target_dir().join("bench/baselines")
}

fn unusable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::option;

    /// Proves that an option's value is found in either form, and that its lack is an error.
    #[test]
    fn option_value_is_found_in_both_forms() {
        assert_eq!(option(&["--quick", "--baseline", "HEAD~1"], "--baseline"), Ok(Some("HEAD~1")));
        assert_eq!(option(&["--baseline=HEAD~1"], "--baseline"), Ok(Some("HEAD~1")));
        assert_eq!(option(&["--baseline-afield", "x"], "--baseline"), Ok(None));
        assert!(option(&["--baseline", "--quick"], "--baseline").is_err());
        assert!(option(&["--baseline"], "--baseline").is_err());
    }
}
