//! The caller's header fields, checked, with framing and hop-by-hop fields taken out (RFC 9110, section 7.6.1).
//!
//! | field | what becomes of it |
//! |---|---|
//! | `Content-Length` | dropped; the length of the body is ours to say |
//! | `Transfer-Encoding` | the request is refused |
//! | `Connection`, and the fields it names | dropped |
//! | `TE` | kept if it says `trailers`, and then says nothing else |
//! | `Keep-Alive`, `Trailer`, `Upgrade`, `HTTP2-Settings`, `Expect`, `Proxy-*` | dropped; `Trailer` and `Expect` are sent where the request has trailer fields, and a body that may wait |
//! | `Host` | honoured once, on the first hop, if it may go along (see [`super::host`]); twice is refused |
//! | everything else | sent, in order, trimmed of spaces and tabs at both ends |

use super::host;
use super::variables::{HeaderVariables, VariableError};
use crate::secrets::{Going, NoVariable, Secrets, Sent};
use afield_exchange::{Blame, Error, Header, Kind, Limits, Retry, detail};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Which of the caller's fields a hop carries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    /// A redirect has been followed: `Host` and fields completed with a variable stay behind.
    pub(crate) redirected: bool,
    /// A redirect led to another origin: only fields that cannot hold a credential survive, and no secret.
    pub(crate) crossed_origins: bool,
    /// A redirect dropped the body, and with it the fields that describe it.
    pub(crate) lost_body: bool,
}

impl Scope {
    pub(crate) fn keeps(self, name: &HeaderName, field: &Header) -> bool {
        let describes_content = name.as_str().starts_with("content-");
        let harmless = describes_content
            || name == header::USER_AGENT
            || name == "mcp-protocol-version"
            || name.as_str() == "accept"
            || name.as_str().starts_with("accept-");
        !(self.redirected && (field.env_var.is_some() || name == header::HOST)
            || self.crossed_origins && (field.secret.is_some() || !harmless)
            || self.lost_body && describes_content)
    }
}

/// What fields are completed with.
#[derive(Clone, Copy)]
pub(crate) struct Completion<'a> {
    pub(crate) variables: &'a dyn HeaderVariables,
    pub(crate) secrets: &'a Secrets,
    pub(crate) going: Going<'a>,
}

impl Completion<'_> {
    /// The value of a field, with what it names. `sent` gets the secrets in it.
    fn complete(&self, field: &Header, name: &HeaderName, sent: &mut Vec<Sent>) -> Result<Bytes, Error> {
        match (&field.secret, &field.env_var) {
            (Some(secret), _) => self.secrets.complete(secret, name, &field.value, self.going, sent),
            (None, Some(variable)) => self.variable(field, name, variable, sent),
            (None, None) => Ok(field.value.clone()),
        }
    }

    /// A secret that comes from this variable, else the variable itself.
    fn variable(
        &self,
        field: &Header,
        name: &HeaderName,
        variable: &str,
        sent: &mut Vec<Sent>,
    ) -> Result<Bytes, Error> {
        let refused = |detail: &'static str| {
            Error::invalid(detail, format!("{} {}", shown(&field.name), shown(variable)))
        };
        match self.secrets.complete_variable(variable, name, &field.value, self.going, sent) {
            Ok(value) => return Ok(value),
            Err(NoVariable::Unavailable(log)) => {
                return Err(refused(detail::HEADER_VARIABLE_ABSENT).with_log(log));
            }
            Err(NoVariable::Refused) => {}
        }
        match self.variables.lookup(variable, self.going.target.host()) {
            Ok(rest) => {
                let mut value = BytesMut::from(&field.value[..]);
                value.extend_from_slice(&rest);
                Ok(value.freeze())
            }
            Err(VariableError::Absent) => Err(refused(detail::HEADER_VARIABLE_ABSENT)),
            Err(VariableError::Refused) => Err(refused(detail::HEADER_VARIABLE_REFUSED)),
        }
    }
}

/// The fields of a hop: the caller's, and what the operator attaches in their place. `sent` gets the secrets in them.
pub(crate) fn of_hop(
    headers: &[Header],
    limits: &Limits,
    scope: Scope,
    completion: &Completion<'_>,
    sent: &mut Vec<Sent>,
) -> Result<HeaderMap, Error> {
    let mut fields = build(headers, limits, scope, completion, sent)?;
    let attached =
        !scope.crossed_origins && completion.secrets.attach(&mut fields, completion.going, sent)?;
    // Where `Host` is still there, so is every field that is completed with something.
    let completed = headers.iter().any(|field| field.secret.is_some() || field.env_var.is_some());
    host::check_secrets(&fields, completion.going.target, attached || completed)?;
    Ok(fields)
}

fn build(
    headers: &[Header],
    limits: &Limits,
    scope: Scope,
    completion: &Completion<'_>,
    sent: &mut Vec<Sent>,
) -> Result<HeaderMap, Error> {
    if headers.len() > limits.header_count {
        return Err(too_large(format!("more than {} fields", limits.header_count)));
    }
    // Room for what is added here and by the HTTP client.
    let mut map = HeaderMap::with_capacity(headers.len() + 3);
    let mut named_by_connection: Vec<HeaderName> = Vec::new();
    let mut total = 0;
    for field in headers {
        let name = name(&field.name)?;
        if name == header::TRANSFER_ENCODING {
            let message = "transfer-encoding is not the caller's to set";
            return Err(Error::invalid(detail::HEADER_NAME, message));
        }
        let dropped = is_dropped(&name) && !(name == header::TE && wants_trailers(&field.value));
        let kept = !dropped && scope.keeps(&name, field);
        let bytes = if kept { completion.complete(field, &name, sent)? } else { field.value.clone() };
        if bytes.len() > limits.header_bytes {
            return Err(too_large(format!("a value is longer than {} bytes", limits.header_bytes)));
        }
        total += field.name.len() + bytes.len();
        if total > limits.headers_bytes {
            return Err(too_large(format!("more than {} bytes together", limits.headers_bytes)));
        }
        let value = value(&name, bytes, field.env_var.is_some() || field.secret.is_some())?;
        if name == header::CONNECTION {
            named_by_connection.extend(names_in(&value));
        }
        if name == header::HOST {
            host::check_sound(&value)?;
            if kept && map.contains_key(&name) {
                return Err(Error::invalid(detail::HEADER_VALUE, "host: given more than once"));
            }
        }
        if kept && name == header::TE {
            map.insert(name, HeaderValue::from_static("trailers"));
        } else if kept {
            map.append(name, value);
        }
    }
    // `TE` is always named there (RFC 9110, section 10.1.4).
    for name in named_by_connection.iter().filter(|name| !matches!(**name, header::HOST | header::TE)) {
        map.remove(name);
    }
    Ok(map)
}

fn wants_trailers(te: &[u8]) -> bool {
    te.split(|byte| *byte == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// The names of trailer fields that the caller announces (RFC 9110, section 6.6.2).
pub(crate) fn announced_trailers(headers: &[Header]) -> Option<HeaderValue> {
    let named = headers.iter().filter(|field| field.is("trailer"));
    let names = named.flat_map(|field| field.value.split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let names: Vec<_> = names.filter(|name| !is_ours(name)).map(|name| name.to_string()).collect();
    (!names.is_empty()).then(|| HeaderValue::from_str(&names.join(", ")).ok()).flatten()
}

/// Whether the caller wants its body held back until the origin asks for it (RFC 9110, section 10.1.1).
pub(crate) fn expects_continue(headers: &[Header]) -> bool {
    let asks = |field: &Header| field.value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
    headers.iter().any(|field| field.is("expect") && asks(field))
}

fn name(text: &str) -> Result<HeaderName, Error> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Error::invalid(detail::HEADER_NAME, format!("\"{}\" is not a token", shown(text))))
}

fn value(name: &HeaderName, bytes: Bytes, secret: bool) -> Result<HeaderValue, Error> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !space(byte)).map_or(start, |at| at + 1);
    let mut value = HeaderValue::from_maybe_shared(bytes.slice(start..end)).map_err(|_| {
        Error::invalid(detail::HEADER_VALUE, format!("{}: a control character", shown(name.as_str())))
    })?;
    if secret || matches!(*name, header::AUTHORIZATION | header::COOKIE) {
        value.set_sensitive(true);
    }
    Ok(value)
}

fn is_dropped(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONTENT_LENGTH
            | header::CONNECTION
            | header::TE
            | header::TRAILER
            | header::UPGRADE
            | header::EXPECT
    ) || matches!(name.as_str(), "keep-alive" | "http2-settings")
        || name.as_str().starts_with("proxy-")
}

/// Whether this field is never anybody's but the executor's: framing, hop-by-hop fields, and the name of the host.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    is_dropped(name) || *name == header::TRANSFER_ENCODING || *name == header::HOST
}

fn names_in(connection: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    let names = connection.as_bytes().split(|byte| *byte == b',');
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}

fn too_large(message: String) -> Error {
    Error::new(Kind::TooLarge, Blame::Caller, Retry::No, message).with_detail(detail::HEADERS)
}

fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
