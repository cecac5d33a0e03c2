use super::{
    exit,
    plan::{Named, Plan},
    verbose::Story,
};
use crate::{
    failure::Failure,
    place::{Place, Reach},
    token::Token,
};
use afield_client::{ConnectError, ConnectionState, HttpClient, Local, Remote, RemoteConfig};
use afield_egress::{CaPolicy, EgressConfig};
use afield_transport::{BearerToken, DialError};
use std::{path::Path, sync::Arc, time::Duration};

/// What performs exchanges, here or over there.
pub(crate) enum Client {
    Local(Local),
    Remote(Remote),
}

impl Client {
    /// The client that the plan asks for. An executor is connected to here, so that it cannot be reached is told apart from an
    /// origin that cannot be; attempts that fail are told as they do.
    pub async fn open(plan: &Plan, story: &Story) -> Result<Self, Failure> {
        let (token, ca) = (plan.token.as_ref(), plan.ca.as_deref());
        let client = match &plan.named {
            Some(Named(config)) => Self::remote(config.clone(), plan.connect_timeout),
            None => Self::of(&plan.place, plan.reach.clone(), token, ca, plan.connect_timeout)?,
        };
        tokio::select! {
            biased;
            never = client.narrate(story) => match never {},
            ready = client.ready() => ready?,
        }
        Ok(client)
    }

    /// A client at `place`, connected.
    pub async fn at(
        place: &Place,
        reach: Reach,
        token: Option<&Token>,
        ca: Option<&Path>,
        connect_timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let client = Self::of(place, reach, token, ca, connect_timeout)?;
        client.ready().await?;
        Ok(client)
    }

    async fn ready(&self) -> Result<(), Failure> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Remote(remote) => remote.ready().await.map_err(|error| cannot_connect(&error)),
        }
    }

    fn of(
        place: &Place,
        reach: Reach,
        token: Option<&Token>,
        ca: Option<&Path>,
        connect_timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let ca = ca.map_or_else(CaPolicy::default, |file| CaPolicy::File(file.to_owned()));
        match place {
            Place::Local => {
                let mut config = EgressConfig { ca, ..EgressConfig::default() };
                config.limits.connect = connect_timeout.unwrap_or(config.limits.connect);
                Local::new(config).map(Self::Local).map_err(|error| Failure::usage(error.to_string()))
            }
            Place::Executor(url) => {
                let mut config = RemoteConfig::new(url);
                config.token = token.map(|token| BearerToken::new(token.expose()));
                config.ca = ca;
                Reach {
                    pins: config.pins,
                    identity: config.identity,
                    proxy: config.proxy,
                    dialect: config.dialect,
                } = reach;
                Ok(Self::remote(config, connect_timeout))
            }
        }
    }

    fn remote(mut config: RemoteConfig, connect_timeout: Option<Duration>) -> Self {
        // Without being told how long to wait, a person wants to know at once.
        config.wait = connect_timeout.is_some();
        config.connect_timeout = connect_timeout.unwrap_or(config.connect_timeout);
        Self::Remote(Remote::new(config))
    }

    pub fn http(&self) -> &dyn HttpClient {
        match self {
            Self::Local(local) => local,
            Self::Remote(remote) => remote,
        }
    }

    /// The same client, to be held on to.
    pub fn shared(&self) -> Arc<dyn HttpClient> {
        match self {
            Self::Local(local) => Arc::new(local.clone()),
            Self::Remote(remote) => Arc::new(remote.clone()),
        }
    }

    /// What the executor said of itself.
    pub fn executor(&self) -> Option<String> {
        let Self::Remote(remote) = self else { return None };
        let connected = remote.connected()?;
        let dialect = connected.dialect.as_deref().unwrap_or("base");
        let info = connected.environment_info;
        let version =
            info.as_ref().and_then(|info| info.executor_version.as_deref()).unwrap_or("of unknown version");
        let system =
            info.as_ref().and_then(|info| info.platform_os.as_deref()).unwrap_or("an unknown system");
        Some(format!("connected to executor {version} on {system}, dialect {dialect}"))
    }

    /// Tells what becomes of the connection meanwhile, for ever.
    pub async fn narrate(&self, story: &Story) -> std::convert::Infallible {
        let Self::Remote(remote) = self else { return std::future::pending().await };
        let mut watch = remote.watch();
        while watch.changed().await.is_ok() {
            match &*watch.borrow_and_update() {
                ConnectionState::Reconnecting { why, attempts: 0, .. } => {
                    story.tell(&format!(
                        "lost the connection to the executor ({why}); the request goes on there"
                    ));
                }
                ConnectionState::Reconnecting { attempts, failed, .. } => {
                    let failed = failed.as_deref().unwrap_or("the executor does not keep the connection");
                    story.tell(&format!(
                        "attempt {attempts} to come back failed, another one follows: {failed}"
                    ));
                }
                ConnectionState::Connecting { attempts, failed } => {
                    story.tell(&format!(
                        "attempt {attempts} to connect failed, another one follows: {failed}"
                    ));
                }
                ConnectionState::Connected { resumed: 1.., .. } => {
                    story.tell("connected again; the session goes on where it was");
                }
                _ => {}
            }
        }
        std::future::pending().await
    }

    /// Says goodbye. What was cancelled just before is still said, within 2 s.
    pub async fn close(self) {
        if let Self::Remote(remote) = self {
            remote.close().await;
        }
    }
}

fn cannot_connect(error: &ConnectError) -> Failure {
    match error {
        ConnectError::Dial(DialError::InvalidUrl(_) | DialError::InvalidToken) | ConnectError::Roots(_) => {
            Failure::usage(error.to_string())
        }
        _ => {
            let mut failure = exit::failure(&error.to_error(), "");
            if says_what_to_do(error) {
                failure.hint = None;
            }
            failure
        }
    }
}

/// Whether somebody has answered, and what is to be mended is told with the answer: a hint at what may be wrong where nobody
/// answers would lead astray.
fn says_what_to_do(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::Dial(
            DialError::Refused { status: 200..=400 | 402..=499, .. }
                | DialError::Proxy { status: Some(_), .. }
                | DialError::PlaintextToken { .. }
                | DialError::RefusedByTls(_)
        ) | ConnectError::Busy(_)
            | ConnectError::CommandEnded { .. }
    )
}
