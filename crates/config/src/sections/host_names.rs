use crate::{Located, reading::Section};
use std::net::IpAddr;

/// The names of hosts in a list, each as `Host` would have it without its port.
pub(super) fn read(section: &Section<'_>, key: &str) -> Vec<String> {
    let names = section.located_texts(key);
    for name in &names {
        if let Some(fix) = mistake(name) {
            section.reader.note(Located::problem(name, "no `Host` is ever this", fix));
        }
    }
    names.into_iter().map(|name| name.value).collect()
}

/// How to write what is not the name of a host.
fn mistake(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let name = rest.rsplit_once(':').map_or(rest, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { rest }
    });
    let bare = name.trim_start_matches("*.").trim_start_matches('.');
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !bare.strip_suffix('.').unwrap_or(bare).split('.').all(label) {
        return Some("write the name alone, in A-labels, as \"executor.internal\"".to_owned());
    }
    if bare.parse::<IpAddr>().is_ok() {
        return Some("take it out: addresses are always allowed".to_owned());
    }
    match (bare == text, name.starts_with(['*', '.'])) {
        (true, _) => None,
        (false, true) => Some(format!("write each name by itself, as \"x.{bare}\"")),
        (false, false) => Some(format!("write \"{bare}\"")),
    }
}
