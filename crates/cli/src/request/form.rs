use super::{data, source::Source};
use crate::failure::Failure;
use afield_exchange::Header;
use bytes::Bytes;
use std::{
    ffi::OsString,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// One `--form` or `--form-string`, as typed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Special(Vec<u8>),
    Plain(Vec<u8>),
}

impl fmt::Debug for Field {
    /// Shows the kind, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Special(_)) { "Special(…)" } else { "Plain(…)" })
    }
}

/// A piece of a body.
#[derive(Clone)]
pub(crate) enum Part {
    Bytes(Bytes),
    File(PathBuf),
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "<{} bytes>", bytes.len()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What stands between the parts, and in none of them.
pub(super) fn boundary() -> String {
    format!("{}{:016x}", "-".repeat(24), RandomState::new().build_hasher().finish())
}

/// Says in the headers that there are parts, and what is between them.
pub(super) fn announce(headers: &mut Vec<Header>, boundary: &str) -> Result<(), Failure> {
    if headers.iter().any(|header| header.is("content-type")) {
        return Err(Failure::usage("a form is `multipart/form-data` and has no other Content-Type")
            .with_hint("send a prepared body with --data-binary @FILE and its Content-Type"));
    }
    headers.push(Header::new("Content-Type", format!("multipart/form-data; boundary={boundary}")));
    Ok(())
}

/// The body of a form.
pub(super) fn build(fields: &[Field], boundary: &str) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    for field in fields {
        text.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        let field = Typed::of(field)?;
        text.extend_from_slice(&field.head());
        match field.content {
            Content::Bytes(bytes) => text.extend_from_slice(&bytes),
            Content::File(path) => {
                parts.push(Part::Bytes(std::mem::take(&mut text).into()));
                parts.push(Part::File(path));
            }
        }
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    parts.push(Part::Bytes(text.into()));
    Ok(parts)
}

enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// A field that is understood.
struct Typed {
    name: Vec<u8>,
    content: Content,
    media_type: Option<Vec<u8>>,
    file_name: Option<Vec<u8>>,
}

impl Typed {
    fn of(field: &Field) -> Result<Self, Failure> {
        let (Field::Special(text) | Field::Plain(text)) = field;
        let at = text.iter().position(|&byte| byte == b'=');
        let at = at.ok_or_else(|| Failure::usage("a --form is not `name=content`"))?;
        let (name, content) = (text[..at].to_vec(), &text[at + 1..]);
        if let Field::Plain(_) = field {
            let content = Content::Bytes(content.to_vec());
            return Ok(Self { name, content, media_type: None, file_name: None });
        }
        let (mark, rest) = match content {
            [mark @ (b'@' | b'<'), rest @ ..] => (*mark, rest),
            [b'(' | b')', ..] => {
                return Err(Failure::usage(
                    "a --form begins parts within parts (`=(`), which are not built here",
                )
                .with_hint("--form-string sends a content that begins with a parenthesis"));
            }
            _ => (0, content),
        };
        let mut words = Words(rest);
        let value = words.next_word(mark != 0)?;
        let (mut media_type, mut file_name): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
        let mut typed_last = false;
        while words.skip_semicolon() {
            let word = words.next_word(false)?;
            let is =
                |key: &str| word.len() >= key.len() && word[..key.len()].eq_ignore_ascii_case(key.as_bytes());
            if is("type=") {
                (media_type, typed_last) = (Some(word[5..].trim_ascii().to_vec()), true);
            } else if is("filename=") {
                let mut name = Words(&word[9..]);
                (file_name, typed_last) = (Some(name.next_word(false)?), false);
            } else if is("headers=") || is("encoder=") {
                return Err(Failure::usage("a --form says `headers=` or `encoder=`, which are not taken"));
            } else if let Some(media_type) = media_type.as_mut().filter(|_| typed_last) {
                media_type.push(b';');
                media_type.extend_from_slice(&word);
            }
        }
        let path = || PathBuf::from(OsString::from_vec(value.clone()));
        let content = match mark {
            b'@' if value == b"-" => Content::Bytes(data::read(&Source::Stdin)?),
            b'@' => Content::File(path()),
            b'<' if value == b"-" => Content::Bytes(data::read(&Source::Stdin)?),
            b'<' => Content::Bytes(data::read(&Source::File(path()))?),
            _ => Content::Bytes(value.clone()),
        };
        if mark == b'@' && file_name.is_none() {
            let base = value.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            file_name = Some(base.to_vec());
        }
        if media_type.is_none() {
            let known = file_name.as_deref().and_then(known_type);
            let is_file = mark == b'@' && value != b"-";
            let other = is_file.then_some("application/octet-stream");
            media_type = known.or(other).map(|text| text.as_bytes().to_vec());
        }
        Ok(Self { name, content, media_type, file_name })
    }

    fn head(&self) -> Vec<u8> {
        let mut head = b"Content-Disposition: form-data; name=\"".to_vec();
        head.extend(escaped(&self.name));
        head.push(b'"');
        if let Some(name) = &self.file_name {
            head.extend_from_slice(b"; filename=\"");
            head.extend(escaped(name));
            head.push(b'"');
        }
        if let Some(media_type) = &self.media_type {
            head.extend_from_slice(b"\r\nContent-Type: ");
            head.extend_from_slice(media_type);
        }
        head.extend_from_slice(b"\r\n\r\n");
        head
    }
}

/// Words with a semicolon between them, in quotes or not.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn skip_semicolon(&mut self) -> bool {
        match self.0 {
            [b';', rest @ ..] => {
                self.0 = rest.trim_ascii_start();
                true
            }
            _ => false,
        }
    }

    fn next_word(&mut self, is_file: bool) -> Result<Vec<u8>, Failure> {
        if let [b'"', rest @ ..] = self.0
            && let Some((word, rest)) = quoted(rest)
        {
            let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
            self.0 = &rest[end..];
            return Ok(word);
        }
        // `filename="a;b"`: the quotes begin within the word.
        let opened = self.0.starts_with(b"filename=\"").then_some(10);
        if let Some((_, rest)) = opened.and_then(|at| quoted(&self.0[at..])) {
            let word = self.0[..self.0.len() - rest.len()].to_vec();
            let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
            self.0 = &rest[end..];
            return Ok(word);
        }
        let end = self.0.iter().position(|&byte| byte == b';').unwrap_or(self.0.len());
        let word = self.0[..end].to_vec();
        self.0 = &self.0[end..];
        if is_file && word.contains(&b',') {
            return Err(Failure::usage(
                "a --form names several files, which are not built into one part here",
            )
            .with_hint("write -F name=@FILE for each; quotes take a comma for itself: -F 'name=@\"a,b\"'"));
        }
        Ok(word)
    }
}

/// Up to the closing quote, if there is one, with `\\` and `\"` for what they mean; and what follows.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at..)? {
            [b'"', rest @ ..] => return Some((word, rest)),
            [b'\\', byte @ (b'\\' | b'"'), ..] => {
                word.push(*byte);
                at += 2;
            }
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

/// As browsers write names into a head.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'"' => text.extend_from_slice(b"%22"),
            b'\r' => text.extend_from_slice(b"%0D"),
            b'\n' => text.extend_from_slice(b"%0A"),
            byte => text.push(byte),
        }
    }
    text
}

/// The types that curl knows, by the end of the name.
fn known_type(name: &[u8]) -> Option<&'static str> {
    let extension = Path::new(std::str::from_utf8(name).ok()?).extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "htm" | "html" => "text/html",
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        _ => return None,
    })
}
