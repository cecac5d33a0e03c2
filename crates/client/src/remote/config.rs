use afield_egress::CaPolicy;
use afield_exchange::{Error, Kind, Limits, Retry, redacted_url};
use afield_transport::{BearerToken, ClientIdentity, DialError, Pin, Proxy};
use std::{fmt, time::Duration};

/// Where an executor is.
#[derive(Clone)]
pub enum Endpoint {
    /// `ws:` or `wss:`; `http:` and `https:` mean the same; `unix:PATH`. Userinfo is refused: see
    /// [`RemoteConfig::token`].
    Url(String),
    /// A program that speaks the protocol on its standard input and output, such as `ssh host afield serve --listen stdio`.
    /// It is started for each connection, without a shell, and killed when that ends. Only the base dialect goes over it.
    Command {
        /// The program, looked for in `PATH`.
        program: String,
        /// Its arguments. They are not shown in logs or errors.
        arguments: Vec<String>,
        /// Variables that it gets besides those of this process. Their values are not shown either.
        variables: Vec<(String, String)>,
    },
}

/// Which dialects are offered to an executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `afield/1`, with base for executors that do not know it.
    #[default]
    Auto,
    /// Base only: nothing is offered.
    Base,
}

impl Dialect {
    /// Whether `afield/1` is offered.
    pub(super) fn offers_resumable(self) -> bool {
        self == Self::Auto
    }
}

/// How to reach an executor.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is spoken with it.
    pub dialect: Dialect,
    /// The token, if the executor wants one.
    pub token: Option<BearerToken>,
    /// The roots that a `wss:` executor's certificate is checked against, read anew for each connection. Default: by
    /// environment.
    pub ca: CaPolicy,
    /// The executor's certificate must be one of these, if there are any. They take the place of the roots, unless
    /// [`ca`](Self::ca) names some: then both have to agree.
    pub pins: Vec<Pin>,
    /// The certificate to present where the executor asks for one, read anew for each connection.
    pub identity: Option<ClientIdentity>,
    /// The HTTP proxy to reach the executor through. Default: none; the environment is not asked.
    pub proxy: Option<Proxy>,
    /// Over connecting, up to the answer to `initialize`. Attempts that fail meanwhile are repeated if
    /// [`wait`](Self::wait) is set. Default 10 s.
    pub connect_timeout: Duration,
    /// Whether an executor that cannot be reached is tried again until the connect timeout, after 100 ms doubling up
    /// to 5 s, as far as its answer leaves hope. Default: yes. Without it one attempt decides.
    pub wait: bool,
    /// Who calls, for the executor's log. Default: `afield/` and the version.
    pub client_name: String,
    /// Send the token over `ws:` to an address that is not loopback, where whoever listens on the way can read it.
    /// Default: no.
    pub allow_plaintext_token: bool,
    /// Limits of this side: `message_bytes` on one message in, `session_requests` on exchanges under way, `window_bytes` on
    /// what of one response body may be unread (64 KiB to 16 MiB), and, in base, `buffered_body_bytes` on a request body.
    /// `grace` is how long a lost connection is sought if the executor does not say how long it waits. The others are the
    /// executor's.
    pub limits: Limits,
}

impl RemoteConfig {
    /// This URL with the defaults: no token, the usual roots, 10 s to connect, trying again meanwhile.
    pub fn new(url: impl Into<String>) -> Self {
        Self::at(Endpoint::Url(url.into()))
    }

    /// A program that speaks the protocol on its standard input and output, with the same defaults.
    pub fn command(program: impl Into<String>, arguments: Vec<String>) -> Self {
        Self::at(Endpoint::Command { program: program.into(), arguments, variables: Vec::new() })
    }

    fn at(endpoint: Endpoint) -> Self {
        let limits = Limits::default();
        Self {
            endpoint,
            dialect: Dialect::default(),
            token: None,
            ca: CaPolicy::default(),
            pins: Vec::new(),
            identity: None,
            proxy: None,
            connect_timeout: limits.connect,
            wait: true,
            client_name: concat!("afield/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext_token: false,
            limits,
        }
    }
}

impl fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteConfig")
            .field("endpoint", &self.endpoint)
            .field("dialect", &self.dialect)
            .field("token", &self.token)
            .field("connect_timeout", &self.connect_timeout)
            .field("wait", &self.wait)
            .field("client_name", &self.client_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&redacted_url(url)),
            Self::Command { program, .. } => write!(f, "{program} …"),
        }
    }
}

/// Why there is no session with an executor. Its text says what to do, and never names a secret.
#[derive(Debug, thiserror::Error)]
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
    /// The roots cannot be used.
    #[error(transparent)]
    Roots(#[from] afield_egress::ConfigError),
    /// The executor did not want the session.
    #[error("the executor refused the session: {0}")]
    Refused(String),
    /// The executor takes no further session for now: it is full, or about to stop.
    #[error("the executor takes no session now: {0}")]
    Busy(String),
    /// The connection ended before the session began.
    #[error("the connection ended before the session began: {0}")]
    Ended(String),
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
    /// What an error in answer to `initialize` means.
    pub(super) fn of_refusal(error: Error) -> Self {
        let message = error.message().to_owned();
        match error.kind() {
            Kind::Overloaded => Self::Busy(message),
            _ => Self::Refused(message),
        }
    }

    /// Whether trying again may help.
    pub(super) fn is_passing(&self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match self {
            Self::Dial(error) => match error {
                DialError::Connect { .. } | DialError::Dns { .. } | DialError::Dropped(_) => true,
                DialError::Refused { status, .. } => matches!(status, 429 | 502..=504),
                DialError::Tls { source, .. } => {
                    matches!(source.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
                }
                _ => false,
            },
            Self::Busy(_) | Self::Ended(_) => true,
            Self::Command { .. } | Self::Roots(_) | Self::Refused(_) | Self::Timeout(_) | Self::Evicted => {
                false
            }
        }
    }

    /// Whether trying again may help to get a session back: also where a connection, or an answer, just did not come.
    pub(super) fn leaves_hope(&self) -> bool {
        self.is_passing() || matches!(self, Self::Timeout(_) | Self::Dial(DialError::Timeout { .. }))
    }

    /// What it means for a request that was to be sent: it was not, so that `retry` is `safe`. The kind is
    /// `unauthorized` where the executor did not accept the token, else `session_lost`.
    pub fn to_error(&self) -> Error {
        match self {
            Self::Dial(DialError::Refused { status: 401, .. }) => {
                Error::new(Kind::Unauthorized, afield_exchange::Blame::Caller, Retry::Safe, self.to_string())
            }
            _ => Error::session_lost(Retry::Safe, format!("no session with the executor: {self}")),
        }
    }
}
