//! What every file must keep to.

use crate::{Result, run};
use std::{fs, path::Path};

/// A source file longer than this holds more than one idea.
const LINES: usize = 800;

/// What breaks these rules, in the files that Git knows.
pub fn breaches() -> Result<Vec<String>> {
    let known = run::output(run::program("git", "ls-files -z --cached --others --exclude-standard"))?;
    let mut breaches = Vec::new();
    for name in known.split_terminator('\0') {
        // Deleted but not yet committed, or not text: nothing to read.
        let Ok(text) = fs::read_to_string(run::root().join(name)) else { continue };
        breaches.extend(breaches_in(name, &text));
    }
    Ok(breaches)
}

fn breaches_in(name: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let lines = text.lines().count();
    if Path::new(name).extension().is_some_and(|extension| extension == "rs") && lines > LINES {
        breaches.push(format!("{name}: {lines} lines; over {LINES} it wants to be two files"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(path) = machine_path(line) {
            breaches.push(format!("{name}:{number}: names a path of one machine ({path})"));
        }
    }
    breaches
}

/// The start of a home or checkout directory, as it would slip in from a pasted output.
fn machine_path(line: &str) -> Option<String> {
    let homes = ["home", "Users", "root", "work"].map(|top| format!("/{top}/"));
    homes.into_iter().find(|home| {
        let mut found = line.match_indices(home.as_str());
        // Part of a longer path or of a URL, it is something else.
        found.any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}/~*".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a pasted path is found, and that URLs and relative paths are not taken for one.
    #[test]
    fn machine_paths_are_told_from_others() {
        let home = ["/ho", "me/"].concat();
        assert_eq!(machine_path(&format!("at {home}someone/afield")), Some(home.clone()));
        assert_eq!(machine_path(&format!("http://host{home}x")), None);
        assert_eq!(machine_path(&format!("./tests{home}x")), None);
    }

    /// Proves that length counts for source files alone, at the limit and one past it.
    #[test]
    fn only_long_sources_are_reported() {
        assert!(breaches_in("a.rs", &"x\n".repeat(LINES)).is_empty());
        assert_eq!(breaches_in("a.rs", &"x\n".repeat(LINES + 1)).len(), 1);
        assert!(breaches_in("a.lock", &"x\n".repeat(LINES + 1)).is_empty());
    }
}
