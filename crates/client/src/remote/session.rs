use super::{
    backoff::Backoff,
    config::{ConnectError, RemoteConfig},
    connect::after,
    driver::{Driver, End},
    endpoint::{self, Opened, Resumption},
    shared::{Shared, State},
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

/// The task of one session: drives its connection and, in afield/1, finds another one when that is lost.
pub(crate) struct Session {
    config: Arc<RemoteConfig>,
    id: String,
    dialect: Arc<str>,
    /// How long the executor keeps the session without a connection.
    grace: Duration,
    shared: Arc<Shared>,
    state: Teller,
    attempt: u64,
    backoff: Backoff,
    resumed: u32,
}

impl Session {
    pub fn new(config: Arc<RemoteConfig>, connected: &Connected, shared: Arc<Shared>, state: Teller) -> Self {
        let grace = connected.limit("graceMs").map_or(config.limits.grace, Duration::from_millis);
        Self {
            config,
            id: connected.session_id.clone(),
            dialect: connected.dialect.as_deref().unwrap_or("base").into(),
            grace,
            shared,
            state,
            attempt: 0,
            backoff: Backoff::default(),
            resumed: 0,
        }
    }

    /// Runs until the session is over, and tells everybody who waits.
    pub async fn run(mut self, mut connection: Box<dyn Connection>) {
        loop {
            let (dialect, resumed) = (self.dialect.clone(), self.resumed);
            self.state.say(ConnectionState::Connected { dialect, resumed });
            let driver = Driver::new(connection, self.shared.clone());
            let (end, was_of_use) = driver.run(|end| self.connection_ended(end)).await;
            if self.is_over() {
                break;
            }
            match self.reconnect(&end, was_of_use || self.resumed == 0).await {
                Ok(again) => {
                    connection = again;
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
        let is_over = state.over.is_some() || !end.is_passing();
        if let Client::Resumable(session) = &mut state.client
            && session.active() > 0
            && !is_over
        {
            return session.detach();
        }
        // Under the same lock: whoever comes now finds that it is over, and begins a new one.
        end_session(state, &end.to_string(), end.is_eviction());
    }

    /// Another connection of the same session, within the grace. It is sought at once, then after growing waits. A
    /// connection that was of no use counts as an attempt that has failed.
    async fn reconnect(&mut self, end: &End, was_of_use: bool) -> Result<Box<dyn Connection>, String> {
        let why: Arc<str> = end.to_string().into();
        let deadline = after(self.grace);
        let mut next = Instant::now();
        if was_of_use {
            self.backoff = Backoff::default();
        } else {
            next += self.backoff.next();
        }
        loop {
            self.state
                .say(ConnectionState::Reconnecting { why: why.clone(), attempts: self.backoff.attempts() });
            self.attempt += 1;
            let resuming = async {
                sleep_until(next).await;
                self.resume(deadline).await
            };
            let failed = tokio::select! {
                biased;
                () = self.unwanted() => return Err("nobody needs it any more".to_owned()),
                resumed = resuming => match resumed {
                    Ok(connection) => return Ok(connection),
                    Err(error) => error,
                },
            };
            tracing::debug!(error = %failed, "could not resume the session with the executor");
            next = Instant::now() + self.backoff.next();
            if !failed.leaves_hope() {
                return Err(failed.to_string());
            }
            if next >= deadline {
                let seconds = self.grace.as_secs_f32();
                return Err(format!("{why}; the executor was out of reach for {seconds} s: {failed}"));
            }
        }
    }

    async fn resume(&self, deadline: Instant) -> Result<Box<dyn Connection>, ConnectError> {
        let resumption = Resumption { session: &self.id, attempt: self.attempt };
        let limit = deadline.min(after(self.config.connect_timeout));
        let opened = timeout_at(limit, endpoint::open(&self.config, limit, Some(resumption))).await;
        let Opened { connection, connected } =
            opened.map_err(|_| ConnectError::Ended("it did not answer in time".to_owned()))??;
        if connected.resumed != Some(true) || connected.session_id != self.id {
            return Err(ConnectError::Refused("it did not resume the session".to_owned()));
        }
        if let Client::Resumable(session) = &mut self.shared.lock().client {
            session.attach();
        }
        Ok(connection)
    }

    /// Waits until nothing is under way that needs a connection; then the session is over.
    async fn unwanted(&self) {
        poll_fn(|cx| {
            self.shared.driver.register(cx.waker());
            let mut woken: Vec<Waker> = Vec::new();
            let mut state = self.shared.lock();
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

    fn is_over(&self) -> bool {
        self.shared.lock().over.is_some()
    }

    fn lost(&self, why: &str, evicted: bool) {
        end_session(self.shared.lock(), why, evicted);
    }
}

fn end_session(mut state: MutexGuard<'_, State>, why: &str, evicted: bool) {
    let mut woken = Vec::new();
    state.lost(why, evicted);
    state.take_woken(&mut woken);
    state.take_all(&mut woken);
    drop(state);
    woken.into_iter().for_each(Waker::wake);
}
