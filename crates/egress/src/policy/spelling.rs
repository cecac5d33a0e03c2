//! Hosts in rules that are written as something else: what was probably meant, and how to write it.

use super::rule::RuleError;
use ipnet::IpNet;

/// The error for `text`, which is no host. A user name and a password in it are not shown.
pub(super) fn not_a_host(text: &str, why: &str) -> RuleError {
    let shown = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    RuleError::Host { host: shown.to_owned(), why: why.to_owned() }
}

/// What is wrong with the host of a rule, whose scheme and ports are keys of their own; how to write it.
pub(super) fn of_host(text: &str) -> Option<String> {
    let rest = scheme(text).map(|(scheme, rest)| match port(host_of(rest)) {
        Some((host, port)) => {
            format!("write `{host}`, and put \"{scheme}\" into scheme and {port} into ports")
        }
        None => format!("write `{}`, and put \"{scheme}\" into scheme", host_of(rest)),
    });
    rest.or_else(|| of_both(text))
        .or_else(|| port(text).map(|(host, port)| format!("write `{host}`, and put {port} into ports")))
}

/// What is wrong with a place, which may have a port; how to write it.
pub(super) fn of_place(text: &str) -> Option<String> {
    let rest = scheme(text).map(|(scheme, rest)| match (port(host_of(rest)), scheme.as_str()) {
        (None, "https") => format!("write `{}:443`, without the scheme", host_of(rest)),
        (None, "http") => format!("write `{}:80`, without the scheme", host_of(rest)),
        _ => format!("write `{}`, without the scheme", host_of(rest)),
    });
    rest.or_else(|| of_both(text))
}

fn of_both(text: &str) -> Option<String> {
    if text.parse::<IpNet>().is_ok() {
        return Some("this is a network: networks is the key of a rule for it".to_owned());
    }
    if text.contains('@') {
        return Some("a user name means nothing here: leave it out".to_owned());
    }
    if text.contains(['/', '?', '#', '\\']) {
        return Some(format!("write `{}`: rules are for hosts, whatever the path", host_of(text)));
    }
    if text.trim() != text {
        return Some(format!("write `{}`, without the space around it", text.trim()));
    }
    if let Some(name) = text.strip_prefix('.') {
        return Some(format!("write `*.{name}` for every name below it, and `{name}` for the name itself"));
    }
    None
}

/// The scheme before `://`, and what follows.
fn scheme(text: &str) -> Option<(String, &str)> {
    text.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest))
}

/// Host and port of what follows a scheme.
fn host_of(rest: &str) -> &str {
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A host that is followed by a port, apart. Colons within an address without brackets belong to it.
fn port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && (!host.contains(':') || host.ends_with(']'))).then_some((host, port))
}
