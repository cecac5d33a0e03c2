use afield_exchange::{Blame, Error, Kind, Retry};
use afield_protocol::RpcError;
use afield_transport::{CloseReason, Closed, DialError};
use std::{process::ExitStatus, time::Duration};

/// Why there is no session with an executor. Its text says what to do, and never names a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No WebSocket could be opened.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The program could not be started.
    #[error("{program} could not be started: {error}")]
    Command {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The program ended before the session began.
    #[error("{program} ended before the session began ({status}): what it says of it is on standard error")]
    CommandEnded {
        /// The program.
        program: String,
        /// How.
        status: ExitStatus,
    },
    /// The roots cannot be used.
    #[error(transparent)]
    Roots(#[from] afield_egress::ConfigError),
    /// The executor did not accept the credential.
    #[error("the executor refused the credential: {0}")]
    Unauthorized(String),
    /// The executor did not want the session.
    #[error("the executor refused the session: {0}")]
    Refused(String),
    /// Another executor answered than the one that has the session, as happens behind a load balancer.
    #[error(
        "another executor answered than the one that has the session, and knows nothing of it ({message}): behind a load \
         balancer, have it keep a client with one executor; an executor that was started again has forgotten its sessions"
    )]
    AnotherExecutor {
        /// What it said.
        message: String,
        /// Which it is, if it says so.
        instance: Option<String>,
    },
    /// The executor takes no further session for now: it is full, or about to stop.
    #[error("the executor takes no session now: {0}")]
    Busy(String),
    /// The connection ended before the session began.
    #[error("the connection ended before the session began: {0}")]
    Ended(Closed),
    /// Not done within the connect timeout.
    #[error(
        "the executor did not begin a session within {0:?}: check that what listens there is an executor"
    )]
    Timeout(Duration),
    /// Another connection has taken the session: this one does not come back by itself.
    #[error("the session was resumed by another connection")]
    Evicted,
}

impl ConnectError {
    /// What an error in answer to `initialize` means. `held_by` is the executor that has the session which was asked for, if
    /// it has said which it is.
    pub(super) fn of_refusal(error: RpcError, held_by: Option<&str>) -> Self {
        let instance = error.instance().map(str::to_owned);
        let error = error.into_error();
        let message = error.message().to_owned();
        match error.kind() {
            Kind::Overloaded => Self::Busy(message),
            Kind::Unauthorized => Self::Unauthorized(message),
            _ if held_by.is_some() && instance.as_deref() != held_by => {
                Self::AnotherExecutor { message, instance }
            }
            _ => Self::Refused(message),
        }
    }

    /// What it means for a request that was to be sent: it was not, so that `retry` is `safe`. The kind is
    /// `unauthorized` where the executor did not accept the credential, else `session_lost`.
    pub fn to_error(&self) -> Error {
        match self {
            Self::Dial(DialError::Refused { status: 401, .. }) | Self::Unauthorized(_) => {
                Error::new(Kind::Unauthorized, Blame::Caller, Retry::Safe, self.to_string())
            }
            _ => {
                let message = format!("no session with the executor: {self}");
                Error::new(Kind::SessionLost, self.blame(), Retry::Safe, message)
            }
        }
    }

    /// Who can mend it.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Dial(error) => blame_for_dialling(error),
            Self::Busy(_) | Self::AnotherExecutor { .. } => Blame::Operator,
            Self::Refused(_) => Blame::Executor,
            Self::Command { .. } | Self::Roots(_) | Self::Unauthorized(_) | Self::Evicted => Blame::Caller,
            Self::Ended(Closed { reason: CloseReason::Peer { code: Some(4401), .. }, .. }) => Blame::Caller,
            Self::CommandEnded { .. } | Self::Ended(_) | Self::Timeout(_) => Blame::Network,
        }
    }
}

fn blame_for_dialling(error: &DialError) -> Blame {
    match error {
        DialError::InvalidUrl(_)
        | DialError::InvalidToken
        | DialError::Identity(_)
        | DialError::TlsNotConfigured
        | DialError::PlaintextToken { .. }
        | DialError::RefusedByTls(_)
        | DialError::NotWebSocket(_)
        | DialError::Proxy { status: Some(407), .. } => Blame::Caller,
        DialError::Refused { refusal: Some(word), .. } => match word.as_str() {
            // Fields that no client of ours sends so: what stands in front has written them, and its operator mends it.
            "host" | "origin" | "upgrade_lost" | "http_version" | "too_many_connections" => Blame::Operator,
            _ => Blame::Caller,
        },
        DialError::Refused { status: 502..=504, .. } => Blame::Network,
        DialError::Refused { .. } => Blame::Operator,
        DialError::Proxy { .. }
        | DialError::Dns { .. }
        | DialError::Connect { .. }
        | DialError::Tls { .. }
        | DialError::Timeout { .. }
        | DialError::Dropped(_) => Blame::Network,
    }
}
