//! Paths that lead out of a route, however they are written.

/// Times that a path is decoded. What is still encoded after that nobody has written in good faith.
const PASSES: usize = 8;

/// What ends the name in a segment for one server or another: parameters (`..;a=b`), a query, a fragment, and what a C
/// library takes for the end.
const ENDS: &[u8] = b";?#\0";

/// Tells whether a server might resolve a segment of `path` as `.` or `..`.
///
/// Whoever serves the path may decode it before it is split, also twice, take a backslash for a slash, and drop parameters
/// and white space. So all of that is done here, until nothing changes any more. Nothing of it is passed on.
pub(crate) fn climbs(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..PASSES {
        if has_dot_segment(&path) {
            return true;
        }
        let decoded = decoded(&path);
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    true
}

fn has_dot_segment(path: &[u8]) -> bool {
    let path = folded(path);
    path.split(|byte| b"/\\".contains(byte)).any(|segment| {
        let end = segment.iter().position(|byte| ENDS.contains(byte)).unwrap_or(segment.len());
        matches!(segment[..end].trim_ascii(), b"." | b"..")
    })
}

/// The path with overlong and full-width forms of `.`, `/` and `\` as what lax decoders make of them.
fn folded(path: &[u8]) -> Vec<u8> {
    const FORMS: [(&[u8], u8); 9] = [
        (b"\xc0\xae", b'.'),
        (b"\xe0\x80\xae", b'.'),
        (b"\xef\xbc\x8e", b'.'),
        (b"\xc0\xaf", b'/'),
        (b"\xe0\x80\xaf", b'/'),
        (b"\xef\xbc\x8f", b'/'),
        (b"\xc1\x9c", b'\\'),
        (b"\xe0\x81\x9c", b'\\'),
        (b"\xef\xbc\xbc", b'\\'),
    ];
    let mut folded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match FORMS.iter().find(|(form, _)| rest.starts_with(form)) {
            Some((form, meant)) => {
                folded.push(*meant);
                rest = &rest[form.len()..];
            }
            None => {
                folded.push(*first);
                rest = others;
            }
        }
    }
    folded
}

/// The path with its percent escapes decoded once, those of the form `%u002e` too.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        let escape = match rest {
            [b'%', b'u' | b'U', b'0', b'0', high, low, after @ ..] => {
                byte(*high, *low).map(|byte| (byte, after))
            }
            [b'%', high, low, after @ ..] => byte(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escape.unwrap_or((*first, others));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::climbs;

    /// Proves that a path which some server resolves as climbing is known in every spelling, and that others pass (case 161).
    #[test]
    fn dot_segments_are_found_in_every_spelling() {
        for path in [
            "/..",
            "/.",
            "/a/../../b",
            "/%2e%2E/x",
            "/.%2e",
            "/%2e",
            "/%2e%2e%2fx",
            "/..%2fx",
            "/a%2f..%2f..%2fx",
            "/..;/x",
            "/..;a=b/x",
            "/%2e%2e;/x",
            "/..%3b/x",
            "/.;/x",
            "/..\\x",
            "/..%5cx",
            "/a%5c..%5cx",
            "/%252e%252e%252fx",
            "/..%252fx",
            "/..%25252fx",
            "/%25%32%65%25%32%65/x",
            "/..%00/x",
            "/..%20/x",
            "/%09../x",
            "/..%3fx",
            "/..%23x",
            "/%c0%ae%c0%ae/x",
            "/..%c0%afx",
            "/%e0%80%ae./x",
            "/..%c1%9cx",
            "/%u002e%u002e/x",
            "/%ef%bc%8e%ef%bc%8e/x",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/...",
            "/..a",
            "/a..",
            "/a..b/.well-known/x",
            "/.git;x",
            "/%2e%2e%2e",
            "/a%2fb",
            "/a%5cb",
            "/a//b;c=%2F%c3",
            "/100%",
            "/%zz/%2",
            "/a;..;b",
            "/%25",
            "/a%2520b",
            "/x%00y",
            "/%c3%a9",
        ] {
            assert!(!climbs(path), "{path}");
        }
        let deep = format!("/%{}2e", "25".repeat(4000));
        assert!(climbs(&deep), "nobody encodes that often in good faith");
    }
}
