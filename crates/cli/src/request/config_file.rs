use super::{data, source::Source};
use crate::failure::Failure;
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

/// The arguments that a file of `--config` holds, in curl's syntax: a flag on each line, with or without its dashes, its value
/// behind a space, `=` or `:`, in quotes or not; `#` begins a comment.
pub(super) fn read(file: &OsStr) -> Result<Vec<OsString>, Failure> {
    let source = if file == "-" { Source::Stdin } else { Source::File(PathBuf::from(file)) };
    let bytes = data::read(&source).map_err(|mut failure| {
        // curl's code for a configuration file that is not there is that of a wrong command line... and so is this.
        failure.code = crate::ExitCode::Read;
        failure
    })?;
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Vec<OsString> {
    let mut arguments = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let has_dash = line[0] == b'-';
        let is_end = |byte: u8| byte.is_ascii_whitespace() || (!has_dash && matches!(byte, b'=' | b':'));
        let end = line.iter().position(|&byte| is_end(byte)).unwrap_or(line.len());
        let name = &line[..end];
        let mut value = line[end..].trim_ascii_start();
        if let Some(rest) =
            value.strip_prefix(b"=").or_else(|| value.strip_prefix(b":")).filter(|_| !has_dash)
        {
            value = rest.trim_ascii_start();
        }
        let dashes: &[u8] = if has_dash { b"" } else { b"--" };
        arguments.push(OsString::from_vec([dashes, name].concat()));
        match value {
            [] => {}
            [b'"', quoted @ ..] => arguments.push(OsString::from_vec(unquoted(quoted))),
            [b'#', ..] => {}
            plain => {
                let end = plain.iter().position(u8::is_ascii_whitespace).unwrap_or(plain.len());
                arguments.push(OsStr::from_bytes(&plain[..end]).to_owned());
            }
        }
    }
    arguments
}

/// Up to the closing quote; `\\`, `\"`, `\t`, `\n`, `\r` and `\v` are what they are in C.
fn unquoted(quoted: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        value.push(match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'v') => 0x0b,
                Some(&other) => other,
                None => break,
            },
            byte => byte,
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves how lines of a configuration file are read.
    #[test]
    fn config_lines_are_read_as_by_curl() {
        for (line, expected) in [
            ("# no", &[][..]),
            ("url = \"http://h/\"", &["--url", "http://h/"]),
            ("url: http://h/ # more", &["--url", "http://h/"]),
            ("-H \"A: b\\\"c\\n\"", &["-H", "A: b\"c\n"]),
            ("--header x;", &["--header", "x;"]),
            ("  silent", &["--silent"]),
            ("data=a=b", &["--data", "a=b"]),
            ("-o \"\"", &["-o", ""]),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }
}
