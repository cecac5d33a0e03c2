//! Where on the way to a server something fails, and what to do about it.

use crate::{
    EventTooLarge, TransportError,
    login::{AuthorizeError, Authorizer, Challenge, LoginError},
};
use afield_exchange::{Blame, Error, Kind, Phase, Retry, detail};
use rmcp::{
    service::{ClientInitializeError, ServiceError},
    transport::{
        DynamicTransportError,
        streamable_http_client::{SseError, StreamableHttpError},
    },
};
use std::{fmt, time::Duration};

/// The stages on the way to a server, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// What the configuration says.
    Config,
    /// Reaching the executor.
    Executor,
    /// What the operator there allows.
    Policy,
    /// Resolving the server's name.
    Dns,
    /// Connecting to the server.
    Connect,
    /// The TLS handshake with it.
    Tls,
    /// The HTTP exchange.
    Http,
    /// The MCP messages in it.
    Mcp,
    /// Authorization at the server.
    Auth,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 9] = [
        Self::Config,
        Self::Executor,
        Self::Policy,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Http,
        Self::Mcp,
        Self::Auth,
    ];

    /// Its name: one word in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Executor => "executor",
            Self::Policy => "policy",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Mcp => "mcp",
            Self::Auth => "auth",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a server cannot be used, or a message did not get an answer. `Display` is what happened, without what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Where it failed.
    pub stage: Stage,
    /// What happened, on one line.
    pub message: String,
    /// What to do about it; empty where nothing can be said.
    pub hint: String,
    /// Whether sending the same again may execute it twice.
    pub retry: Retry,
    executed: bool,
    login_needed: bool,
    is_away: bool,
    blame: Option<Blame>,
}

impl Failure {
    /// A failure in this stage.
    pub fn new(stage: Stage, message: impl Into<String>, hint: impl Into<String>, retry: Retry) -> Self {
        let executed = match retry {
            Retry::Safe => false,
            Retry::Unknown => true,
            Retry::No => !matches!(stage, Stage::Config | Stage::Policy),
        };
        Self {
            stage,
            message: message.into(),
            hint: hint.into(),
            retry,
            executed,
            login_needed: false,
            is_away: false,
            blame: None,
        }
    }

    /// What the configuration says cannot be used.
    pub fn config(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Stage::Config, message, hint, Retry::No)
    }

    /// Nothing can be done until somebody has logged in. What was asked for was not executed.
    pub(crate) fn login(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { login_needed: true, ..Self::new(Stage::Auth, message, hint, Retry::Safe) }
    }

    /// The same, if it is a server's refusal of a login that is known to be over: that is then said in place of it.
    pub(crate) async fn explained(mut self, authorizer: Option<&Authorizer>) -> Self {
        if let (true, Some(authorizer)) = (self.login_needed, authorizer)
            && let Some(needed) = authorizer.over().await
        {
            (self.message, self.hint) = (needed.to_string(), "afield mcp login NAME".to_owned());
        }
        self
    }

    /// The token is good, and a scope is missing. The next login asks for it.
    pub(crate) fn scope(challenge: &Challenge) -> Self {
        let told = match (&challenge.scope, &challenge.error_description) {
            (Some(scope), _) => format!(" ({scope})"),
            (None, Some(description)) => format!(": {description}"),
            (None, None) => " (the server does not say which)".to_owned(),
        };
        let told: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        Self::login(format!("the token lacks a scope{told}"), "afield mcp login NAME")
    }

    /// Whether somebody has to log in.
    pub fn is_login_needed(&self) -> bool {
        self.login_needed
    }

    /// Who has to act, where that is not told by the stage.
    pub fn blame(&self) -> Option<Blame> {
        self.blame
    }

    /// The same of a server with this name: its hint is a command that can be pasted.
    #[must_use]
    pub fn of_server(mut self, name: &str) -> Self {
        self.hint = self.hint.replace("mcp login NAME", &format!("mcp login {name}"));
        self
    }

    /// Whether what was asked for may have been executed all the same.
    pub fn may_have_been_executed(&self) -> bool {
        self.executed
    }

    /// The failure of something that had to be done first: what was asked for was not even sent.
    #[must_use]
    pub(crate) fn beforehand(mut self) -> Self {
        self.executed = false;
        if self.retry == Retry::Unknown {
            self.retry = Retry::Safe;
        }
        self
    }

    /// A server that did not get ready in time.
    pub(crate) fn startup(timeout: Duration) -> Self {
        let message = format!("the server did not get ready within {timeout:?}");
        Self::new(Stage::Mcp, message, "startup_timeout gives it longer", Retry::Safe)
    }

    /// What a failed exchange means.
    pub fn of_exchange(error: &Error) -> Self {
        let failure = Self::new(stage(error), error.message(), hint(error), error.retry());
        Self { executed: error.may_have_been_executed(), is_away: is_away(error), ..failure }
    }

    /// The server refused a message for want of its session.
    pub(crate) fn session_lost() -> Self {
        Self::new(Stage::Mcp, "the server no longer knows the session", "", Retry::Safe)
    }

    /// What an error of the transport means.
    pub fn of_transport(error: &StreamableHttpError<TransportError>) -> Self {
        let http = |message: String, retry| Self::new(Stage::Http, message, "", retry);
        match error {
            StreamableHttpError::Client(TransportError::Exchange(error)) => Self::of_exchange(error),
            StreamableHttpError::Client(TransportError::Status(status)) => not_mcp(status.as_u16()),
            StreamableHttpError::Client(TransportError::Authorization(error)) => authorization(error),
            StreamableHttpError::AuthRequired(_) => Self::login(
                "the server asks for a login",
                "afield mcp login NAME, or give it a token in `headers_from_env`",
            ),
            StreamableHttpError::InsufficientScope(error) => {
                Self::scope(&Challenge::parse(&error.www_authenticate_header).unwrap_or_default())
            }
            StreamableHttpError::SessionExpired => Self::session_lost(),
            StreamableHttpError::HttpStatus(error) => {
                let retry = if error.status == 429 { Retry::Safe } else { Retry::Unknown };
                let hint = match &error.retry_after {
                    Some(after) => format!("the server says: try again after {after}"),
                    None => "see the server's own log".to_owned(),
                };
                Self::new(Stage::Http, format!("the server answered HTTP {}", error.status), hint, retry)
            }
            StreamableHttpError::UnexpectedContentType(given) => Self::new(
                Stage::Mcp,
                match given {
                    Some(given) => format!("the answer is no MCP message: its type is {given}"),
                    None => "the answer is no MCP message: it has no type".to_owned(),
                },
                "is the URL that of the MCP endpoint (often it ends in /mcp)?",
                Retry::Unknown,
            ),
            StreamableHttpError::UnexpectedServerResponse(text) => Self::new(
                Stage::Mcp,
                format!("the answer is no MCP message: {}", text.trim().trim_end_matches(':')),
                "is the URL that of the MCP endpoint (often it ends in /mcp)?",
                Retry::Unknown,
            ),
            StreamableHttpError::Sse(error) => stream(error),
            StreamableHttpError::ReservedHeaderConflict(_) => Self::config(error.to_string(), ""),
            // The message itself was refused, for want of a session.
            StreamableHttpError::ReinitializationFailed(_) => {
                Self::new(Stage::Mcp, error.to_string(), "", Retry::Safe)
            }
            other => http(other.to_string(), Retry::Unknown),
        }
    }

    /// Why a session did not begin.
    pub(crate) fn of_initialize(error: &ClientInitializeError) -> Self {
        match error {
            ClientInitializeError::TransportError { error, .. } => Self::of_dynamic(error),
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Self::of_initialize(fallback),
            ClientInitializeError::JsonRpcError(error) => Self::new(
                Stage::Mcp,
                format!("the server refused the session: {} ({})", error.message, error.code.0),
                "",
                Retry::Safe,
            ),
            ClientInitializeError::NoCompatibleProtocolVersion { server_supported, .. } => Self::new(
                Stage::Mcp,
                format!(
                    "the server speaks only revisions that are not known here: {}",
                    server_supported.iter().map(|version| version.as_str()).collect::<Vec<_>>().join(", ")
                ),
                "",
                Retry::No,
            ),
            other => Self::new(Stage::Mcp, other.to_string(), "", Retry::Safe),
        }
    }

    pub(crate) fn of_dynamic(error: &DynamicTransportError) -> Self {
        match error.error.downcast_ref::<StreamableHttpError<TransportError>>() {
            Some(error) => Self::of_transport(error),
            None => Self::new(Stage::Http, error.error.to_string(), "", Retry::Unknown),
        }
    }

    /// What an error of a request means, unless the server itself refused it or it ran out of time.
    pub(crate) fn of_service(error: &ServiceError) -> Self {
        match error {
            ServiceError::TransportSend(error) => Self::of_dynamic(error),
            ServiceError::TransportClosed => {
                Self::new(Stage::Mcp, "the connection to the server ended", "", Retry::Unknown)
            }
            other => Self::new(Stage::Mcp, other.to_string(), "", Retry::Unknown),
        }
    }

    /// Whether the server, or the executor on the way to it, was not there: nothing of a message was heard by anybody.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away && self.retry == Retry::Safe
    }

    /// Whether trying again may help, without anybody doing anything.
    pub(crate) fn is_passing(&self) -> bool {
        !self.is_login_needed()
            && !matches!(self.stage, Stage::Config | Stage::Policy)
            && self.retry != Retry::No
    }
}

/// Whether nobody was there: no name, no connection, no executor.
fn is_away(error: &Error) -> bool {
    match error.kind() {
        Kind::Dns | Kind::Connect | Kind::SessionLost => true,
        Kind::Timeout => matches!(error.phase(), Some(Phase::Dns | Phase::Connect)),
        _ => false,
    }
}

fn stream(error: &SseError) -> Failure {
    if let SseError::Body(inner) = error {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return Failure::of_exchange(error);
        }
        if let Some(error) = inner.downcast_ref::<EventTooLarge>() {
            return Failure::new(Stage::Mcp, error.to_string(), "", Retry::No);
        }
    }
    Failure::new(Stage::Http, error.to_string(), "", Retry::Unknown)
}

/// There is no token. It is asked for before a message is sent, and after one was refused for want of it: neither way was the
/// message executed.
fn authorization(told: &AuthorizeError) -> Failure {
    match told {
        AuthorizeError::LoginNeeded(needed) => Failure::login(needed.to_string(), "afield mcp login NAME"),
        AuthorizeError::Failed(error) | AuthorizeError::Client(error) => {
            let hint = error.hint().or_else(|| match error {
                LoginError::Exchange { error, .. } => Some(hint(error).to_owned()),
                _ => None,
            });
            let failure = Failure::new(Stage::Auth, told.to_string(), hint.unwrap_or_default(), Retry::Safe);
            Failure { blame: Some(error.blame()), ..failure }
        }
        other => Failure::new(Stage::Auth, other.to_string(), "", Retry::Safe),
    }
}

fn not_mcp(status: u16) -> Failure {
    let hint = "is the URL that of the MCP endpoint (often it ends in /mcp)?";
    Failure::new(Stage::Http, format!("the server answered HTTP {status}"), hint, Retry::Unknown)
}

fn stage(error: &Error) -> Stage {
    match (error.kind(), error.detail()) {
        (Kind::PolicyDenied, _) => Stage::Policy,
        (
            Kind::InvalidRequest,
            Some(detail::HEADER_VARIABLE_ABSENT | detail::HEADER_VARIABLE_REFUSED | detail::SECRET),
        ) => Stage::Policy,
        (Kind::InvalidRequest, _) => Stage::Config,
        (Kind::SessionLost | Kind::Unauthorized | Kind::Overloaded | Kind::Internal, _) => Stage::Executor,
        (Kind::Dns, _) => Stage::Dns,
        (Kind::Connect, _) => Stage::Connect,
        (Kind::Tls, _) => Stage::Tls,
        (Kind::Timeout, _) => match error.phase() {
            Some(Phase::Dns) => Stage::Dns,
            Some(Phase::Connect) => Stage::Connect,
            Some(Phase::Tls) => Stage::Tls,
            _ if error.blame() == Blame::Executor => Stage::Executor,
            _ => Stage::Http,
        },
        (Kind::OriginProtocol | Kind::TooLarge | Kind::Cancelled, _) => Stage::Http,
    }
}

fn hint(error: &Error) -> &'static str {
    match (error.kind(), error.detail()) {
        (Kind::PolicyDenied, _) => "whoever runs the executor decides: its log names the rule that denied it",
        (Kind::InvalidRequest, Some(detail::HEADER_VARIABLE_ABSENT)) => {
            "set the variable where the executor runs; it is never taken from here"
        }
        (Kind::InvalidRequest, Some(detail::HEADER_VARIABLE_REFUSED | detail::SECRET)) => {
            "whoever runs the executor has to allow it for this host"
        }
        (Kind::Unauthorized, _) => "check token_file or token_env of the executor",
        (Kind::SessionLost, _) => "is the executor running there? `afield doctor NAME` says more",
        (Kind::Overloaded, _) => "try again in a moment",
        (Kind::Dns, _) => "the name is resolved where the server's environment is: is it known there?",
        (Kind::Connect, _) => "is the server running? It is connected to from where its environment is",
        (Kind::Tls, Some("unknown_issuer")) => {
            "trust its authority where its environment is: SSL_CERT_FILE here, `ca` in an executor's configuration"
        }
        (Kind::Tls, Some("no_certificate" | "protocol")) => {
            "does that port speak TLS at all? If not, its URL begins with http:"
        }
        (Kind::Tls, _) => "its certificate is checked where its environment is: trust its authority there",
        (Kind::OriginProtocol, Some(detail::NOT_HTTP)) => "something listens there that does not speak HTTP",
        (Kind::Timeout, _) => "the server, or the way to it, is slow or silent",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every kind of failure is put down to the stage where something can be done about it.
    #[test]
    fn a_failure_is_put_down_to_its_stage() {
        let error = |kind| Error::new(kind, Blame::Network, Retry::Unknown, "m");
        for (error, expected) in [
            (error(Kind::PolicyDenied), Stage::Policy),
            (Error::invalid(detail::HEADER_VARIABLE_REFUSED, "m"), Stage::Policy),
            (Error::invalid(detail::HEADER_NAME, "m"), Stage::Config),
            (error(Kind::SessionLost), Stage::Executor),
            (error(Kind::Unauthorized), Stage::Executor),
            (error(Kind::Dns), Stage::Dns),
            (error(Kind::Timeout).with_phase(Phase::Dns), Stage::Dns),
            (error(Kind::Connect), Stage::Connect),
            (error(Kind::Timeout).with_phase(Phase::Connect), Stage::Connect),
            (error(Kind::Tls), Stage::Tls),
            (error(Kind::Timeout).with_phase(Phase::Head), Stage::Http),
            (error(Kind::OriginProtocol), Stage::Http),
        ] {
            assert_eq!(Failure::of_exchange(&error).stage, expected, "{error:?}");
        }
        let denied = |hop| error(Kind::PolicyDenied).with_retry(Retry::No).with_hop(hop);
        assert!(!Failure::of_exchange(&denied(0)).may_have_been_executed());
        assert!(Failure::of_exchange(&denied(1)).may_have_been_executed());
        let expired = StreamableHttpError::SessionExpired;
        assert_eq!(
            (Failure::of_transport(&expired).stage, Failure::of_transport(&expired).retry),
            (Stage::Mcp, Retry::Safe)
        );
    }

    /// Proves that what fails before a message is sent is told as not executed, and that it is no want of a login
    /// (case 164).
    #[test]
    fn case_164_a_token_that_cannot_be_had_executes_nothing() {
        let failure = authorization(&AuthorizeError::Store(crate::login::StoreError::NoFolder));
        assert_eq!((failure.stage, failure.retry), (Stage::Auth, Retry::Safe));
        assert!(!failure.may_have_been_executed() && !failure.is_login_needed() && failure.is_passing());
        let unknown = Failure::new(Stage::Http, "m", "", Retry::Unknown);
        assert!(unknown.may_have_been_executed());
        let before = unknown.beforehand();
        assert_eq!((before.may_have_been_executed(), before.retry), (false, Retry::Safe));
        let conflict = StreamableHttpError::ReservedHeaderConflict("accept".into());
        assert!(!Failure::of_transport(&conflict).may_have_been_executed());
    }
}
