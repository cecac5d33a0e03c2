use crate::{Failure, HttpTransport, login::Authorizer};
use std::{fmt, sync::Arc, time::Duration};

/// A server to be kept connected.
#[derive(Clone)]
pub struct ServerConfig {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: Arc<str>,
    /// Where requests leave from, by name; for people.
    pub environment: String,
    /// What sends its requests: client, fields, authorizer, timeouts.
    pub transport: HttpTransport,
    /// Who gets its tokens, to be waited for at the end. The same that the transport has.
    pub authorizer: Option<Authorizer>,
    /// Over connecting up to the list of tools. Default 30 s.
    pub startup_timeout: Duration,
    /// Over a call of a tool, anew from each progress notification. Default 60 s.
    pub tool_timeout: Duration,
    /// Whether it is asked from time to time whether it is still there. Default: every 30 s.
    pub check_every: Option<Duration>,
    /// How long a call waits for a server that had been ready to come back. Default 10 s.
    pub patience: Duration,
    /// Whether nothing works without it. Default: no.
    pub required: bool,
}

impl ServerConfig {
    /// A server with the defaults.
    pub fn new(name: impl Into<String>, url: impl Into<Arc<str>>, transport: HttpTransport) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            environment: "local".into(),
            transport,
            authorizer: None,
            startup_timeout: Duration::from_secs(30),
            tool_timeout: Duration::from_secs(60),
            check_every: Some(Duration::from_secs(30)),
            patience: Duration::from_secs(10),
            required: false,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("name", &self.name)
            .field("url", &afield_exchange::redacted_url(&self.url))
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// What a manager is given for a name.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A server.
    Server(ServerConfig),
    /// One that is not to be used.
    Disabled {
        /// Its name.
        name: String,
        /// Where requests would leave from.
        environment: String,
    },
    /// One that cannot be used: it has failed from the start, for ever, and alone.
    Unusable {
        /// Its name.
        name: String,
        /// Where requests should leave from.
        environment: String,
        /// Whether nothing works without it.
        required: bool,
        /// Why it cannot be used.
        failure: Failure,
    },
}

impl Entry {
    /// The server's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Server(config) => &config.name,
            Self::Disabled { name, .. } | Self::Unusable { name, .. } => name,
        }
    }
}
