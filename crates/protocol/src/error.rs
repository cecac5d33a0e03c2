//! Errors on the wire: JSON-RPC codes and texts for [`Error`]s, and back.
//!
//! Reference clients retry on `-32603` with the prefix `http/request failed: `, so texts begin exactly as the tables
//! here say. A prefix is put on when an error is written and taken off when it is read: an error that crossed the
//! wire reads like one that did not.

use crate::json::{Object, parse_object, word};
use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Malformed message, or a call out of turn.
pub const INVALID_REQUEST: i64 = -32600;
/// Unknown method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// A file that is not there.
pub const NOT_FOUND: i64 = -32004;
/// Parameters of the wrong shape, or a request that is not valid HTTP.
pub const INVALID_PARAMS: i64 = -32602;
/// The exchange failed.
pub const FAILED: i64 = -32603;
/// The operator's policy forbids the destination.
pub const POLICY_DENIED: i64 = -32021;
/// The response body is over a limit.
pub const BODY_TOO_LARGE: i64 = -32022;

/// The error object of a JSON-RPC response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// What kind of error, as a number.
    pub code: i64,
    /// What was wrong, as a sentence.
    pub message: Cow<'static, str>,
    /// What was wrong, for programs. The reference's errors have none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub data: Option<ErrorData>,
}

/// The `data` of an error about an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// What went wrong.
    #[serde(deserialize_with = "word")]
    pub kind: Kind,
    /// Who has to act.
    #[serde(deserialize_with = "word")]
    pub blame: Blame,
    /// Whether sending the request again may execute it twice.
    #[serde(deserialize_with = "word")]
    pub retry: Retry,
    /// How far the exchange had come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// A word that narrows the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The hop that failed, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<u32>,
    /// Which executor refuses a session: see [`InitializeResult::instance`](crate::wire::InitializeResult::instance).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// Data of another shape (another peer's, a later version's) is not an error: it is absent.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ErrorData>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok().map(|Object(data)| data))
}

const FAILED_PREFIX: &str = "http/request failed: ";
const BODY_PREFIX: &str = "failed to read http/request response body: ";
const DENIED_PREFIX: &str = "http/request denied: ";
const TOO_LARGE_PREFIX: &str = "http/request response body is too large: ";
const INVALID_PREFIX: &str = "http/request is invalid: ";
const INVALID_BODY_PREFIX: &str = "http/request body is invalid: ";

const VARIABLE_PREFIX: &str = "http/request header ";
const REQUIRES: &str = " requires executor environment variable ";
const CANNOT_USE: &str = " cannot use executor environment variable ";

/// What a refused request's message begins with, by what was wrong with it.
const REFUSED: &[(&str, &str)] = &[
    (detail::METHOD, "http/request method is invalid: "),
    (detail::URL, "http/request url is invalid: "),
    (detail::SCHEME, "http/request only supports http and https URLs, got "),
    (detail::HEADER_NAME, "http/request header name is invalid: "),
    (detail::HEADER_VALUE, "http/request header value is invalid for "),
    (detail::HEADERS, "http/request headers are too large: "),
    (detail::REQUEST_BODY, "http/request body is too large: "),
];

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The answer to a method that does not exist here.
    pub fn method_not_found(method: &str) -> Self {
        let shown: String = method.chars().take(64).collect();
        if method.starts_with("fs/") {
            // There is no file system, so no file either: an answer that callers take without a word.
            return Self::new(NOT_FOUND, format!("there are no files here: {}", shown.escape_debug()));
        }
        Self::new(METHOD_NOT_FOUND, format!("method not found: {}", shown.escape_debug()))
    }

    /// Reads the error object of an ABORT.
    pub fn from_abort(payload: &[u8]) -> Option<Self> {
        parse_object(std::str::from_utf8(payload).ok()?).ok()
    }

    /// The error as it goes over the wire.
    pub fn from_error(error: &Error) -> Self {
        let (code, message) = code_and_message(error);
        let data = ErrorData {
            kind: error.kind(),
            blame: error.blame(),
            retry: error.retry(),
            phase: error.phase(),
            detail: error.detail().map(str::to_owned),
            hop: error.hop(),
            instance: None,
        };
        Self { code, message: message.into(), data: Some(data) }
    }

    /// The refusal of a session by this executor: which one says it matters, as behind a balancer another may have it.
    pub fn refused_session(message: impl Into<Cow<'static, str>>, instance: &str) -> Self {
        let data = ErrorData {
            kind: Kind::SessionLost,
            blame: Blame::Caller,
            retry: Retry::Unknown,
            phase: None,
            detail: Some(detail::SESSION.to_owned()),
            hop: None,
            instance: Some(instance.to_owned()),
        };
        Self { code: INVALID_REQUEST, message: message.into(), data: Some(data) }
    }

    /// Which executor says so, where it says which it is.
    pub fn instance(&self) -> Option<&str> {
        self.data.as_ref()?.instance.as_deref()
    }

    /// The error that a peer's answer means. Where the peer gave no data, the code and the text decide; what they do
    /// not tell is taken to be the worse: a retry is not known to be safe.
    ///
    /// A text over 4 KiB is cut, and a detail that is no word is dropped: both are a peer's.
    pub fn into_error(self) -> Error {
        let message = bare_message(self.code, shortened(self.message));
        let Some(data) = self.data else {
            return inferred(self.code, message);
        };
        let mut error = Error::new(data.kind, data.blame, data.retry, message);
        if let Some(phase) = data.phase {
            error = error.with_phase(phase);
        }
        if let Some(detail) = data.detail.filter(|detail| is_word(detail)) {
            error = error.with_detail(detail);
        }
        if let Some(hop) = data.hop {
            error = error.with_hop(hop);
        }
        error
    }
}

/// The longest text of a peer's error that is kept, in bytes.
const LONGEST_MESSAGE: usize = 4096;

/// Cuts a text that is longer than anybody would read.
pub(crate) fn shortened(text: Cow<'static, str>) -> Cow<'static, str> {
    match text.len() {
        0..=LONGEST_MESSAGE => text,
        _ => {
            let end = (0..=LONGEST_MESSAGE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            format!("{}…", &text[..end]).into()
        }
    }
}

/// Tells whether a detail is of the form that ours have: `snake_case`, and short.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn code_and_message(error: &Error) -> (i64, String) {
    let message = error.message();
    let word = error.detail().unwrap_or_default();
    match error.kind() {
        Kind::PolicyDenied => (POLICY_DENIED, format!("{DENIED_PREFIX}{message}")),
        Kind::TooLarge if word == detail::RESPONSE_BODY => {
            (BODY_TOO_LARGE, format!("{TOO_LARGE_PREFIX}{message}"))
        }
        // A body that breaks its rules is not one that is too large.
        Kind::InvalidRequest if word == detail::REQUEST_BODY => {
            (INVALID_PARAMS, format!("{INVALID_BODY_PREFIX}{message}"))
        }
        Kind::InvalidRequest | Kind::TooLarge => match (word, REFUSED.iter().find(|(of, _)| *of == word)) {
            (_, Some((_, prefix))) => (INVALID_PARAMS, format!("{prefix}{message}")),
            (detail::HEADER_VARIABLE_ABSENT, _) => (INVALID_PARAMS, variable_message(message, REQUIRES)),
            (detail::HEADER_VARIABLE_REFUSED, _) => (INVALID_PARAMS, variable_message(message, CANNOT_USE)),
            (detail::REQUEST_ID, _) => (
                INVALID_PARAMS,
                format!("http/request streamResponse requestId `{message}` is already active"),
            ),
            _ if error.kind() == Kind::TooLarge => (FAILED, format!("{FAILED_PREFIX}{message}")),
            _ => (INVALID_PARAMS, format!("{INVALID_PREFIX}{message}")),
        },
        _ if error.phase() == Some(Phase::Body) => (FAILED, format!("{BODY_PREFIX}{message}")),
        _ => (FAILED, format!("{FAILED_PREFIX}{message}")),
    }
}

/// The message of a variable error is the two names: the header's and the variable's.
fn variable_message(message: &str, verb: &str) -> String {
    let (header, variable) = message.split_once(' ').unwrap_or((message, ""));
    format!("{VARIABLE_PREFIX}{header}{verb}{variable}")
}

fn bare_variable_message(message: &str) -> Option<String> {
    let names = message.strip_prefix(VARIABLE_PREFIX)?;
    let (header, variable) = [REQUIRES, CANNOT_USE].iter().find_map(|verb| names.split_once(verb))?;
    Some(format!("{header} {variable}"))
}

fn bare_message(code: i64, message: Cow<'static, str>) -> Cow<'static, str> {
    let common =
        [FAILED_PREFIX, BODY_PREFIX, DENIED_PREFIX, TOO_LARGE_PREFIX, INVALID_PREFIX, INVALID_BODY_PREFIX];
    let refused = REFUSED.iter().filter(|_| code == INVALID_PARAMS).map(|(_, prefix)| *prefix);
    for prefix in common.into_iter().chain(refused) {
        if let Some(bare) = message.strip_prefix(prefix) {
            return Cow::Owned(bare.to_owned());
        }
    }
    bare_variable_message(&message).map_or(message, Cow::Owned)
}

/// An error of a peer that sends no data: what its code and text tell.
fn inferred(code: i64, message: Cow<'static, str>) -> Error {
    match code {
        INVALID_PARAMS => Error::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message),
        INVALID_REQUEST | METHOD_NOT_FOUND => {
            Error::new(Kind::Internal, Blame::Executor, Retry::Safe, message)
        }
        POLICY_DENIED => Error::new(Kind::PolicyDenied, Blame::Operator, Retry::No, message),
        BODY_TOO_LARGE => {
            Error::new(Kind::TooLarge, Blame::Origin, Retry::No, message).with_detail(detail::RESPONSE_BODY)
        }
        FAILED if message.contains("timed out") || message.contains("timeout") => {
            Error::new(Kind::Timeout, Blame::Origin, Retry::Unknown, message)
        }
        FAILED => Error::new(Kind::OriginProtocol, Blame::Network, Retry::Unknown, message),
        _ => Error::new(Kind::Internal, Blame::Executor, Retry::Unknown, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that what asks for files hears that there are none, in the code that callers of that family take for it, and any
    /// other unknown method hears what it is (case 175).
    #[test]
    fn methods_of_files_find_none() {
        for (method, code) in
            [("fs/getMetadata", -32004), ("fs/readFile", -32004), ("fsx", -32601), ("process/start", -32601)]
        {
            assert_eq!(RpcError::method_not_found(method).code, code, "{method}");
        }
    }

    /// Proves the table of codes and prefixes that reference clients rely on, and that reading undoes writing.
    #[test]
    fn every_error_has_its_code_and_prefix_and_comes_back_as_it_was() {
        let unknown = |kind| Error::new(kind, Blame::Origin, Retry::Unknown, "why");
        let too_large = |word: &'static str| unknown(Kind::TooLarge).with_detail(word);
        for (error, code, message) in [
            (Error::invalid(detail::METHOD, "why"), -32602, "http/request method is invalid: why"),
            (Error::invalid(detail::URL, "why"), -32602, "http/request url is invalid: why"),
            (too_large(detail::URL), -32602, "http/request url is invalid: why"),
            (
                Error::invalid(detail::SCHEME, "ftp"),
                -32602,
                "http/request only supports http and https URLs, got ftp",
            ),
            (Error::invalid(detail::HEADER_NAME, "why"), -32602, "http/request header name is invalid: why"),
            (
                Error::invalid(detail::HEADER_VALUE, "X: why"),
                -32602,
                "http/request header value is invalid for X: why",
            ),
            (too_large(detail::HEADERS), -32602, "http/request headers are too large: why"),
            (too_large(detail::REQUEST_BODY), -32602, "http/request body is too large: why"),
            (Error::invalid(detail::REQUEST_BODY, "why"), -32602, "http/request body is invalid: why"),
            (unknown(Kind::Dns), -32603, "http/request failed: why"),
            (unknown(Kind::Timeout).with_phase(Phase::Head), -32603, "http/request failed: why"),
            (unknown(Kind::Overloaded), -32603, "http/request failed: why"),
            (unknown(Kind::Cancelled), -32603, "http/request failed: why"),
            (too_large(detail::RESPONSE_HEADERS), -32603, "http/request failed: why"),
            (
                unknown(Kind::Timeout).with_phase(Phase::Body),
                -32603,
                "failed to read http/request response body: why",
            ),
            (unknown(Kind::PolicyDenied).with_hop(2), -32021, "http/request denied: why"),
            (too_large(detail::RESPONSE_BODY), -32022, "http/request response body is too large: why"),
            (
                Error::invalid(detail::HEADER_VARIABLE_ABSENT, "X-Key VAR"),
                -32602,
                "http/request header X-Key requires executor environment variable VAR",
            ),
            (
                Error::invalid(detail::HEADER_VARIABLE_REFUSED, "X-Key VAR"),
                -32602,
                "http/request header X-Key cannot use executor environment variable VAR",
            ),
        ] {
            let wire = RpcError::from_error(&error);
            assert_eq!((wire.code, wire.message.as_ref()), (code, message));
            let text = serde_json::to_string(&wire).unwrap();
            let read: RpcError = serde_json::from_str(&text).unwrap();
            assert_eq!(read.into_error(), error, "{text}");
        }
        let wire = RpcError::from_error(&Error::invalid(detail::REQUEST_ID, "r-1"));
        let message = "http/request streamResponse requestId `r-1` is already active";
        assert_eq!((wire.code, wire.message.as_ref()), (-32602, message));
    }

    /// Proves that a peer's text is kept within bounds, whole characters only, and that its detail is a word or absent
    /// (case 162).
    #[test]
    fn peer_error_text_and_detail_are_bounded() {
        let long = format!("{}\u{e9}", "m".repeat(4095));
        let error = RpcError::new(FAILED, format!("{FAILED_PREFIX}{long}")).into_error();
        assert_eq!(error.message(), format!("{}…", "m".repeat(4096 - FAILED_PREFIX.len())));
        let error = RpcError::new(FAILED, long).into_error();
        assert_eq!(error.message(), format!("{}…", "m".repeat(4095)), "no half of a character");
        for (detail, expected) in
            [("url", Some("url")), ("a\u{1b}[2J", None), ("", None), ("A", None), (&"d".repeat(65), None)]
        {
            let json = serde_json::json!({
                "code": FAILED, "message": "m",
                "data": {"kind": "tls", "blame": "origin", "retry": "no", "detail": detail},
            });
            let error = serde_json::from_value::<RpcError>(json).unwrap().into_error();
            assert_eq!((error.kind(), error.detail()), (Kind::Tls, expected));
        }
    }

    /// Proves that an error without data, or with data of another shape, is still a usable error.
    #[test]
    fn an_error_of_the_reference_is_understood() {
        for (text, kind, retry) in [
            (r#"{"code":-32602,"message":"m"}"#, Kind::InvalidRequest, Retry::No),
            (
                r#"{"code":-32603,"message":"http/request failed: operation timed out"}"#,
                Kind::Timeout,
                Retry::Unknown,
            ),
            (
                r#"{"code":-32603,"message":"http/request failed: x","data":7}"#,
                Kind::OriginProtocol,
                Retry::Unknown,
            ),
            (
                r#"{"code":-32603,"message":"m","data":{"kind":"later"}}"#,
                Kind::OriginProtocol,
                Retry::Unknown,
            ),
            (r#"{"code":1,"message":"m","data":null}"#, Kind::Internal, Retry::Unknown),
        ] {
            let error = serde_json::from_str::<RpcError>(text).unwrap().into_error();
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{text}");
        }
    }
}
