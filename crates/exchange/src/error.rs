use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request itself is malformed; nothing was sent.
    InvalidRequest,
    /// The operator's policy forbids the destination; nothing was sent there.
    PolicyDenied,
    /// The name could not be resolved.
    Dns,
    /// No connection could be made.
    Connect,
    /// The TLS handshake or certificate check failed.
    Tls,
    /// A deadline passed; [`Error::phase`] and [`Error::detail`] say which.
    Timeout,
    /// The origin did not speak HTTP correctly, or cut its answer short.
    OriginProtocol,
    /// Something is over a limit; [`Error::detail`] says what.
    TooLarge,
    /// Too many requests are active; nothing was sent.
    Overloaded,
    /// The caller cancelled.
    Cancelled,
    /// The session with the executor is gone, and with it the answer.
    SessionLost,
    /// The executor did not accept the caller's credential.
    Unauthorized,
    /// A defect here. Please report it.
    Internal,
}

impl Kind {
    /// Returns the word that stands for it in JSON and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::PolicyDenied => "policy_denied",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::OriginProtocol => "origin_protocol",
            Self::TooLarge => "too_large",
            Self::Overloaded => "overloaded",
            Self::Cancelled => "cancelled",
            Self::SessionLost => "session_lost",
            Self::Unauthorized => "unauthorized",
            Self::Internal => "internal",
        }
    }
}

/// Who has to act for the request to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// Whoever made the request.
    Caller,
    /// Whoever runs the executor: a policy, a limit, a setting.
    Operator,
    /// The server that was asked.
    Origin,
    /// What lies between.
    Network,
    /// The executor.
    Executor,
}

/// Whether sending the request again may execute it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// It was certainly not executed.
    Safe,
    /// It may have been executed.
    Unknown,
    /// Sending the same again is pointless.
    No,
}

/// How far the exchange had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Resolving the name.
    Dns,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request.
    Request,
    /// Waiting for the response head.
    Head,
    /// Reading the response body.
    Body,
}

impl Phase {
    /// Returns the word that stands for it in JSON and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Head => "head",
            Self::Body => "body",
        }
    }
}

/// The fixed words of [`Error::detail`].
#[allow(missing_docs, reason = "each word is what it says")]
pub mod detail {
    pub const METHOD: &str = "method";
    pub const URL: &str = "url";
    pub const SCHEME: &str = "scheme";
    pub const HEADER_NAME: &str = "header_name";
    pub const HEADER_VALUE: &str = "header_value";
    pub const HEADER_VARIABLE_ABSENT: &str = "header_variable_absent";
    pub const HEADER_VARIABLE_REFUSED: &str = "header_variable_refused";
    pub const SECRET: &str = "secret";
    pub const REQUEST_ID: &str = "request_id";
    pub const PARAMS: &str = "params";
    pub const HEADERS: &str = "headers";
    pub const REQUEST_BODY: &str = "request_body";
    pub const RESPONSE_HEADERS: &str = "response_headers";
    pub const RESPONSE_BODY: &str = "response_body";
    pub const DECODED: &str = "decoded";
    pub const UNREAD: &str = "unread";
    pub const TOO_MANY_REDIRECTS: &str = "too_many_redirects";
    pub const NOT_HTTP: &str = "not_http";
    pub const TOTAL: &str = "total";
    pub const IDLE: &str = "idle";
    pub const SELF: &str = "self";
    pub const MEMORY: &str = "memory";
    pub const SESSION: &str = "session";
}

/// Why an exchange failed: what, who has to act, whether a retry is safe, and how far it had come.
///
/// [`Error::message`] is for the caller: it never names an internal address that the caller did not give, nor a URL's
/// query or userinfo. [`Error::log`] is for the operator's log alone and never leaves the process.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: Kind,
    blame: Blame,
    retry: Retry,
    phase: Option<Phase>,
    detail: Option<Cow<'static, str>>,
    hop: Option<u32>,
    message: Cow<'static, str>,
    log: Option<String>,
}

impl Error {
    /// What becomes of a request whose body its producer gives up. A producer that says so with an [`Error`] is believed.
    pub fn of_body_error(why: &crate::BodyError) -> Self {
        if let Some(error) = why.downcast_ref::<Self>() {
            return error.clone();
        }
        Self::new(Kind::Cancelled, Blame::Caller, Retry::Unknown, format!("the request body failed: {why}"))
            .with_detail(detail::REQUEST_BODY)
            .with_phase(Phase::Request)
    }

    /// An error with this text for the caller.
    pub fn new(kind: Kind, blame: Blame, retry: Retry, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            blame,
            retry,
            phase: None,
            detail: None,
            hop: None,
            message: message.into(),
            log: None,
        }))
    }

    /// A malformed request: the caller's to mend, nothing was sent. `detail` is one of [`detail`]'s words.
    pub fn invalid(detail: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message).with_detail(detail)
    }

    /// The caller cancelled, or dropped what it was waiting for.
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, Blame::Caller, Retry::Unknown, "cancelled")
    }

    /// The session with the executor is gone. `retry` is [`Retry::Safe`] only if the request was certainly not sent.
    pub fn session_lost(retry: Retry, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::SessionLost, Blame::Network, retry, message)
    }

    /// A response body over `limit` bytes.
    pub fn response_body_too_large(limit: u64) -> Self {
        Self::new(
            Kind::TooLarge,
            Blame::Origin,
            Retry::No,
            format!("the response body is larger than {limit} bytes"),
        )
        .with_detail(detail::RESPONSE_BODY)
        .with_phase(Phase::Body)
    }

    /// Too many requests are active.
    pub fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Overloaded, Blame::Operator, Retry::Safe, message)
    }

    /// What may be kept in memory for the caller is used up by its own requests. `retry` is [`Retry::Safe`] only if nothing was
    /// sent.
    pub fn share_used_up(retry: Retry) -> Self {
        let message = "what this executor keeps in memory for you is as much as it may be: \
            read or end other requests, or try again later";
        Self::new(Kind::Overloaded, Blame::Operator, retry, message).with_detail(detail::MEMORY)
    }

    /// A defect here.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Internal, Blame::Executor, Retry::Unknown, message)
    }

    /// Sets how far the exchange had come.
    #[must_use]
    pub fn with_phase(mut self, phase: Phase) -> Self {
        self.0.phase = Some(phase);
        self
    }

    /// Sets the word that narrows the kind, one of [`detail`]'s.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets the hop, counted from 0, that failed.
    #[must_use]
    pub fn with_hop(mut self, hop: u32) -> Self {
        self.0.hop = Some(hop);
        self
    }

    /// Sets whether a retry is safe.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Adds text for the operator's log alone.
    #[must_use]
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        self.0.log = Some(log.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Who has to act.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// Whether sending the request again may execute it twice.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether an origin may have executed the request, or a hop of it. [`Retry::No`] says nothing of that: what is refused
    /// before anything was sent is as pointless to repeat as an answer that is too large.
    pub fn may_have_been_executed(&self) -> bool {
        let redirected = self.hop().is_some_and(|hop| hop > 0);
        match self.retry() {
            Retry::Safe => false,
            Retry::Unknown => true,
            Retry::No => match self.kind() {
                Kind::InvalidRequest
                | Kind::PolicyDenied
                | Kind::Overloaded
                | Kind::Unauthorized
                | Kind::Dns
                | Kind::Connect
                | Kind::Tls => redirected,
                Kind::TooLarge => redirected || matches!(self.phase(), Some(Phase::Head | Phase::Body)),
                _ => true,
            },
        }
    }

    /// How far the exchange had come, where known.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// A word that narrows the kind, one of [`detail`]'s.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The hop that failed: 0 for the request itself, then one more for each redirect.
    pub fn hop(&self) -> Option<u32> {
        self.0.hop
    }

    /// The text for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The text for the operator's log, where it says more than the caller may know.
    pub fn log(&self) -> Option<&str> {
        self.0.log.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "Error({:?}, blame {:?}, retry {:?}", inner.kind, inner.blame, inner.retry)?;
        if let Some(phase) = inner.phase {
            write!(f, ", phase {phase:?}")?;
        }
        if let Some(detail) = &inner.detail {
            write!(f, ", {detail}")?;
        }
        if let Some(hop) = inner.hop {
            write!(f, ", hop {hop}")?;
        }
        write!(f, ": {})", inner.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that an error says of a request whether it may have been executed, also where a retry is pointless either way
    /// (case 164).
    #[test]
    fn case_164_what_was_refused_unsent_was_not_executed() {
        let error = |kind, retry| Error::new(kind, Blame::Origin, retry, "m");
        for (error, executed) in [
            (error(Kind::Connect, Retry::Safe), false),
            (error(Kind::Timeout, Retry::Unknown), true),
            (Error::invalid(detail::URL, "m"), false),
            (error(Kind::PolicyDenied, Retry::No).with_hop(0), false),
            (error(Kind::PolicyDenied, Retry::No).with_hop(1), true),
            (error(Kind::TooLarge, Retry::No), false),
            (error(Kind::TooLarge, Retry::No).with_phase(Phase::Head), true),
            (Error::response_body_too_large(1), true),
            (error(Kind::Tls, Retry::No), false),
            (error(Kind::OriginProtocol, Retry::No), true),
        ] {
            assert_eq!(error.may_have_been_executed(), executed, "{error:?}");
        }
    }
}
