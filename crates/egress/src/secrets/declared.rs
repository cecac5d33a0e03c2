use super::source::{Held, SecretSource, Unavailable};
use crate::policy::{Place, RuleError};
use http::HeaderName;
use http::header::AUTHORIZATION;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// A secret as the operator declares it: where its value comes from, and where it may go. Clones share the value.
#[derive(Clone)]
pub struct Secret {
    pub(super) name: String,
    pub(super) held: Arc<Held>,
    pub(super) places: Vec<Place>,
    pub(super) headers: Vec<HeaderName>,
    pub(super) prefix: String,
    pub(super) principals: Vec<String>,
    pub(super) plain_http: bool,
    pub(super) redact_echo: bool,
}

/// A secret that is sent without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub(super) secret: String,
    pub(super) header: HeaderName,
    pub(super) places: Vec<Place>,
    pub(super) methods: Vec<String>,
    pub(super) principals: Vec<String>,
}

/// Why a declaration makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// The name is empty, too long or has characters that names do not have.
    #[error("`{}` is not a name for a secret: letters, digits, `.`, `-` and `_`, at most 64", .0.escape_debug())]
    Name(String),
    /// Two secrets of one name.
    #[error("there are two secrets named `{0}`")]
    Twice(String),
    /// The secret may go nowhere, or everywhere.
    #[error("secret `{0}`: name the hosts it may go to; `*` alone is not one")]
    Places(String),
    /// A place is not one.
    #[error("secret `{secret}`: {error}")]
    Place {
        /// The secret.
        secret: String,
        /// What is wrong with the place.
        error: RuleError,
    },
    /// A header that cannot carry a secret.
    #[error("secret `{secret}`: `{}` is not a header that can carry it", header.escape_debug())]
    Header {
        /// The secret.
        secret: String,
        /// The header.
        header: String,
    },
    /// The prefix cannot be part of a header value.
    #[error("secret `{0}`: its prefix holds a control character or begins with a space")]
    Prefix(String),
    /// An attachment of a secret that is not declared.
    #[error("there is no secret `{}` to attach", .0.escape_debug())]
    Unknown(String),
    /// An attachment in a header that the secret may not be in.
    #[error(
        "secret `{secret}` may not be in `{header}`, where it is to be attached: its headers do not name it"
    )]
    Elsewhere {
        /// The secret.
        secret: String,
        /// The header.
        header: String,
    },
    /// An attachment for a method that no request has.
    #[error("secret `{secret}`: `{}` is not a method to attach it to: {why}", method.escape_debug())]
    Method {
        /// The secret.
        secret: String,
        /// The method.
        method: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An attachment at a place where the secret may not go.
    #[error(
        "secret `{secret}` may not go to `{place}`, where it is to be attached: its hosts do not name it"
    )]
    Nowhere {
        /// The secret.
        secret: String,
        /// The place.
        place: String,
    },
    /// An attachment for a principal who may not use the secret.
    #[error("secret `{secret}` is not for `{}`, for whom it is to be attached: its principals do not name them", principal.escape_debug())]
    Nobody {
        /// The secret.
        secret: String,
        /// The principal.
        principal: String,
    },
    /// A secret that may be in no header.
    #[error("secret `{0}`: name the headers it may be in; without any it is `Authorization` alone")]
    NoHeader(String),
}

impl Secret {
    /// A secret with this name and source, which may go to these places (see [`Place`]; `*` is refused).
    pub fn new<'a>(
        name: impl Into<String>,
        source: SecretSource,
        places: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, SecretError> {
        let name = name.into();
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(letter) {
            return Err(SecretError::Name(name));
        }
        let places = parse_places(&name, places)?;
        if places.is_empty() || places.iter().any(Place::is_any_host) {
            return Err(SecretError::Places(name));
        }
        Ok(Self {
            name,
            held: Arc::new(Held::new(source)),
            places,
            headers: vec![AUTHORIZATION],
            prefix: String::new(),
            principals: Vec::new(),
            plain_http: false,
            redact_echo: true,
        })
    }

    /// Only in these header fields; unless given, in `Authorization` alone.
    pub fn headers<'a>(mut self, headers: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretError> {
        let parsed = headers.into_iter().map(|header| parse_header(&self.name, header));
        self.headers = parsed.collect::<Result<_, _>>()?;
        if self.headers.is_empty() {
            return Err(SecretError::NoHeader(self.name));
        }
        Ok(self)
    }

    /// What stands before it where nothing else does, such as `Bearer ` with its space.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, SecretError> {
        self.prefix = prefix.into();
        if self.prefix.starts_with([' ', '\t']) || self.prefix.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(SecretError::Prefix(self.name));
        }
        Ok(self)
    }

    /// Only for requests of these principals; unless given, of anyone. To others it does not exist.
    #[must_use]
    pub fn principals(mut self, principals: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.principals = principals.into_iter().map(Into::into).collect();
        self
    }

    /// Also over plain HTTP, where everybody on the way can read it.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Whether the caller sees `[redacted]` where an origin sends it back in a response header. Unless set, it does.
    #[must_use]
    pub fn redact_echo(mut self, redact: bool) -> Self {
        self.redact_echo = redact;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with its value now, if anything is: the source and why, never the value.
    pub fn problem(&self) -> Option<String> {
        let read = self.held.value(std::time::Duration::ZERO);
        read.err().map(|Unavailable { log, .. }| format!("secret `{}`: {log}", self.name))
    }
}

impl Attachment {
    /// Sends this secret in this header field wherever the secret may go, in the place of whatever the caller sent there.
    pub fn new(secret: impl Into<String>, header: &str) -> Result<Self, SecretError> {
        let secret = secret.into();
        let header = parse_header(&secret, header)?;
        Ok(Self { secret, header, places: Vec::new(), methods: Vec::new(), principals: Vec::new() })
    }

    /// Only at these of the secret's places.
    pub fn places<'a>(mut self, places: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretError> {
        self.places = parse_places(&self.secret, places)?;
        Ok(self)
    }

    /// Only with these methods, whatever their case.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Only for requests of these principals.
    #[must_use]
    pub fn principals(mut self, principals: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.principals = principals.into_iter().map(Into::into).collect();
        self
    }
}

fn parse_places<'a>(
    secret: &str,
    places: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Place>, SecretError> {
    let parsed = places.into_iter().map(Place::parse);
    parsed.collect::<Result<_, _>>().map_err(|error| SecretError::Place { secret: secret.to_owned(), error })
}

fn parse_header(secret: &str, header: &str) -> Result<HeaderName, SecretError> {
    let name = HeaderName::from_bytes(header.as_bytes()).ok();
    name.filter(|name| !crate::request::headers::is_ours(name)).ok_or_else(|| SecretError::Header {
        secret: secret.to_owned(),
        header: header.chars().take(64).collect(),
    })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("source", self.held.source())
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}
