use super::{
    Entry, ServerConfig, ServerState, Snapshot,
    backoff::{Backoff, SHORTEST},
    connect,
    live::Live,
};
use crate::{Failure, lost};
use afield_exchange::Retry;
use rmcp::model::{ClientRequest, PingRequest};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One server and the task that keeps it connected.
pub(super) struct Server {
    entry: Entry,
    pub tasks: TaskTracker,
    ending: CancellationToken,
    killing: CancellationToken,
    phase: watch::Sender<Phase>,
    state: watch::Sender<ServerState>,
    /// A call wants the server, and should not have to wait for the next attempt.
    wanted: Notify,
    /// A call found that the session of this generation is of no use any more.
    lost: Notify,
    lost_generation: Mutex<(u64, Option<Failure>)>,
}

/// What calls go by.
#[derive(Clone, Default)]
pub(super) struct Phase {
    pub live: Option<Arc<Live>>,
    /// Attempts that have failed since the server was started.
    pub failed: u64,
    /// When it was last ready, if ever.
    pub ready_until: Option<Instant>,
}

impl Server {
    pub fn new(
        entry: Entry,
        tasks: TaskTracker,
        ending: CancellationToken,
        killing: CancellationToken,
    ) -> Self {
        let state = match &entry {
            Entry::Server(_) => ServerState::Connecting,
            Entry::Disabled { .. } => ServerState::Disabled,
            Entry::Unusable { failure, .. } => {
                ServerState::Failed { failure: failure.clone(), retry_at: None }
            }
        };
        Self {
            entry,
            tasks,
            ending,
            killing,
            phase: watch::Sender::default(),
            state: watch::Sender::new(state),
            wanted: Notify::new(),
            lost: Notify::new(),
            lost_generation: Mutex::default(),
        }
    }

    /// Whether there is anything to connect to.
    pub fn is_run(&self) -> bool {
        matches!(self.entry, Entry::Server(_))
    }

    pub fn config(&self) -> Option<&ServerConfig> {
        match &self.entry {
            Entry::Server(config) => Some(config),
            _ => None,
        }
    }

    pub fn startup_timeout(&self) -> Duration {
        self.config().map_or(Duration::ZERO, |config| config.startup_timeout)
    }

    pub fn tool_timeout(&self) -> Duration {
        self.config().map_or(Duration::ZERO, |config| config.tool_timeout)
    }

    pub fn watch(&self) -> watch::Receiver<ServerState> {
        self.state.subscribe()
    }

    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub fn state(&self) -> ServerState {
        self.state.borrow().clone()
    }

    pub fn snapshot(&self) -> Snapshot {
        let (name, environment, required) = match &self.entry {
            Entry::Server(config) => (&config.name, &config.environment, config.required),
            Entry::Disabled { name, environment } => (name, environment, false),
            Entry::Unusable { name, environment, required, .. } => (name, environment, *required),
        };
        Snapshot { name: name.clone(), environment: environment.clone(), required, state: self.state() }
    }

    /// Has the next attempt made soon.
    pub fn want(&self) {
        self.wanted.notify_one();
    }

    /// Says that the session of this generation is of no use any more. Of however many calls that find out, the first one
    /// brings about one new session.
    pub fn lose(&self, generation: u64, failure: &Failure) {
        let mut lost = self.lost_generation.lock().unwrap_or_else(PoisonError::into_inner);
        if generation <= lost.0 {
            return;
        }
        *lost = (generation, Some(failure.clone()));
        drop(lost);
        self.phase.send_if_modified(|phase| {
            let is_this = phase.live.as_ref().is_some_and(|live| live.generation <= generation);
            if is_this {
                (phase.live, phase.ready_until) = (None, Some(Instant::now()));
            }
            is_this
        });
        self.lost.notify_one();
    }

    /// Waits for tokens under way to be stored.
    pub async fn settle(&self) {
        if let Some(authorizer) = self.config().and_then(|config| config.authorizer.as_ref()) {
            authorizer.settle().await;
        }
    }

    /// Keeps the server connected until the end.
    pub async fn run(self: Arc<Self>) {
        self.ending.run_until_cancelled(self.keep()).await;
        self.phase.send_modify(|phase| phase.live = None);
        self.state.send_replace(ServerState::Closed);
    }

    async fn keep(&self) {
        let Some(config) = self.config() else { return };
        let (mut backoff, mut generation) = (Backoff::default(), 0);
        loop {
            self.state.send_replace(ServerState::Connecting);
            let began = Instant::now();
            match self.attempt(config, generation + 1).await {
                Ok(live) => {
                    generation += 1;
                    // One that fails right after it was ready is not tried again at once, but for the first time.
                    if self.hold(config, &live).await.elapsed() > SHORTEST * 10 || generation == 1 {
                        backoff = Backoff::default();
                    } else {
                        sleep_until(began + backoff.next()).await;
                    }
                }
                Err(failure) => {
                    let failure = failure.explained(config.authorizer.as_ref()).await;
                    let next = began + backoff.next();
                    tracing::debug!(server = %config.name, stage = %failure.stage, %failure, "not connected");
                    self.fail(failure, next);
                    tokio::select! {
                        () = sleep_until(next) => {}
                        () = self.wanted.notified() => sleep_until((began + SHORTEST).min(next)).await,
                    }
                }
            }
        }
    }

    fn fail(&self, failure: Failure, next: Instant) {
        // Beginning a session executes nothing.
        let failure = failure.beforehand();
        self.state.send_replace(match failure.is_login_needed() {
            true => ServerState::LoginNeeded { failure },
            false => ServerState::Failed { failure, retry_at: Some(next.into_std()) },
        });
        self.phase.send_modify(|phase| {
            phase.live = None;
            phase.failed += 1;
        });
    }

    /// Begins a session and asks what tools there are.
    async fn attempt(&self, config: &ServerConfig, generation: u64) -> Result<Arc<Live>, Failure> {
        let attempt = async {
            let service = connect::open(config).await?;
            let live = Arc::new(Live::new(service, generation, &self.tasks, &self.killing));
            let ready = ready(&live).await?;
            Ok((live, ready))
        };
        let (live, ready) = timeout(config.startup_timeout, attempt)
            .await
            .unwrap_or_else(|_| Err(Failure::startup(config.startup_timeout)))?;
        self.state.send_replace(ready);
        self.phase.send_modify(|phase| phase.live = Some(live.clone()));
        Ok(live)
    }

    /// Holds on to a session until it is of no use any more, and says when it began.
    async fn hold(&self, config: &ServerConfig, live: &Arc<Live>) -> Instant {
        let began = Instant::now();
        loop {
            tokio::select! {
                () = self.lost.notified() => {
                    let lost = self.lost_generation.lock().unwrap_or_else(PoisonError::into_inner).0;
                    if lost >= live.generation {
                        break;
                    }
                }
                () = live.ended.cancelled() => {
                    let failure = Failure::new(crate::Stage::Mcp, "the session ended", "", Retry::Safe);
                    self.lose(live.generation, &failure);
                    break;
                }
                () = live.tools_changed.notified() => self.again(live).await,
                () = pause(config.check_every) => self.check(config, live).await,
            }
        }
        tracing::debug!(server = %config.name, generation = live.generation, "the session is lost");
        began
    }

    /// Asks anew what tools there are.
    async fn again(&self, live: &Live) {
        match timeout(self.startup_timeout(), ready(live)).await {
            Ok(Ok(ready)) => {
                self.state.send_replace(ready);
            }
            Ok(Err(failure)) if failure.is_passing() || failure.is_login_needed() => {
                self.lose(live.generation, &failure);
            }
            _ => {}
        }
    }

    /// Asks whether the server is still there.
    async fn check(&self, config: &ServerConfig, live: &Live) {
        let has_ping = live.peer.peer_info().is_none_or(|info| info.protocol_version.has_initialize());
        if !has_ping {
            return self.again(live).await;
        }
        let ping = live.peer.send_request(ClientRequest::PingRequest(PingRequest::default()));
        let failure = match timeout(config.startup_timeout, ping).await {
            // A server that refuses to be pinged is there.
            Ok(Err(rmcp::ServiceError::McpError(error))) if lost::is_told_by(&error) => {
                Failure::session_lost()
            }
            Ok(Ok(_) | Err(rmcp::ServiceError::McpError(_))) => return,
            Ok(Err(error)) => Failure::of_service(&error),
            Err(_) => Failure::startup(config.startup_timeout),
        };
        self.lose(live.generation, &failure);
    }
}

async fn pause(every: Option<Duration>) {
    match every {
        Some(every) => sleep(every).await,
        None => std::future::pending().await,
    }
}

/// What the server is, now that there is a session.
async fn ready(live: &Live) -> Result<ServerState, Failure> {
    let info = live.peer.peer_info();
    let has_tools = info.as_ref().is_none_or(|info| info.capabilities.tools.is_some());
    let tools = match has_tools {
        true => Some(live.peer.list_all_tools().await.map_err(|error| Failure::of_service(&error))?.len()),
        false => None,
    };
    let version = info.as_ref().map(|info| info.protocol_version.as_str().to_owned());
    let server = info.and_then(|info| {
        let server = info.server_info.as_ref()?;
        // Some leave the version empty.
        Some(format!("{} {}", server.name, server.version).trim().to_owned()).filter(|name| !name.is_empty())
    });
    Ok(ServerState::Ready { revision: version.unwrap_or_default(), server, tools })
}
