use super::{
    backoff::Backoff,
    config::RemoteConfig,
    connect::after,
    driver::{Driver, End},
    endpoint::{self, Opened, Resumption},
    error::ConnectError,
    others::Others,
    passing::{Aim, is_passing},
    route::Route,
    shared::{Shared, State, now},
    state::{ConnectionState, Teller},
};
use afield_protocol::client::{Client, Connected};
use afield_transport::Connection;
use std::{
    future::poll_fn,
    sync::{Arc, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long one attempt to come back may take, and how many times the longest round trip that was seen, if that is more: a path
/// that was dead may be well again, and only another attempt finds that out.
const ATTEMPT: Duration = Duration::from_secs(10);
const ROUND_TRIPS: u32 = 8;

/// How long before the grace is over the last attempt is made, where the next one would come too late.
const LAST_ATTEMPT: Duration = Duration::from_millis(500);

/// The task of one session: drives its connection and, in afield/1, finds another one when that is lost.
pub(crate) struct Session {
    config: Arc<RemoteConfig>,
    id: String,
    /// The executor that has it, if it has said which it is.
    held_by: Option<String>,
    route: Route,
    dialect: Arc<str>,
    /// How long the executor keeps the session without a connection.
    grace: Duration,
    shared: Arc<Shared>,
    state: Teller,
    attempt: u64,
    backoff: Backoff,
    resumed: u32,
    /// How long `initialize` took, at most.
    slowest: Duration,
}

impl Session {
    pub fn new(
        config: Arc<RemoteConfig>,
        connected: &Connected,
        route: Route,
        shared: Arc<Shared>,
        state: Teller,
    ) -> Self {
        let grace = connected.limit("graceMs").map_or(config.limits.grace, Duration::from_millis);
        Self {
            config,
            id: connected.session_id.clone(),
            held_by: connected.instance.clone(),
            route,
            dialect: connected.dialect.as_deref().unwrap_or("base").into(),
            grace,
            shared,
            state,
            attempt: 0,
            backoff: Backoff::default(),
            resumed: 0,
            slowest: Duration::ZERO,
        }
    }

    /// Runs until the session is over, and tells everybody who waits.
    /// `round_trip` is how long the executor took to answer on this connection.
    pub async fn run(mut self, mut connection: Box<dyn Connection>, mut round_trip: Duration) {
        loop {
            let (dialect, resumed) = (self.dialect.clone(), self.resumed);
            self.state.say(ConnectionState::Connected { dialect, resumed });
            self.slowest = self.slowest.max(round_trip);
            let driver = Driver::new(connection, self.shared.clone(), round_trip);
            let (end, was_of_use) = driver.run(|end| self.connection_ended(end)).await;
            if self.is_over() {
                break;
            }
            match self.reconnect(&end, was_of_use || self.resumed == 0).await {
                Ok(again) => {
                    (connection, round_trip) = again;
                    self.resumed += 1;
                }
                Err(why) => {
                    self.lost(&why, false);
                    break;
                }
            }
        }
        self.state.say(ConnectionState::Idle);
    }

    /// Where nothing is left to go on with, or nothing may, the session ends with its connection.
    fn connection_ended(&self, end: &End) {
        let mut state = self.shared.lock();
        // An executor that ends with its connection, as one on standard input and output, keeps its sessions for no time.
        let is_over = state.over.is_some() || !end.is_passing() || self.grace.is_zero();
        if let Client::Resumable(session) = &mut state.client
            && session.active() > 0
            && !is_over
        {
            session.detach();
            state.lost_at = Some(now());
            // Whoever goes on only so long without a connection begins to count.
            let mut woken = Vec::new();
            state.take_all(&mut woken);
            drop(state);
            return woken.into_iter().for_each(Waker::wake);
        }
        // Under the same lock: whoever comes now finds that it is over, and begins a new one.
        end_session(state, &end.to_string(), end.is_eviction());
    }

    /// Another connection of the same session, within the grace. It is sought at once, then after growing waits. A
    /// connection that was of no use counts as an attempt that has failed.
    async fn reconnect(
        &mut self,
        end: &End,
        was_of_use: bool,
    ) -> Result<(Box<dyn Connection>, Duration), String> {
        let why: Arc<str> = end.to_string().into();
        let deadline = after(self.grace);
        let aim = Aim::Resume { marked: self.held_by.is_some() };
        let mut failed: Option<Arc<str>> = None;
        let mut others = Others::new(&self.config.endpoint);
        let mut next = Instant::now();
        if was_of_use {
            self.backoff = Backoff::default();
        } else {
            next += self.backoff.next();
        }
        loop {
            self.state.say(ConnectionState::Reconnecting {
                why: why.clone(),
                attempts: self.backoff.attempts(),
                failed: failed.clone(),
            });
            self.attempt += 1;
            let shared = self.shared.clone();
            let resuming = async {
                sleep_until(next).await;
                self.resume(deadline).await
            };
            let error = tokio::select! {
                biased;
                () = unwanted(&shared) => return Err("nobody needs it any more".to_owned()),
                resumed = resuming => match resumed {
                    Ok(connection) => return Ok(connection),
                    Err(error) => error,
                },
            };
            tracing::debug!(%error, "could not resume the session with the executor");
            if !is_passing(&error, aim) {
                return Err(error.to_string());
            }
            let mut wait = self.backoff.next();
            if let ConnectError::AnotherExecutor { instance, .. } = &error {
                if others.have_replaced_it(instance.as_deref(), Instant::now()) {
                    return Err(format!("{why}; {error}"));
                }
                wait = wait.min(Others::wait());
                // What begins now need not wait for the executor that has this session.
                self.shared.lock().astray = true;
            }
            next = Instant::now() + wait;
            if next >= deadline {
                let last = deadline.checked_sub(LAST_ATTEMPT).unwrap_or(deadline);
                if Instant::now() >= last {
                    let seconds = self.grace.as_secs_f32();
                    return Err(format!("{why}; the executor was out of reach for {seconds} s: {error}"));
                }
                next = last;
            }
            failed = Some(error.to_string().into());
        }
    }

    async fn resume(&mut self, deadline: Instant) -> Result<(Box<dyn Connection>, Duration), ConnectError> {
        let resumption =
            Resumption { session: &self.id, attempt: self.attempt, held_by: self.held_by.as_deref() };
        let attempt = ATTEMPT.max(self.slowest.saturating_mul(ROUND_TRIPS)).min(self.config.connect_timeout);
        let limit = deadline.min(after(attempt));
        let opening = endpoint::open(&self.config, limit, &mut self.route, Some(resumption));
        let opened = timeout_at(limit, opening).await;
        let Opened { connection, connected, round_trip } =
            opened.map_err(|_| ConnectError::Timeout(self.config.connect_timeout))??;
        if connected.resumed != Some(true) || connected.session_id != self.id {
            let what = "it did not resume the session".to_owned();
            return Err(match self.held_by.is_some() && connected.instance != self.held_by {
                true => ConnectError::AnotherExecutor { message: what, instance: connected.instance.clone() },
                false => ConnectError::Refused(what),
            });
        }
        let mut state = self.shared.lock();
        state.astray = false;
        state.lost_at = None;
        if let Client::Resumable(session) = &mut state.client {
            session.attach();
        }
        drop(state);
        Ok((connection, round_trip))
    }

    fn is_over(&self) -> bool {
        self.shared.lock().over.is_some()
    }

    fn lost(&self, why: &str, evicted: bool) {
        end_session(self.shared.lock(), why, evicted);
    }
}

/// Waits until nothing is under way that needs a connection; then the session is over.
async fn unwanted(shared: &Shared) {
    poll_fn(|cx| {
        shared.driver.register(cx.waker());
        let mut woken: Vec<Waker> = Vec::new();
        let mut state = shared.lock();
        state.take_woken(&mut woken);
        let unwanted = state.closing || state.client.active() == 0;
        if unwanted {
            state.over.get_or_insert_with(|| "nobody needs it any more".into());
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        if unwanted { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn end_session(mut state: MutexGuard<'_, State>, why: &str, evicted: bool) {
    let mut woken = Vec::new();
    state.lost(why, evicted);
    state.take_woken(&mut woken);
    state.take_all(&mut woken);
    drop(state);
    woken.into_iter().for_each(Waker::wake);
}
