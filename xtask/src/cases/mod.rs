//! The table of cases: bad input and faults, what must happen, and the tests that prove it. `docs/cases.md` is made from
//! the titles beside this file and from the names of tests: `case_NN_…`, `case_NN_MM_…` or `case_NN_to_MM_…`, or any test in
//! a module `case_NN`; or from a test's documentation: `(case NN)`, `(cases NN and MM)`.

mod scan;

use crate::{Result, run};
use scan::Proof;
use std::{collections::BTreeMap, fs};

const FILE: &str = "docs/cases.md";
const TITLES: &str = include_str!("titles.txt");

const THREATS: &str = "docs/security.md";

const HEAD: &str = "\
# Cases: what is promised, and the test that proves it

Made by `cargo xtask cases` from the names and the documentation of tests; `cargo xtask check` fails if it is stale, or if a case has no test.
";

/// Writes the table.
pub fn write() -> Result {
    let (table, missing) = table()?;
    let path = run::root().join(FILE);
    fs::write(&path, table).map_err(|error| format!("cannot write {FILE}: {error}"))?;
    complete(&missing)
}

/// Fails if the table is stale, a case has no test, or the threat model names a test that is not there.
pub fn check() -> Result {
    threats()?;
    let (table, missing) = table()?;
    complete(&missing)?;
    match fs::read_to_string(run::root().join(FILE)) {
        Ok(found) if found == table => Ok(()),
        _ => Err(format!("{FILE} is stale: `cargo xtask cases` writes it")),
    }
}

/// The threat model names tests by links: each has to lead to a file with a test of that name.
fn threats() -> Result {
    let text = fs::read_to_string(run::root().join(THREATS))
        .map_err(|error| format!("cannot read {THREATS}: {error}"))?;
    let absent = links(&text).filter(|(name, file)| {
        let source = fs::read_to_string(run::root().join(file)).unwrap_or_default();
        !scan::tests(&source).iter().any(|(test, _)| test == name)
    });
    let absent: Vec<String> = absent.map(|(name, file)| format!("{name} in {file}")).collect();
    match absent.is_empty() {
        true => Ok(()),
        false => Err(format!("{THREATS} names tests that are not there:\n{}", absent.join("\n"))),
    }
}

/// Each ``[`name`](../file)`` in a page of `docs/`.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](../")?;
        let (file, _) = rest.split_once(')')?;
        (file.ends_with(".rs") && !name.contains('`')).then_some((name, file))
    })
}

fn complete(missing: &[String]) -> Result {
    match missing {
        [] => Ok(()),
        missing => Err(format!("these cases have no test:\n{}", missing.join("\n"))),
    }
}

/// The table, and the cases without a test.
fn table() -> Result<(String, Vec<String>)> {
    let mut proofs: BTreeMap<u32, Vec<Proof>> = BTreeMap::new();
    for (case, proof) in scan::proofs(&run::root().join("crates"))? {
        proofs.entry(case).or_default().push(proof);
    }
    let (mut table, mut missing) = (HEAD.to_owned(), Vec::new());
    for line in TITLES.lines() {
        if let Some(heading) = line.strip_prefix("# ") {
            table += &format!("\n## {heading}\n\n| case | promise | tests |\n|---|---|---|\n");
            continue;
        }
        let (number, title) =
            line.split_once(' ').ok_or_else(|| format!("a title without a number: {line}"))?;
        let number: u32 = number.parse().map_err(|_| format!("a title without a number: {line}"))?;
        let tests = proofs.remove(&number).unwrap_or_default();
        if tests.is_empty() {
            missing.push(line.to_owned());
        }
        let links: Vec<String> = tests.iter().map(Proof::link).collect();
        table += &format!("| {number} | {title} | {} |\n", links.join("<br>"));
    }
    match proofs.into_iter().next() {
        Some((number, proofs)) => {
            Err(format!("{} proves case {number}, which has no title", proofs[0].link()))
        }
        None => Ok((table, missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the links which name tests are found, and others are not.
    #[test]
    fn links_to_tests_are_found() {
        let text = "| a | [`one`](../crates/a.rs), [`two`](../crates/b.rs) | [`x`](x.md) [y](../crates/c.rs)";
        let found: Vec<_> = links(text).collect();
        assert_eq!(found, [("one", "crates/a.rs"), ("two", "crates/b.rs")]);
    }
}
