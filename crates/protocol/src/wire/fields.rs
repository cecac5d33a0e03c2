//! What a peer says of a response's head, held to what an HTTP library would have let through (RFC 9110, sections 5 and 15).
//!
//! An executor hands on what an HTTP library has parsed, so nothing that such a library refuses is ever in a head. What
//! comes over the wire is the word of a peer, though: it is checked here, once, before anything relies on it.

use crate::{json::Object, wire::header::WireHeader};
use afield_exchange::Header;
use serde::{
    Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::fmt;

/// Fields in one head or in one set of trailers. Executors take 256 from an origin unless told otherwise.
const MOST_FIELDS: usize = 4096;

/// Names and values of one head together, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The longest name in bytes: what the `http` crate takes.
const LONGEST_NAME: usize = u16::MAX as usize;

/// Deserialises a list of fields. Fails at the first one too many, before it is kept.
pub(super) fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WireHeader<'de>>, D::Error> {
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<WireHeader<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST_FIELDS} header fields")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(Object(field)) = items.next_element()? {
                if fields.len() == MOST_FIELDS {
                    return Err(A::Error::custom("too many header fields"));
                }
                fields.push(field);
            }
            Ok(fields)
        }
    }

    deserializer.deserialize_seq(Fields)
}

/// Checks a status that ends an exchange: 200 to 999. The informational ones are no answer.
pub(super) fn check_final_status(status: u16) -> Result<u16, &'static str> {
    match status {
        200..=999 => Ok(status),
        100..=199 => Err("an informational status where the final one was due"),
        _ => Err("a status outside of 200 to 999"),
    }
}

/// Checks the fields of a response, and takes them with their names in lower case.
///
/// What only a request's fields can have is dropped.
pub(super) fn response_fields(fields: Vec<WireHeader<'_>>) -> Result<Vec<Header>, &'static str> {
    let mut bytes = 0;
    let mut checked = Vec::with_capacity(fields.len());
    for field in fields {
        let mut header = field.into_header().map_err(|_| "a header value that is no base64")?;
        if !is_name(&header.name) {
            return Err("a header name that is no token");
        }
        if !is_value(&header.value) {
            return Err("a header value with control characters");
        }
        bytes += header.name.len() + header.value.len();
        if bytes > MOST_BYTES {
            return Err("header fields that are too large");
        }
        header.name.make_ascii_lowercase();
        (header.env_var, header.secret) = (None, None);
        checked.push(header);
    }
    Ok(checked)
}

/// Tells whether `text` is a token (RFC 9110, section 5.6.2) that is not too long for a name.
fn is_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_token)
}

/// Tells whether `text` can be a field's value: no control character but the tab (RFC 9110, section 5.5).
fn is_value(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    /// Proves that names and values are held to what the `http` crate takes, byte by byte.
    #[test]
    fn fields_are_held_to_what_an_http_library_takes() {
        for byte in 0..=u8::MAX {
            let value = [b'a', byte, b'b'];
            assert_eq!(is_value(&value), HeaderValue::from_bytes(&value).is_ok(), "{byte:#x}");
            let name: String = ['a', char::from(byte)].iter().collect();
            assert_eq!(is_name(&name), HeaderName::from_bytes(name.as_bytes()).is_ok(), "{byte:#x}");
        }
        for (name, expected) in
            [("", false), (&*"n".repeat(LONGEST_NAME), true), (&*"n".repeat(LONGEST_NAME + 1), false)]
        {
            assert_eq!(is_name(name), expected, "{} bytes", name.len());
        }
        assert!(is_value(b""));
    }
}
