use crate::remote_config::{remote_config, token};
use afield_client::{ConnectError, Exchange, HttpClient, Remote, RemoteConfig, offered_servers};
use afield_config::{Executor, Variables};
use afield_exchange::{Buffered, Error, Kind, Request, Response, Retry};
use afield_transport::BearerToken;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// An executor of the configuration: exchanges that it performs, over one connection that is made when it is first needed.
///
/// Cheap to clone; clones share the connection. Its token is read when the first exchange wants it, and once more when the
/// executor refuses it: a token that was exchanged for another in its file is taken up without a restart. What cannot be
/// read is the error of the exchange that wants it, and the next one tries again.
#[derive(Clone)]
pub struct ExecutorClient(Arc<Inner>);

struct Inner {
    executor: Arc<Executor>,
    variables: Variables,
    made: Mutex<Option<Made>>,
}

#[derive(Clone)]
struct Made {
    remote: Remote,
    token: Option<BearerToken>,
}

impl ExecutorClient {
    pub(crate) fn new(executor: Arc<Executor>, variables: Variables) -> Self {
        Self(Arc::new(Inner { executor, variables, made: Mutex::default() }))
    }

    /// The executor as the configuration has it.
    pub fn executor(&self) -> &Arc<Executor> {
        &self.0.executor
    }

    /// The remote client behind it, made if there is none yet. Makes no connection.
    ///
    /// # Errors
    ///
    /// What keeps it from being made, such as a token that cannot be read.
    pub async fn remote(&self) -> Result<Remote, Error> {
        Ok(self.made().await?.remote)
    }

    /// Begins a session with the executor, unless there is one.
    ///
    /// # Errors
    ///
    /// Why there is none: `Ok(Err(…))` if the executor could not be reached, `Err(…)` if it could not be tried.
    pub async fn connect(&self) -> Result<Result<Remote, ConnectError>, Error> {
        let made = self.made().await?;
        if made.remote.connected().is_some() {
            return Ok(Ok(made.remote));
        }
        let config = self.config().await?;
        let token = config.token.clone();
        let connected = Remote::connect(config).await;
        if let Ok(remote) = &connected {
            *self.slot() = Some(Made { remote: remote.clone(), token });
        }
        Ok(connected)
    }

    /// The MCP servers that it offers: layers of TOML, for [`Config::adopt`](afield_config::Config::adopt). `None` where it does not
    /// know of such a thing. Makes a connection of its own, which ends with the answer.
    ///
    /// # Errors
    ///
    /// Why it could not be asked, or did not answer.
    pub async fn offered_servers(&self) -> Result<Option<Vec<String>>, Error> {
        let offered = offered_servers(&self.config().await?).await;
        offered.map_err(|error| self.named(error.to_error()))
    }

    /// Says goodbye, within 2 s. The next exchange connects anew.
    pub async fn close(&self) {
        let made = self.slot().clone();
        if let Some(made) = made {
            made.remote.close().await;
        }
    }

    /// How to reach it now. Who waits for an executor to come back decides so himself.
    async fn config(&self) -> Result<RemoteConfig, Error> {
        let inner = self.0.clone();
        let config = blocking(move || remote_config(&inner.executor, &inner.variables)).await?;
        Ok(RemoteConfig { wait: false, ..config })
    }

    async fn made(&self) -> Result<Made, Error> {
        if let Some(made) = self.slot().clone() {
            return Ok(made);
        }
        let config = self.config().await?;
        let mut slot = self.slot();
        // Somebody else may have been quicker; there is one connection.
        Ok(slot
            .get_or_insert_with(|| Made { token: config.token.clone(), remote: Remote::new(config) })
            .clone())
    }

    /// Another client in place of one whose token was refused, if there is another token by now.
    async fn renewed(&self, refused: &Made) -> Option<Remote> {
        self.0.executor.token.as_ref()?;
        let inner = self.0.clone();
        let token = blocking(move || token(&inner.executor, &inner.variables)).await.ok()?;
        if token == refused.token {
            return None;
        }
        {
            let mut slot = self.slot();
            if slot.as_ref().is_some_and(|made| made.token == refused.token) {
                *slot = None;
            }
        }
        tracing::info!(executor = %self.0.executor.name, "the executor refused the token: trying the new one");
        Some(self.made().await.ok()?.remote)
    }

    fn slot(&self) -> MutexGuard<'_, Option<Made>> {
        self.0.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says of an error which executor it is about, where it is about the executor and not about the origin.
    fn named(&self, error: Error) -> Error {
        let about_executor = error.kind() == Kind::Unauthorized
            || (error.kind() == Kind::SessionLost && error.retry() == Retry::Safe);
        if !about_executor || error.message().contains(&self.0.executor.name) {
            return error;
        }
        let message = format!("the executor {}: {}", self.0.executor.name, error.message());
        let mut named = Error::new(error.kind(), error.blame(), error.retry(), message);
        if let Some(phase) = error.phase() {
            named = named.with_phase(phase);
        }
        if let Some(detail) = error.detail() {
            named = named.with_detail(detail.to_owned());
        }
        named
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::cancelled()))
}

macro_rules! performed {
    ($self:ident, $request:ident, $method:ident) => {
        Box::pin(async move {
            let made = $self.made().await?;
            let again = made.token.is_some().then(|| $request.again()).flatten();
            let error = match made.remote.$method($request).await {
                // Only the executor itself refuses like this, before anything is sent.
                Err(error) if error.kind() == Kind::Unauthorized => error,
                other => return other.map_err(|error| $self.named(error)),
            };
            let Some(again) = again else { return Err($self.named(error)) };
            match $self.renewed(&made).await {
                Some(remote) => remote.$method(again).await.map_err(|error| $self.named(error)),
                None => Err($self.named(error)),
            }
        })
    };
}

impl HttpClient for ExecutorClient {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        performed!(self, request, stream)
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        performed!(self, request, call)
    }
}

impl fmt::Debug for ExecutorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecutorClient({})", self.0.executor.name)
    }
}
