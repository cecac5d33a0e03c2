use crate::{
    executor::Inner,
    sessions::{Absence, NoSession, Sessions},
    shared::{Shared, now},
    shares::Portion,
};
use afield_exchange::Error;
use afield_protocol::{
    RpcError,
    json::RpcId,
    resumable::{DIALECT, ResumableServer, WINDOW_RANGE},
    server::Server,
    wire::{Features, InitializeParams, InitializeResult},
};
use afield_transport::{Authorization, Principal, session_tag};
use std::{convert::Infallible, sync::Arc, time::Instant};

/// The session of one connection.
pub(crate) enum Session {
    /// `initialize` has not succeeded.
    None,
    /// In the base dialect.
    Base { id: String },
    /// In afield/1, with the number of this connection at it.
    Resumable { id: String, shared: Arc<Shared>, epoch: u64 },
}

impl Session {
    /// Finds or makes the session that `initialize` asks for, and answers. An error is for the caller to answer with.
    pub fn begin(
        id: &RpcId,
        params: InitializeParams,
        inner: &Inner,
        principal: &Principal,
        portion: &Arc<Portion>,
        connection: &Arc<Shared>,
        has_binary: bool,
    ) -> Result<Self, RpcError> {
        if params.resume_session_id.is_none() && inner.is_draining() {
            return Err(RpcError::from_error(&Error::overloaded("the executor is stopping")));
        }
        let offered =
            params.dialects.as_ref().is_some_and(|offered| offered.iter().any(|one| one == DIALECT));
        if offered && has_binary {
            Self::begin_resumable(id, params, inner, principal, portion)
        } else {
            Self::begin_base(id, params, inner, principal, portion, connection)
        }
    }

    fn begin_base(
        id: &RpcId,
        params: InitializeParams,
        inner: &Inner,
        principal: &Principal,
        portion: &Arc<Portion>,
        connection: &Arc<Shared>,
    ) -> Result<Self, RpcError> {
        let sessions = &inner.sessions;
        let session = match params.resume_session_id {
            Some(session) => sessions.resume(&session, principal, connection, now()).map(|()| session),
            None => sessions.create(principal, portion, connection, now()),
        };
        let session = session.map_err(|why| why.into_rpc_error(inner))?;
        if let Server::Base(base) = &mut connection.lock().server {
            base.accept(id, &result(&session, inner));
        }
        Ok(Self::Base { id: session })
    }

    fn begin_resumable(
        id: &RpcId,
        params: InitializeParams,
        inner: &Inner,
        principal: &Principal,
        portion: &Arc<Portion>,
    ) -> Result<Self, RpcError> {
        let attempt = params.attempt.unwrap_or_default();
        let resumable = |session: &str, resumed, features| InitializeResult {
            features,
            dialect: Some(DIALECT.to_owned()),
            window_bytes: Some(inner.window()),
            resumed: Some(resumed),
            ..result(session, inner)
        };
        let (session, shared, epoch) = match params.resume_session_id {
            Some(session) => {
                let attach = |shared: &Arc<Shared>| {
                    let features = shared.features();
                    let epoch = shared.attach(id, attempt, &resumable(&session, true, features))?;
                    Ok((shared.clone(), epoch))
                };
                let attached = inner.sessions.resume_resumable(&session, principal, now(), attach);
                let (shared, epoch) = attached.map_err(|why| why.into_rpc_error(inner))??;
                (session, shared, epoch)
            }
            None => {
                let window = params.window_bytes.unwrap_or(1024 * 1024);
                let features = params.features.and(Features::ALL);
                let window = window.clamp(*WINDOW_RANGE.start(), *WINDOW_RANGE.end());
                let config = inner.session_config(window, features, portion.bytes.clone());
                let shared = Shared::new(Server::Resumable(ResumableServer::new(config)));
                let session = inner.sessions.create_resumable(principal, portion, shared.clone(), now());
                let session = session.map_err(|why| why.into_rpc_error(inner))?;
                inner.register(&shared);
                let epoch = shared.attach(id, attempt, &resumable(&session, false, features))?;
                (session, shared, epoch)
            }
        };
        Ok(Self::Resumable { id: session, shared, epoch })
    }

    pub fn is_resumable(&self) -> bool {
        matches!(self, Self::Resumable { .. })
    }

    /// Returns what tells it apart in the audit and the log, and resumes nothing.
    pub fn tag(&self) -> Arc<str> {
        match self {
            Self::None => "".into(),
            Self::Base { id } | Self::Resumable { id, .. } => session_tag(id).into(),
        }
    }

    /// The dialect, for the log.
    pub fn dialect(&self) -> &'static str {
        if self.is_resumable() { DIALECT } else { "base" }
    }

    /// The connection is gone. Returns the session if it goes on without one: in afield/1, unless the client has said
    /// farewell or another connection has taken it.
    pub fn left(self, sessions: &Sessions, connection: &Arc<Shared>, farewell: bool) -> Option<Lingering> {
        match self {
            Self::None => None,
            Self::Base { id } => {
                sessions.detach(&id, connection, now());
                None
            }
            Self::Resumable { id, epoch, .. } if farewell => {
                sessions.end_resumable(&id, epoch);
                None
            }
            Self::Resumable { id, epoch, shared } => {
                let since = now();
                let absence = sessions.detach_resumable(&id, epoch, since)?;
                Some(Lingering { id, epoch, shared, since, absence })
            }
        }
    }

    /// What let the connection in has ended, and the session with it: nobody can resume it any more.
    pub fn end(self, sessions: &Sessions, connection: &Arc<Shared>) {
        match &self {
            Self::None => {}
            Self::Base { id } => sessions.end(id, connection),
            Self::Resumable { id, epoch, .. } => sessions.end_resumable(id, *epoch),
        }
    }
}

/// A session that goes on without a connection.
pub(crate) struct Lingering {
    id: String,
    epoch: u64,
    shared: Arc<Shared>,
    since: Instant,
    absence: Absence,
}

impl Lingering {
    /// Waits for the grace, or until what let its last connection in ends, and then ends the session with its requests.
    /// Is over before that when another connection has come for it or it has had to make room: there are no more of
    /// these than sessions, however fast connections come and go.
    pub async fn linger(self, inner: &Inner, authorization: &Authorization) {
        let Self { id, epoch, shared, since, absence } = self;
        tokio::select! {
            never = let_go(&shared, epoch, since) => match never {},
            () = tokio::time::sleep(inner.sessions.grace()) => {}
            _ = authorization.ended() => {}
            _ = absence => return,
            () = inner.over.cancelled() => return,
        }
        inner.sessions.end_resumable(&id, epoch);
    }
}

/// Lets go of the requests that are not kept as long as their session, each in its time.
async fn let_go(shared: &Shared, epoch: u64, since: Instant) -> Infallible {
    while let Some(kept) = shared.least_kept(epoch) {
        // A time beyond what the clock can express does not come.
        let Some(until) = since.checked_add(kept) else { break };
        tokio::time::sleep_until(until.into()).await;
        shared.let_go(epoch, kept);
    }
    std::future::pending().await
}

fn result(session: &str, inner: &Inner) -> InitializeResult {
    InitializeResult {
        session_id: session.to_owned(),
        environment_info: inner.environment.clone(),
        dialect: None,
        window_bytes: None,
        resumed: None,
        features: Features::default(),
        instance: Some(inner.instance.clone()),
        limits: Some(inner.limits().clone()),
    }
}

impl NoSession {
    fn into_rpc_error(self, inner: &Inner) -> RpcError {
        match self {
            Self::Unknown(id) => {
                let shown: String = id.chars().take(64).collect();
                let message = format!("unknown session id {}", shown.escape_debug());
                RpcError::refused_session(message, &inner.instance)
            }
            Self::TooMany(most) => RpcError::from_error(&Error::overloaded(format!(
                "you have {most} sessions, the most there may be: end some, or try again later"
            ))),
        }
    }
}
