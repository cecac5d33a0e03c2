//! What a server that wants (more) authorization says of it (RFC 9110, section 11.6.1; RFC 6750, section 3).

use crate::{TransportError, answer::Answer};
use http::StatusCode;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, StreamableHttpError,
};

const SCOPE: &str = "scope=";

/// The error that a 401 or 403 with a challenge is. Only its first `WWW-Authenticate` field counts.
pub(crate) fn refused(answer: &Answer) -> Result<(), StreamableHttpError<TransportError>> {
    if !matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Ok(());
    }
    let Some(challenge) = answer.field("www-authenticate") else { return Ok(()) };
    let challenge = visible(challenge).ok_or_else(|| {
        StreamableHttpError::UnexpectedServerResponse("invalid www-authenticate header value".into())
    })?;
    Err(match answer.status() {
        StatusCode::UNAUTHORIZED => {
            StreamableHttpError::AuthRequired(AuthRequiredError::new(challenge.to_owned()))
        }
        _ => StreamableHttpError::InsufficientScope(InsufficientScopeError::new(
            challenge.to_owned(),
            scope(challenge).map(str::to_owned),
        )),
    })
}

/// A field value as text, if it is printable ASCII.
pub(crate) fn visible(value: &[u8]) -> Option<&str> {
    let printable = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    printable.then(|| std::str::from_utf8(value).ok()).flatten()
}

/// The value of the first `scope=`, quoted or not.
fn scope(challenge: &str) -> Option<&str> {
    let at = challenge
        .as_bytes()
        .windows(SCOPE.len())
        .position(|name| name.eq_ignore_ascii_case(SCOPE.as_bytes()))?;
    let value = &challenge[at + SCOPE.len()..];
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(scope, _)| scope),
        None => value
            .split(|c: char| matches!(c, ',' | ';') || c.is_whitespace())
            .next()
            .filter(|scope| !scope.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the scope is found in either form, and that none is made up.
    #[test]
    fn a_scope_is_found_quoted_or_not() {
        for (challenge, expected) in [
            (
                "Bearer error=\"insufficient_scope\", scope=\"files:read files:write\"",
                Some("files:read files:write"),
            ),
            ("Bearer SCOPE=read:data, error=x", Some("read:data")),
            ("Bearer scope=a;b", Some("a")),
            ("Bearer scope=\"\"", Some("")),
            ("Bearer scope=\"never closed", None),
            ("Bearer scope=, error=x", None),
            ("Bearer error=x", None),
            ("", None),
        ] {
            assert_eq!(scope(challenge), expected, "{challenge}");
        }
    }

    /// Proves that bytes no text may hold are not taken for text.
    #[test]
    fn only_printable_ascii_is_text() {
        assert_eq!(visible(b"a\tb c~"), Some("a\tb c~"));
        assert_eq!(visible(b"caf\xc3\xa9"), None);
        assert_eq!(visible(b"\x7f"), None);
    }
}
