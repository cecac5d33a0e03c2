//! Which crate may know which.

use crate::{Result, run};
use std::{collections::BTreeSet, fs};

/// A crate, and the crates of this workspace that it may use outside of its tests. Nothing points upward.
const ALLOWED: &[(&str, &[&str])] = &[
    ("afield-exchange", &[]),
    ("afield-trim", &[]),
    ("afield-protocol", &["afield-exchange"]),
    ("afield-transport", &["afield-exchange", "afield-protocol"]),
    ("afield-egress", &["afield-exchange"]),
    ("afield-executor", &["afield-exchange", "afield-protocol", "afield-transport", "afield-egress"]),
    ("afield-client", &["afield-exchange", "afield-protocol", "afield-transport", "afield-egress"]),
    ("afield-mcp", &["afield-exchange", "afield-client"]),
    ("afield-gateway", &["afield-exchange", "afield-egress", "afield-client"]),
    (
        "afield-placement",
        &[
            "afield-exchange",
            "afield-transport",
            "afield-egress",
            "afield-client",
            "afield-config",
            "afield-mcp",
        ],
    ),
    (
        "afield",
        &[
            "afield-exchange",
            "afield-protocol",
            "afield-transport",
            "afield-egress",
            "afield-executor",
            "afield-client",
            "afield-mcp",
            "afield-config",
            "afield-gateway",
            "afield-kit",
            "afield-placement",
            "afield-trim",
        ],
    ),
    ("afield-config", &["afield-exchange"]),
    ("afield-kit", &["afield-protocol", "afield-transport"]),
    ("afield-testkit", &[]),
    // Programs for tests.
    (
        "afield-conformance",
        &["afield-exchange", "afield-egress", "afield-client", "afield-mcp", "afield-testkit"],
    ),
];

/// Crates without input and output of their own: neither sockets nor a runtime may come in, however indirectly.
const SANS_IO: &[&str] = &["afield-exchange", "afield-protocol"];
const IO: &[&str] = &["tokio", "hyper", "mio", "socket2", "reqwest"];

/// What breaks these rules.
pub fn breaches() -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for name in crates()? {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            breaches
                .push(format!("{name} is in no table of what it may know (xtask/src/structure/crates.rs)"));
            continue;
        };
        let direct = dependencies(&name, Depth::Direct)?;
        let ours = direct.iter().filter(|dependency| dependency.starts_with("afield"));
        for dependency in ours.filter(|dependency| !allowed.contains(&dependency.as_str())) {
            breaches.push(format!(
                "{name} depends on {dependency}; it may know only {allowed:?} (xtask/src/structure/crates.rs)"
            ));
        }
    }
    for name in SANS_IO {
        let all = dependencies(name, Depth::Whole)?;
        for dependency in IO.iter().filter(|dependency| all.contains(**dependency)) {
            breaches.push(format!(
                "{name} pulls in {dependency}; `cargo tree -p {name} -e normal -i {dependency}` shows how"
            ));
        }
    }
    Ok(breaches)
}

/// The names of the crates in `crates/`.
fn crates() -> Result<Vec<String>> {
    let directory = run::root().join("crates");
    let entries = fs::read_dir(&directory).map_err(|error| format!("cannot read crates/: {error}"))?;
    let manifests = entries.flatten().map(|entry| entry.path().join("Cargo.toml"));
    let texts = manifests.filter_map(|manifest| fs::read_to_string(manifest).ok());
    let names = texts.filter_map(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("name = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    });
    Ok(names.collect())
}

#[derive(Clone, Copy)]
enum Depth {
    Direct,
    Whole,
}

/// The names of a crate's normal dependencies, itself excluded.
fn dependencies(name: &str, depth: Depth) -> Result<BTreeSet<String>> {
    let depth = match depth {
        Depth::Direct => "1",
        Depth::Whole => "1000",
    };
    let tree = ["tree", "--locked", "-p", name, "-e", "normal", "--target", "all"];
    let form = ["--prefix", "none", "--format", "{p}", "--depth", depth];
    let lines = run::output(run::cargo(tree.into_iter().chain(form)))?;
    let names = lines.lines().filter_map(|line| line.split_ascii_whitespace().next());
    Ok(names.filter(|found| *found != name).map(str::to_owned).collect())
}
