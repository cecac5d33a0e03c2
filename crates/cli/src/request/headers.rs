use super::{data, source::Source};
use crate::failure::Failure;
use afield_exchange::Header;
use std::{ffi::OsString, os::unix::ffi::OsStrExt, path::PathBuf};

/// What one `--header` line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Send(Header),
    /// The default header of this name is not wanted.
    Remove(String),
}

/// What the `--header` flags ask for. Files are read once.
pub(crate) fn read(typed: &[OsString]) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for text in typed {
        match text.as_bytes().strip_prefix(b"@") {
            Some(name) => {
                for line in data::read(&source(name))?.split(|&byte| byte == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    // A comment. curl passes over one without a colon, and sends one that has a colon as a field.
                    if line.trim_ascii_start().first() != Some(&b'#') {
                        lines.extend(parse(line)?);
                    }
                }
            }
            None => lines.extend(parse(text.as_bytes())?),
        }
    }
    Ok(lines)
}

/// The header fields of a request: the defaults that were neither replaced nor removed, then those that were typed.
pub(crate) fn assemble(lines: &[Line], defaults: Vec<Header>) -> Vec<Header> {
    let is_typed = |default: &Header| {
        lines.iter().any(|line| match line {
            Line::Send(header) => header.is(&default.name),
            Line::Remove(name) => default.is(name),
        })
    };
    let mut headers: Vec<Header> = defaults.into_iter().filter(|default| !is_typed(default)).collect();
    headers.extend(lines.iter().filter_map(|line| match line {
        Line::Send(header) => Some(header.clone()),
        Line::Remove(_) => None,
    }));
    headers
}

fn source(name: &[u8]) -> Source {
    match name {
        b"-" => Source::Stdin,
        _ => Source::File(PathBuf::from(std::ffi::OsStr::from_bytes(name))),
    }
}

/// `Name: value`, `Name:` (remove) or `Name;` (send empty); nothing for an empty line.
fn parse(line: &[u8]) -> Result<Option<Line>, Failure> {
    if line.is_empty() {
        return Ok(None);
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let parsed = match line.iter().position(|&byte| byte == b':') {
        Some(at) => text(&line[..at]).map(|name| match line[at + 1..].trim_ascii() {
            b"" => Line::Remove(name),
            value => Line::Send(Header::new(name, value.to_vec())),
        }),
        None => line
            .trim_ascii_end()
            .strip_suffix(b";")
            .and_then(text)
            .map(|name| Line::Send(Header::new(name, ""))),
    };
    // The line may be a secret that lost its colon: it is not repeated.
    parsed.map(Some).ok_or_else(|| {
        Failure::usage("a --header is neither `Name: value` nor `Name:` nor `Name;`")
            .with_hint("quote it: -H 'Accept: text/plain'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(typed: &[&str]) -> Vec<(String, String)> {
        let defaults = vec![Header::new("User-Agent", "d"), Header::new("Accept", "*/*")];
        let typed: Vec<OsString> = typed.iter().map(OsString::from).collect();
        assemble(&read(&typed).unwrap(), defaults)
            .into_iter()
            .map(|header| (header.name.clone(), header.text().unwrap().to_owned()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Proves that a typed header replaces, removes or joins the defaults as in curl.
    #[test]
    fn typed_headers_replace_remove_and_add() {
        assert_eq!(assembled(&[]), pairs(&[("User-Agent", "d"), ("Accept", "*/*")]));
        assert_eq!(
            assembled(&["accept: a", "ACCEPT: b"]),
            pairs(&[("User-Agent", "d"), ("accept", "a"), ("ACCEPT", "b")])
        );
        assert_eq!(assembled(&["User-Agent:", "Accept: "]), pairs(&[]));
        assert_eq!(assembled(&["X;", "User-Agent:"]), pairs(&[("Accept", "*/*"), ("X", "")]));
        assert_eq!(assembled(&["X:  a: b;"])[2], ("X".to_owned(), "a: b;".to_owned()));
    }

    /// Proves that a malformed header is refused without repeating it.
    #[test]
    fn a_malformed_header_is_refused_and_not_repeated() {
        let failure = read(&["canary".into()]).unwrap_err();
        assert_eq!(failure.code, crate::ExitCode::Usage);
        assert!(!failure.text().contains("canary"));
    }

    /// Proves that `-H @file` reads a header a line and that bytes beyond ASCII are kept.
    #[test]
    fn a_header_file_is_read_line_by_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("h");
        std::fs::write(&file, b"# C: 1\nA: \xff\r\n\nB;\n").unwrap();
        let mut typed = OsString::from("@");
        typed.push(&file);
        let headers = assemble(&read(&[typed]).unwrap(), Vec::new());
        assert_eq!(headers, [Header::new("A", b"\xff".to_vec()), Header::new("B", "")]);
    }
}
