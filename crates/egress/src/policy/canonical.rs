//! The one form in which what a rule says and what a request asks for are compared: names in A-labels, without regard to
//! case or a trailing dot; addresses as addresses; methods without regard to case.
//!
//! Everything that compares one with the other does it by these functions.

use http::Method;

/// A host name without its trailing dot.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether both are one name.
pub(crate) fn is_name(one: &str, other: &str) -> bool {
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// Whether `host` is a name below `parent`, and not `parent` itself.
pub(crate) fn is_below(host: &str, parent: &str) -> bool {
    let (host, parent) = (bare(host).as_bytes(), bare(parent).as_bytes());
    host.len() > parent.len() + 1
        && host[host.len() - parent.len()..].eq_ignore_ascii_case(parent)
        && host[host.len() - parent.len() - 1] == b'.'
}

/// Whether `host` is `parent`, or a name below it.
pub(crate) fn is_at_or_below(host: &str, parent: &str) -> bool {
    is_name(host, parent) || is_below(host, parent)
}

/// Checks a name in A-labels: RFC 1035, section 2.3.4, and no character that a resolver or an HTTP parser may read in its
/// own way. No request goes to any other name, so no rule is for one either.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let name = bare(name);
    if name.len() > 253 {
        return Err("host name longer than 253 bytes");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("empty label in the host name");
        }
        if label.len() > 63 {
            return Err("label longer than 63 bytes in the host name");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err("invalid character in the host name");
        }
    }
    Ok(())
}

/// Whether a request's method is the one that a rule names.
///
/// Methods differ by case on the wire (RFC 9110, section 9.1), and are sent as they are written. But many servers and
/// frameworks take `delete` for `DELETE`: were it another method to a rule, the rule could be slipped past.
pub(crate) fn is_method(rule: &str, given: &str) -> bool {
    rule.eq_ignore_ascii_case(given)
}

/// A method as rules keep it: in upper case.
pub(crate) fn method(text: &str) -> Result<String, &'static str> {
    if text == "*" {
        return Err("leave methods out to mean every method");
    }
    if Method::from_bytes(text.as_bytes()).is_err() {
        return Err("it is not a word that a request can have for its method, such as `DELETE`");
    }
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "CONNECT" | "TRACE" => {
            Err("no request of this method is ever made, with or without a rule: take it out")
        }
        _ => Ok(upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that names and methods which differ in writing alone are the same, and that others are not.
    #[test]
    fn writing_makes_no_difference() {
        for (one, other) in [("a.test", "A.test."), ("a.test.", "a.test"), ("A", "a")] {
            assert!(is_name(one, other) && is_name(other, one), "{one} {other}");
        }
        for (host, parent, below) in [
            ("a.test", "test", true),
            ("A.TEST.", "test", true),
            ("a.test", "TEST.", true),
            ("test", "test", false),
            (".test", "test", false),
            ("atest", "test", false),
            ("a.b.test", "b.test", true),
            ("", "test", false),
        ] {
            assert_eq!(is_below(host, parent), below, "{host} {parent}");
        }
        for (rule, given, same) in
            [("DELETE", "delete", true), ("DELETE", "DeLeTe", true), ("DELETE", "DELET", false)]
        {
            assert_eq!(is_method(rule, given), same, "{rule} {given}");
        }
        assert_eq!(method("delete"), Ok("DELETE".to_owned()));
        for refused in ["", "DEL ETE", "GET,HEAD", "*", "trace", "CONNECT"] {
            assert!(method(refused).is_err(), "{refused}");
        }
    }
}
