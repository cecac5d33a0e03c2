use crate::{
    admin::Admin,
    audit::{Audit, AuditEvent},
    config::{Config, Listen, StartError},
    descriptors,
    driver::{Driver, End},
    environment::environment,
    listener::Listener,
    offers::Offers,
    reclaim,
    reload::Reloader,
    session::Lingering,
    session_id::session_id,
    sessions::Sessions,
    shared::{Ending, Shared},
    shares::{Place, Portion, Shares},
};
use afield_egress::Egress;
use afield_exchange::{Error, Limits, Share};
use afield_protocol::{
    resumable::{BODY_MESSAGE_BYTES, ServerConfig, WINDOW_RANGE},
    server::BaseServerConfig,
    wire::{EnvironmentInfo, Features},
};
use afield_transport::{Connection, CredentialEnd, Grant, Principal, Readiness, stdio};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// An executor that is bound and about to run.
pub struct Executor {
    inner: Arc<Inner>,
    source: Source,
    reloader: Reloader,
    /// How orchestrators are let in, in words.
    authentication: String,
    admin: Option<Admin>,
    reclaim: Option<fn()>,
}

enum Source {
    Listener(Listener),
    Stdio,
}

/// What every connection of an executor shares.
pub(crate) struct Inner {
    pub egress: Egress,
    pub sessions: Sessions,
    /// Which executor this is: clients behind a balancer tell it from others.
    pub instance: String,
    pub environment: EnvironmentInfo,
    pub offers: Offers,
    pub readiness: Readiness,
    pub audit: Arc<dyn Audit>,
    limits: Limits,
    /// How long active requests may go on once no more are taken.
    pub grace: Duration,
    /// Cancelled when the drain is over: nobody is let in any more.
    pub over: CancellationToken,
    pub shares: Arc<Shares>,
    requests: Arc<Semaphore>,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    list: Vec<Weak<Shared>>,
    /// Whether connections are to end as soon as they are made.
    stopped: bool,
}

/// How often sessions without a connection are looked at while draining.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long answers that are still owed when an executor stops may take to be written.
const FAREWELL: Duration = Duration::from_secs(2);

impl Executor {
    /// Checks the configuration and binds. Nothing is served before [`run`](Self::run).
    ///
    /// Also raises the limit on open files to the most this process may have, and lowers limits that this is too little for.
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        config.check_exposure()?;
        descriptors::fit(&mut config.egress.limits, descriptors::raise_limit());
        if matches!(config.listen, Listen::Stdio) {
            // It ends with its connection, and no session can come back to it: its client is told so.
            config.egress.limits.grace = Duration::ZERO;
        }
        let limits = config.egress.limits.clone();
        let own_listeners = config.egress.own_listeners.clone();
        let principals = config.principals();
        let inner = Arc::new(Inner {
            // A request's failure is logged here, where its session and its id are known.
            egress: Egress::new(std::mem::take(&mut config.egress))?.without_log(),
            sessions: Sessions::new(limits.grace),
            shares: Shares::new(&limits, principals),
            instance: session_id(),
            environment: environment(),
            offers: config.offers.clone(),
            readiness: Readiness::new(),
            audit: config.audit.clone(),
            over: CancellationToken::new(),
            requests: Arc::new(Semaphore::new(limits.requests)),
            connections: Mutex::default(),
            limits,
            grace: config.grace,
        });
        let reloader = config.reloader.clone();
        let reclaim = config.reclaim;
        let authentication = config.authentication.mode();
        let admin = match config.admin.take() {
            Some(listen) => Some(Admin::bind(listen).await?),
            None => None,
        };
        admin
            .as_ref()
            .and_then(Admin::local_addr)
            .into_iter()
            .for_each(|address| own_listeners.insert(address));
        let source = match Listener::bind(config, &inner).await? {
            None => Source::Stdio,
            Some(listener) => {
                listener.local_addr().into_iter().for_each(|address| own_listeners.insert(address));
                Source::Listener(listener)
            }
        };
        Ok(Self { inner, source, reloader, authentication, admin, reclaim })
    }

    /// What performs its requests: for whoever puts another policy in force while it runs.
    pub fn egress(&self) -> &Egress {
        &self.inner.egress
    }

    /// The address that was bound; `None` on a Unix socket and on stdio.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.source {
            Source::Listener(listener) => listener.local_addr(),
            Source::Stdio => None,
        }
    }

    /// Where orchestrators connect to: `ws://ADDRESS`, `wss://ADDRESS` or `unix:PATH`; `None` on stdio.
    pub fn url(&self) -> Option<String> {
        match &self.source {
            Source::Listener(listener) => Some(listener.url()),
            Source::Stdio => None,
        }
    }

    /// Where `/livez` and `/readyz` are asked for: `http://ADDRESS` or `unix:PATH`; `None` where they are not.
    pub fn admin_url(&self) -> Option<String> {
        self.admin.as_ref().map(Admin::url)
    }

    /// Serves until `stop` is cancelled, then drains: `/readyz` answers 503, new sessions and requests are refused,
    /// active requests may finish for the grace. What is then still active ends with an error of kind `session_lost`, and
    /// connections are closed with 1001. On stdio it also ends with its input.
    ///
    /// On stdio, requests that are active when the input ends are still answered, for the grace.
    ///
    /// Dropping the future ends everything at once.
    pub async fn run(self, stop: CancellationToken) {
        self.run_to_end(stop).await;
    }

    /// [`run`](Self::run), and says how it ended.
    pub async fn run_to_end(self, stop: CancellationToken) -> Stopped {
        let at = self.url().unwrap_or_else(|| "stdio".to_owned());
        let Self { inner, source, reloader, authentication, admin, reclaim } = self;
        inner.audit.record(&AuditEvent::Started { at: &at, authentication: &authentication });
        let _noted = NoteStop(inner.audit.clone());
        let audit = inner.audit.clone();
        let admin = async {
            match admin {
                Some(admin) => admin.serve(inner.clone()).await,
                None => std::future::pending().await,
            }
        };
        let serving = async {
            tokio::select! {
                stopped = source.serve(&inner) => stopped,
                () = reloader.run(audit) => Stopped::default(),
                () = admin => Stopped::default(),
                () = reclaim::run(&inner.shares, reclaim) => Stopped::default(),
            }
        };
        tokio::pin!(serving);
        tokio::select! {
            stopped = &mut serving => return stopped,
            () = stop.cancelled() => {}
        }
        tracing::info!(active = inner.active(), "draining");
        inner.readiness.drain();
        tokio::select! {
            stopped = &mut serving => return stopped,
            drained = tokio::time::timeout(inner.grace, inner.drained()) => {
                if drained.is_err() {
                    tracing::warn!(active = inner.active(), "the grace is over: cancelling");
                }
            }
        }
        inner.stop_connections();
        inner.over.cancel();
        // Whatever is still owed is written, for a moment.
        tokio::time::timeout(FAREWELL, serving).await.unwrap_or_default()
    }
}

impl Source {
    async fn serve(self, inner: &Arc<Inner>) -> Stopped {
        match self {
            Self::Listener(listener) => {
                listener.serve(inner).await;
                Stopped::default()
            }
            Self::Stdio => {
                let connection = stdio(inner.limits.message_bytes);
                let span = tracing::debug_span!("connection", peer = "stdio");
                let serving = serve(connection, inner.clone(), Principal::stdio().into());
                let served = serving.instrument(span).await;
                Stopped { unanswered: served.owed }
            }
        }
    }
}

/// Notes the executor's end, however it comes.
struct NoteStop(Arc<dyn Audit>);

impl Drop for NoteStop {
    fn drop(&mut self) {
        self.0.record(&AuditEvent::Stopped);
    }
}

/// How an executor has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// On stdio: answers that were owed and could not be given, as the output had ended, or the grace was over.
    pub unanswered: usize,
}

/// How a connection has ended.
pub(crate) struct Served {
    /// In a word, for the audit.
    pub reason: &'static str,
    /// The session that goes on without it, if one does.
    pub lingering: Option<Lingering>,
    /// Answers that were owed.
    pub owed: usize,
}

/// Serves one connection until it ends, or what let it in does.
pub(crate) async fn serve(connection: impl Connection, inner: Arc<Inner>, grant: Grant) -> Served {
    let driver = Driver::new(connection, inner.clone(), grant);
    inner.register(&driver.shared());
    let turns = driver.turns();
    let (end, lingering, owed) = turns.run(driver.run()).await;
    match &end {
        End::Lost(closed) => tracing::debug!(%closed, "connection ended"),
        end => tracing::debug!(?end, "connection ended"),
    }
    Served { reason: end.word(), lingering, owed }
}

impl End {
    /// A stable word for the audit.
    fn word(&self) -> &'static str {
        match self {
            Self::Lost(_) => "closed",
            Self::Silent => "silent",
            Self::NotInitialized => "not_initialized",
            Self::Ending(Ending::Evicted) => "evicted",
            Self::Ending(Ending::Stopping) => "stopping",
            Self::Broken(_) => "broken",
            Self::Disowned(CredentialEnd::Expired) => "expired",
            Self::Disowned(CredentialEnd::Revoked) => "revoked",
        }
    }
}

impl Inner {
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// This end's window for each request body, in bytes.
    pub fn window(&self) -> u64 {
        (self.limits.window_bytes as u64).clamp(*WINDOW_RANGE.start(), *WINDOW_RANGE.end())
    }

    pub fn session_config(&self, client_window_bytes: u64, features: Features, share: Share) -> ServerConfig {
        ServerConfig {
            session_requests: self.limits.session_requests,
            body_message_bytes: self.limits.body_message_bytes.clamp(1, BODY_MESSAGE_BYTES),
            queued_bytes: self.limits.queued_bytes,
            window_bytes: self.window(),
            client_window_bytes,
            session_body_bytes: self.limits.session_body_bytes as u64,
            session_head_bytes: self.limits.session_head_bytes,
            features,
            environment: self.environment.clone(),
            share: Some(share),
        }
    }

    pub fn base_config(&self) -> BaseServerConfig {
        BaseServerConfig {
            session_requests: self.limits.session_requests,
            body_message_bytes: self.limits.body_message_bytes,
            queued_bytes: self.limits.queued_bytes,
            request_body_bytes: self.limits.buffered_body_bytes,
            environment: self.environment.clone(),
        }
    }

    pub fn is_draining(&self) -> bool {
        !self.readiness.is_ready()
    }

    /// A place for one more request of whoever has this portion.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn admit(&self, portion: &Portion) -> Result<Arc<Place>, Error> {
        // In this order: a drain that has seen all places free is seen here.
        let place = self.requests.clone().try_acquire_owned().map_err(|_| {
            let limit = self.limits.requests;
            Error::overloaded(format!("{limit} requests are active on this executor, the most there may be"))
        });
        if self.is_draining() {
            return Err(Error::overloaded("the executor is stopping and takes no new requests"));
        }
        portion.admit(place?)
    }

    /// Requests being performed.
    pub fn active(&self) -> usize {
        self.limits.requests - self.requests.available_permits()
    }

    /// Waits until no request is being performed.
    async fn idle(&self) {
        let all = u32::try_from(self.limits.requests).unwrap_or(u32::MAX);
        let _ = self.requests.acquire_many(all).await;
    }

    /// Waits until no request is being performed, and no session that has lost its connection is owed an answer: its client is
    /// on its way back.
    async fn drained(&self) {
        self.idle().await;
        while self.sessions.owe_the_absent() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub fn register(&self, connection: &Arc<Shared>) {
        let mut connections = self.connections();
        if connections.stopped {
            connection.stop();
        }
        let list = &mut connections.list;
        if list.len() == list.capacity() {
            list.retain(|connection| connection.strong_count() > 0);
        }
        list.push(Arc::downgrade(connection));
    }

    fn stop_connections(&self) {
        let mut connections = self.connections();
        connections.stopped = true;
        for connection in connections.list.iter().filter_map(Weak::upgrade) {
            connection.stop();
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Connections> {
        self.connections.lock().expect("nothing panics while holding the list of connections")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_transport::Stdio;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, split};

    /// Proves that a connection over pipes, which have no pings, may be silent for a day, is answered then, and ends with
    /// its input.
    #[tokio::test(start_paused = true)]
    async fn silence_does_not_end_a_connection_without_pings() {
        let config = Config { listen: crate::Listen::Stdio, ..Config::default() };
        let executor = Executor::bind(config).await.unwrap();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (input, output) = split(theirs);
        let connection = Stdio::new(input, output, 1024);
        let serving = tokio::spawn(serve(connection, executor.inner.clone(), Principal::stdio().into()));
        let (said, mut say) = split(ours);
        let mut said = BufReader::new(said).lines();
        say.write_all(b"{\"id\":1,\"method\":\"initialize\",\"params\":{\"clientName\":\"t\"}}\n")
            .await
            .unwrap();
        say.write_all(b"{\"method\":\"initialized\"}\n").await.unwrap();
        assert!(said.next_line().await.unwrap().unwrap().contains("sessionId"));
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        say.write_all(b"{\"id\":2,\"method\":\"environment/status\"}\n").await.unwrap();
        assert!(said.next_line().await.unwrap().unwrap().contains("ready"));
        say.shutdown().await.unwrap();
        serving.await.unwrap();
    }
}
