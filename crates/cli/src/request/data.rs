use super::source::Source;
use crate::{ExitCode, failure::Failure};
use std::{ffi::OsString, fmt, io::Read, path::PathBuf};

/// One `--data`, `--data-binary`, `--data-raw`, `--data-urlencode` or `--json`, with what was typed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Vec<u8>),
    Binary(Vec<u8>),
    Raw(Vec<u8>),
    UrlEncode(Vec<u8>),
    Json(Vec<u8>),
}

/// What the data flags come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Bytes that are whole already.
    Bytes(Vec<u8>),
    /// A file or standard input, to be sent as it is.
    Source(Source),
}

impl Piece {
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// The file to be sent unchanged, if that is what this piece is.
    fn untouched_source(&self) -> Option<Source> {
        match self {
            Self::Binary(text) | Self::Json(text) => text.strip_prefix(b"@").map(source_named),
            _ => None,
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Raw(text) => Ok(text.clone()),
            Self::Data(text) => match text.strip_prefix(b"@") {
                Some(name) => {
                    let mut bytes = read(&source_named(name))?;
                    bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
                    Ok(bytes)
                }
                None => Ok(text.clone()),
            },
            Self::Binary(text) | Self::Json(text) => match text.strip_prefix(b"@") {
                Some(name) => read(&source_named(name)),
                None => Ok(text.clone()),
            },
            Self::UrlEncode(text) => url_encoded_piece(text),
        }
    }
}

/// Joins the pieces in the order typed, with `&` before every one but the first and but `--json`. A single file that is
/// sent unchanged is left to be streamed.
pub(crate) fn assemble(pieces: &[Piece]) -> Result<Data, Failure> {
    if let [only] = pieces
        && let Some(source) = only.untouched_source()
    {
        return Ok(Data::Source(source));
    }
    let mut bytes = Vec::new();
    for piece in pieces {
        if !bytes.is_empty() && !piece.is_json() {
            bytes.push(b'&');
        }
        bytes.extend(piece.bytes()?);
    }
    Ok(Data::Bytes(bytes))
}

/// `--url-query`: encoded like `--data-urlencode`, but for what begins with `+`.
pub(crate) fn query(typed: &[OsString]) -> Result<Vec<u8>, Failure> {
    let mut pieces = Vec::new();
    for text in typed {
        let text = text.as_encoded_bytes();
        pieces.push(match text.strip_prefix(b"+") {
            Some(plain) => plain.to_vec(),
            None => url_encoded_piece(text)?,
        });
    }
    Ok(pieces.join(&b'&'))
}

/// `content`, `=content`, `name=content`, `@file` or `name@file`; the content is encoded, the name is not.
fn url_encoded_piece(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let at = text.iter().position(|&b| b == b'=').or_else(|| text.iter().position(|&b| b == b'@'));
    let Some(at) = at else { return Ok(url_encode(text)) };
    let (name, content) = (&text[..at], &text[at + 1..]);
    let content = if text[at] == b'@' { read(&source_named(content))? } else { content.to_vec() };
    let mut bytes = Vec::with_capacity(name.len() + 1 + content.len());
    if !name.is_empty() {
        bytes.extend_from_slice(name);
        bytes.push(b'=');
    }
    bytes.extend(url_encode(&content));
    Ok(bytes)
}

/// Percent-encodes all but RFC 3986's unreserved characters; a space becomes `+`, as in forms.
fn url_encode(bytes: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(bytes.len() * 3 / 2);
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte),
            b' ' => encoded.push(b'+'),
            _ => encoded.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
    encoded
}

fn source_named(name: &[u8]) -> Source {
    use std::os::unix::ffi::OsStringExt;
    match name {
        b"-" => Source::Stdin,
        _ => Source::File(PathBuf::from(OsString::from_vec(name.to_vec()))),
    }
}

/// Reads a whole file or standard input.
pub(crate) fn read(source: &Source) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = match source {
        Source::Stdin => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        Source::File(path) => std::fs::read(path).map(|read| bytes = read),
        Source::Form => Ok(()),
    };
    match result {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::new(ExitCode::Read, format!("cannot read {source}: {error}"))),
    }
}

impl fmt::Debug for Piece {
    /// Shows the kind, never the data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, text) = match self {
            Self::Data(text) => ("Data", text),
            Self::Binary(text) => ("Binary", text),
            Self::Raw(text) => ("Raw", text),
            Self::UrlEncode(text) => ("UrlEncode", text),
            Self::Json(text) => ("Json", text),
        };
        write!(f, "{name}(<{} bytes>)", text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[Piece]) -> String {
        match assemble(pieces).unwrap() {
            Data::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            Data::Source(source) => panic!("streamed from {source}"),
        }
    }

    /// Proves that pieces are joined as curl joins them: `&` before all but the first and but `--json`.
    #[test]
    fn pieces_join_with_ampersand_but_json_does_not() {
        use Piece::{Data, Json, Raw};
        assert_eq!(joined(&[Data(b"a=1".to_vec()), Raw(b"@b".to_vec())]), "a=1&@b");
        assert_eq!(joined(&[Data(b"a".to_vec()), Json(b"{}".to_vec()), Data(b"c".to_vec())]), "a{}&c");
        assert_eq!(joined(&[Data(vec![]), Data(b"c".to_vec())]), "c");
    }

    /// Proves the five forms of `--data-urlencode`.
    #[test]
    fn urlencode_has_five_forms() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, "x y\n").unwrap();
        let name = file.to_str().unwrap();
        for (typed, sent) in [
            ("a b&c".to_owned(), "a+b%26c"),
            ("=a=b".to_owned(), "a%3Db"),
            ("n=~é".to_owned(), "n=~%C3%A9"),
            (format!("@{name}"), "x+y%0A"),
            (format!("n@{name}"), "n=x+y%0A"),
        ] {
            assert_eq!(joined(&[Piece::UrlEncode(typed.clone().into_bytes())]), sent, "{typed}");
        }
    }

    /// Proves that `--data @file` loses its line ends and NULs and that a lone `--data-binary @file` is streamed.
    #[test]
    fn data_strips_line_ends_and_binary_streams() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, b"a\r\nb\0c\n").unwrap();
        let typed = format!("@{}", file.display()).into_bytes();
        assert_eq!(joined(&[Piece::Data(typed.clone())]), "abc");
        assert_eq!(assemble(&[Piece::Binary(typed.clone())]).unwrap(), Data::Source(Source::File(file)));
        assert_eq!(joined(&[Piece::Binary(typed), Piece::Data(b"d".to_vec())]), "a\r\nb\0c\n&d");
    }
}
