use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// A check of a scenario with one of its outcomes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// The scenario, without the time of its run.
    pub scenario: String,
    /// The check.
    pub id: String,
    /// `SUCCESS`, `FAILURE`, `WARNING` or `SKIPPED`.
    pub status: String,
}

/// What a run of the suite came to: how often each check had which outcome. Remarks (`INFO`) are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results(BTreeMap<Check, usize>);

#[derive(Deserialize)]
struct Written {
    id: String,
    status: String,
}

impl Results {
    /// Reads what the suite wrote into a directory.
    ///
    /// # Errors
    ///
    /// A directory or file that cannot be read, or is not the suite's.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut results = Self::default();
        for file in checks_files(directory)? {
            let scenario = scenario(directory, &file);
            for check in serde_json::from_slice::<Vec<Written>>(&fs::read(&file)?)? {
                if matches!(&check.status[..], "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED") {
                    let check = Check { scenario: scenario.clone(), id: check.id, status: check.status };
                    *results.0.entry(check).or_default() += 1;
                }
            }
        }
        Ok(results)
    }

    /// How many checks had this outcome.
    pub fn count(&self, status: &str) -> usize {
        self.0.iter().filter(|(check, _)| check.status == status).map(|(_, count)| count).sum()
    }

    /// The checks that had this outcome.
    pub fn of(&self, status: &str) -> Vec<&Check> {
        self.0.keys().filter(|check| check.status == status).collect()
    }

    /// What only one of two runs has: a line each, `-` for this one's and `+` for the other's.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let only = |sign: char, these: &Self, those: &Self| {
            let missing = |(check, count): &(&Check, &usize)| those.0.get(*check) != Some(count);
            let line = move |(check, count): (&Check, &usize)| {
                format!("{sign} {}: {} {} ({count} times)", check.scenario, check.id, check.status)
            };
            these.0.iter().filter(missing).map(line).collect::<Vec<_>>()
        };
        [only('-', self, other), only('+', other, self)].concat()
    }

    /// These results without a scenario, for what is meant to differ.
    #[must_use]
    pub fn without(mut self, scenario: &str) -> Self {
        self.0.retain(|check, _| check.scenario != scenario);
        self
    }
}

/// Every `checks.json` below a directory. A scenario whose name has a slash is nested.
fn checks_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(checks_files(&path)?);
        } else if path.file_name().is_some_and(|name| name == "checks.json") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The scenario that a `checks.json` belongs to: its directory without the time, and without the word that the suite puts
/// before server scenarios.
fn scenario(directory: &Path, file: &Path) -> String {
    let below = file.parent().and_then(|parent| parent.strip_prefix(directory).ok()).unwrap_or(file);
    let name = below.to_string_lossy();
    let end =
        name.match_indices("-20").find(|(at, _)| is_time(&name[at + 1..])).map_or(name.len(), |(at, _)| at);
    let name = &name[..end];
    // Four scenarios have the word in their own name.
    match name.strip_prefix("server-") {
        Some(own) if own.starts_with("server-") => own.to_owned(),
        Some(rest) if !["init", "sse", "state", "sess"].iter().any(|own| rest.starts_with(own)) => {
            rest.to_owned()
        }
        _ => name.to_owned(),
    }
}

/// Whether this begins like `2026-01-31T`.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 10
        && bytes[..11].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(checks: &[(&str, &str, &str)]) -> Results {
        let directory = tempfile::tempdir().unwrap();
        for (index, (path, id, status)) in checks.iter().enumerate() {
            let into = directory.path().join(format!("{path}-2026-02-0{index}T10-00-00-000Z"));
            fs::create_dir_all(&into).unwrap();
            fs::write(into.join("checks.json"), format!(r#"[{{"id":"{id}","status":"{status}","more":1}}]"#))
                .unwrap();
        }
        Results::read(directory.path()).unwrap()
    }

    /// Proves that scenarios are told by their names alone, nested or not, and that remarks do not count.
    #[test]
    fn scenarios_are_told_by_their_names() {
        let read = results(&[
            ("server-tools-list", "a", "SUCCESS"),
            ("server-server-sse-polling", "b", "WARNING"),
            ("server-initialize", "c", "FAILURE"),
            ("auth/iss-2", "d", "SKIPPED"),
            ("sep-2022-thing", "e", "INFO"),
        ]);
        let scenarios: Vec<_> = read.0.keys().map(|check| &check.scenario[..]).collect();
        assert_eq!(scenarios, ["auth/iss-2", "server-initialize", "server-sse-polling", "tools-list"]);
    }

    /// Proves that a difference in one check's outcome, or in how often it had it, is a difference, though totals agree.
    #[test]
    fn a_difference_is_found_although_totals_agree() {
        let one = results(&[("x", "a", "SUCCESS"), ("x", "b", "FAILURE"), ("y", "a", "SUCCESS")]);
        let other = results(&[("x", "a", "FAILURE"), ("x", "b", "SUCCESS"), ("y", "a", "SUCCESS")]);
        assert_eq!(
            (one.count("SUCCESS"), one.count("FAILURE")),
            (other.count("SUCCESS"), other.count("FAILURE"))
        );
        assert_eq!(one.differences(&other).len(), 4);
        assert_eq!(one.clone().without("x").differences(&other.without("x")), Vec::<String>::new());
        let twice = results(&[("x", "a", "SUCCESS"), ("x", "a", "SUCCESS")]);
        let once = results(&[("x", "a", "SUCCESS")]);
        assert_eq!(twice.differences(&once), ["- x: a SUCCESS (2 times)", "+ x: a SUCCESS (1 times)"]);
        assert_eq!(twice.differences(&twice), Vec::<String>::new());
    }
}
