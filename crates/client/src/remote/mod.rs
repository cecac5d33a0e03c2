//! The remote implementation: exchanges performed by an executor, over a session.

mod backoff;
mod config;
mod driver;
mod exchange;
mod link;
mod shared;

pub use config::{ConnectError, RemoteConfig};

use crate::{Exchange, HttpClient};
use afield_exchange::{Buffered, Error, Request, Response, Retry};
use afield_protocol::client::Connected;
use backoff::Backoff;
use exchange::{Call, read_body};
use link::Link;
use std::sync::{Arc, Mutex};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};

/// Exchanges performed by an executor.
///
/// One connection carries all of them. When it is lost, the exchanges on it fail with kind `session_lost`, and the
/// next one connects anew. Dropping an exchange or its body cancels it at the origin where the executor understands
/// that; another executor's connection is replaced as soon as it is idle. Clones share the connection, which closes
/// when the last clone, exchange and body is gone.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    config: RemoteConfig,
    link: Mutex<Option<Arc<Link>>>,
    /// Held while connecting, so that many exchanges that find no connection make one, not many.
    connecting: tokio::sync::Mutex<()>,
    requests: Arc<Semaphore>,
}

impl Remote {
    /// Connects and begins a session. Cancel safe.
    pub async fn connect(config: RemoteConfig) -> Result<Self, ConnectError> {
        let link = connect(&config).await?;
        Ok(Self(Arc::new(Inner {
            link: Mutex::new(Some(Arc::new(link))),
            connecting: tokio::sync::Mutex::default(),
            requests: Arc::new(Semaphore::new(config.limits.session_requests)),
            config,
        })))
    }

    /// What the executor said of itself when the present connection began; `None` if there is none.
    pub fn connected(&self) -> Option<Connected> {
        self.0.current().map(|link| link.connected.clone())
    }

    /// Closes the connection, ending what is under way on it, once what is queued (cancels, above all) has been
    /// written. Takes at most 2 s. The next exchange would connect anew.
    pub async fn close(&self) {
        let link = self.0.slot().take();
        if let Some(link) = link {
            link.close().await;
        }
    }

    async fn start(&self, mut request: Request, streamed: bool) -> Result<Call, Error> {
        read_body(&mut request, self.0.config.limits.buffered_body_bytes).await?;
        let permit = self.permit().await?;
        Call::start(self.0.link().await?, &request, streamed, permit)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let acquired = self.0.requests.clone().acquire_owned().await;
        acquired.map_err(|_| Error::internal("the semaphore of requests is never closed"))
    }
}

impl HttpClient for Remote {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        Box::pin(async move { self.start(request, true).await?.streamed().await })
    }

    fn call(&self, request: Request) -> Exchange<'_, Buffered> {
        Box::pin(async move { self.start(request, false).await?.buffered().await })
    }
}

impl Inner {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Link>>> {
        self.link.lock().expect("nothing panics while holding the connection")
    }

    fn current(&self) -> Option<Arc<Link>> {
        self.slot().clone()
    }

    /// A connection for the next exchange: the present one, or a new one.
    async fn link(&self) -> Result<Arc<Link>, Error> {
        if let Some(link) = self.usable()? {
            return Ok(link);
        }
        // The lock is held across connecting on purpose: one attempt serves all who wait.
        let _connecting = self.connecting.lock().await;
        if let Some(link) = self.usable()? {
            return Ok(link);
        }
        let link = Arc::new(connect(&self.config).await.map_err(|error| error.to_error())?);
        *self.slot() = Some(link.clone());
        Ok(link)
    }

    fn usable(&self) -> Result<Option<Arc<Link>>, Error> {
        let Some(link) = self.current() else { return Ok(None) };
        if link.shared.lock().evicted {
            // Coming back would take the session from whoever has it now, and so on for ever.
            return Err(Error::session_lost(Retry::Safe, ConnectError::Evicted.to_string()));
        }
        Ok((!link.is_spent()).then_some(link))
    }
}

/// Connects, trying again until the connect timeout where that may help.
async fn connect(config: &RemoteConfig) -> Result<Link, ConnectError> {
    let deadline = Instant::now() + config.connect_timeout;
    let mut backoff = Backoff::default();
    loop {
        sleep(backoff.next()).await;
        let error = match timeout_at(deadline, Link::open(config)).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(error)) => error,
            Err(_) => return Err(ConnectError::Timeout(config.connect_timeout)),
        };
        if !config.wait || !error.is_passing() || Instant::now() >= deadline {
            return Err(error);
        }
        tracing::debug!(%error, "could not connect to the executor: trying again");
    }
}
