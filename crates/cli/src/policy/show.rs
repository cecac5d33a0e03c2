use crate::{console::print, console::print_json, failure::Failure, serve::Places};
use afield_config::Serving;
use afield_egress::{Policy, Rule};
use serde_json::{Value, json};
use std::fmt::Write;

/// Prints what holds: for one principal, or for all.
pub(super) fn show(
    places: &Places,
    said: &Serving,
    principal: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let policy = &places.policy;
    let others: Vec<&str> = match principal {
        Some(_) => Vec::new(),
        None => policy.principals().into_iter().collect(),
    };
    let own = policy.of(principal);
    let secrets: Vec<&str> = said.secrets.iter().map(|secret| secret.name.as_str()).collect();
    let upstreams: Vec<&str> = places.upstreams.rules().map(|rule| rule.name()).collect();
    if as_json {
        let principals = others.iter().map(|name| ((*name).to_owned(), value(&policy.of(Some(name)))));
        let mut shown = value(&own);
        shown["principals"] = principals.collect::<serde_json::Map<_, _>>().into();
        shown["secrets"] = json!(secrets);
        shown["upstreams"] = json!(upstreams);
        return print_json(&shown);
    }
    let mut text = lines(&own);
    for name in others {
        let _ = write!(text, "\nfor {name}:\n{}", lines(&policy.of(Some(name))));
    }
    for (what, names) in [("secrets", secrets), ("upstreams", upstreams)] {
        if !names.is_empty() {
            let _ = writeln!(text, "\n{what}: {}", names.join(", "));
        }
    }
    print(text)
}

fn lines(policy: &Policy) -> String {
    let (preset, rules) = policy.parts();
    let mut text = format!("preset {preset}\n");
    for rule in rules {
        match rule.name() {
            Some(name) => drop(writeln!(text, "{rule}  ({name})")),
            None => drop(writeln!(text, "{rule}")),
        }
    }
    text
}

fn value(policy: &Policy) -> Value {
    let (preset, rules) = policy.parts();
    let rule = |rule: &Rule| json!({ "rule": rule.to_string(), "name": rule.name() });
    json!({ "preset": preset.as_str(), "rules": rules.iter().map(rule).collect::<Vec<_>>() })
}
