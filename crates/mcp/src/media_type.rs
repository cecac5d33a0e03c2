//! Media types, as far as MCP needs them (RFC 9110, section 8.3.1).

pub(crate) const EVENT_STREAM: &str = "text/event-stream";
pub(crate) const JSON: &str = "application/json";

/// Whether a `Content-Type` names this type, whatever its letters' case and its parameters.
pub(crate) fn is(content_type: &[u8], expected: &str) -> bool {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let mut essence = &content_type[..end];
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = essence {
        essence = rest;
    }
    essence.eq_ignore_ascii_case(expected.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that parameters, spaces and case change nothing, and that a longer name is another type.
    #[test]
    fn only_the_essence_counts() {
        for same in [
            "application/json",
            "Application/JSON",
            " application/json\t; charset=utf-8",
            "application/json;",
        ] {
            assert!(is(same.as_bytes(), JSON), "{same}");
        }
        for other in
            ["", ";", "application/jsonx", "application/json-seq", "application/json, text/event-stream"]
        {
            assert!(!is(other.as_bytes(), JSON), "{other}");
        }
        assert!(is(b"text/event-stream; note=\"\xff\"", EVENT_STREAM));
        assert!(!is(b"text/event-stream\xff", EVENT_STREAM));
    }
}
