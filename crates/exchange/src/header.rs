use bytes::Bytes;
use std::fmt;

/// One header field. Order and repetition are significant: a message holds a list of these.
///
/// The name is kept as the peer wrote it; names compare without regard to case ([`Header::is`]).
/// `Debug` shows the name and the length of the value, never the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The field name, unchecked: the side that sends it validates it.
    pub name: String,
    /// The field value, exact bytes.
    pub value: Bytes,
    /// An environment variable *of the executor* whose value is appended to `value` on the first hop, if the
    /// operator allows that variable for the request's host. Only meaningful in a request.
    pub env_var: Option<String>,
    /// A secret *of the executor's operator*, by the name it is declared under, that completes `value`: appended to it,
    /// or, where `value` is empty, standing behind the prefix the operator declared. Sent if the operator allows that
    /// secret for the request's host, and only to the origin the request was made for. Only meaningful in a request;
    /// excludes `env_var`.
    pub secret: Option<String>,
}

impl Header {
    /// A header with this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: value.into(), env_var: None, secret: None }
    }

    /// A header whose value is a secret of the executor's operator, by the name it is declared under.
    pub fn secret(name: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { secret: Some(secret.into()), ..Self::new(name, Bytes::new()) }
    }

    /// Whether this is the field `name`, without regard to ASCII case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as text, where it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: <{} bytes>", self.name.escape_debug(), self.value.len())?;
        if let Some(variable) = &self.env_var {
            write!(f, " + ${}", variable.escape_debug())?;
        }
        match &self.secret {
            Some(secret) => write!(f, " + secret {}", secret.escape_debug()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a header's value cannot reach a log through `Debug`.
    #[test]
    fn debug_never_shows_a_value() {
        let header = Header::new("Authorization", "Bearer canary");
        assert_eq!(format!("{header:?}"), "Authorization: <13 bytes>");
    }
}
