//! Finding tests by their names.

use crate::{Result, run};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A test, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof {
    file: String,
    name: String,
}

impl Proof {
    /// As a link from `docs/`.
    pub fn link(&self) -> String {
        format!("[`{}`](../{})", self.name, self.file)
    }
}

/// Every case that a test below `folder` names, with the test.
pub fn proofs(folder: &Path) -> Result<BTreeSet<(u32, Proof)>> {
    let mut files = Vec::new();
    sources(folder, &mut files)?;
    let mut found = BTreeSet::new();
    for path in files {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let file = path.strip_prefix(run::root()).unwrap_or(&path).display().to_string();
        let of_module: Vec<u32> =
            path.file_stem().and_then(|stem| stem.to_str()).map(cases).unwrap_or_default();
        for (name, told) in tests(&text) {
            let own = [cases(name), told].concat();
            let cases = if own.is_empty() { &of_module } else { &own };
            let proof = Proof { file: file.clone(), name: name.to_owned() };
            found.extend(cases.iter().map(|case| (*case, proof.clone())));
        }
    }
    Ok(found)
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The names of the functions that are tests (those after an attribute that says so, or that a macro makes into one by
/// the name alone), and the cases that their documentation says they prove: `(case 7)`, `(cases 7, 8 and 9)`.
pub fn tests(text: &str) -> Vec<(&str, Vec<u32>)> {
    let (mut is_test, mut told, mut names) = (false, String::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            told.push_str(words);
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        let Some(name) = function(line) else {
            told.clear();
            continue;
        };
        if is_test || name.starts_with("case_") {
            names.push((name, cases_told(&told)));
        }
        told.clear();
        is_test = false;
    }
    names
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    Some(&name[..name.find(['(', '<']).unwrap_or(name.len())])
}

/// The cases that documentation says, in parentheses.
fn cases_told(text: &str) -> Vec<u32> {
    let said = ["(case ", "(cases "].into_iter().flat_map(|word| text.split(word).skip(1));
    let inside = said.filter_map(|rest| rest.split_once(')').map(|(inside, _)| inside));
    inside.flat_map(|inside| inside.split([',', ' ']).filter_map(|word| word.parse().ok())).collect()
}

/// The cases that a name says.
fn cases(name: &str) -> Vec<u32> {
    let Some(rest) = name.strip_prefix("case_") else { return Vec::new() };
    let (mut cases, mut is_range) = (Vec::new(), false);
    for word in rest.split('_') {
        match word.parse::<u32>() {
            Ok(last) if is_range => {
                let first = cases.last().map_or(last, |first| first + 1);
                cases.extend(first..=last);
                is_range = false;
            }
            Ok(case) => cases.push(case),
            Err(_) if word == "to" && !is_range => is_range = true,
            Err(_) => break,
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which cases a name says: one, several, a range, and none.
    #[test]
    fn names_say_cases() {
        assert_eq!(cases("case_26_the_own_address"), [26]);
        assert_eq!(cases("case_009_010_013_014_denied"), [9, 10, 13, 14]);
        assert_eq!(cases("case_091_to_094_refused"), [91, 92, 93, 94]);
        assert_eq!(cases("case_117"), [117]);
        assert!(cases("cases_are_told").is_empty() && cases("a_case_7_is").is_empty());
    }

    /// Proves that a test's documentation says cases, over line ends too, and another function's says nothing of it.
    #[test]
    fn documentation_says_cases() {
        let text = "/// Not one (case 1).\nfn helper() {}\n/// Proves it (case 147).\n#[test]\nfn one() {}\n/// Proves more (cases 7,\n/// 8 and 9), and (case 12).\n#[tokio::test]\nasync fn two() {}\n";
        assert_eq!(super::tests(text), [("one", vec![147]), ("two", vec![12, 7, 8, 9])]);
    }

    /// Proves that tests are told from other functions, whatever attributes stand between.
    #[test]
    fn tests_are_told_from_helpers() {
        let text = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test(start_paused = true)]\n#[ignore]\nasync fn two() {}\n    fn case_1_in_a_macro(a in 0..1) {}\n";
        let names: Vec<&str> = super::tests(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["one", "two", "case_1_in_a_macro"]);
    }
}
