//! Principals that behave: each has a connection and a session, and makes a small call now and then.

use super::Load;
use crate::{
    Result,
    load::{BaseClient, Call, OwnClient, Stop},
    process::Listening,
};
use futures_util::future;
use std::time::{Duration, Instant};

/// Every so many calls of a principal are made on a session that is begun for it, with a connection of its own.
const ANEW: usize = 8;

/// All of them.
pub struct Others<'a> {
    all: Vec<Principal<'a>>,
    executor: &'a Listening,
    call: &'a Call,
}

struct Principal<'a> {
    token: &'a str,
    client: Option<Client>,
    calls: usize,
    /// Half of them speak each dialect.
    is_own_dialect: bool,
}

enum Client {
    Base(Box<BaseClient>),
    Own(OwnClient),
}

/// What came of their calls.
#[derive(Default)]
pub struct Measured {
    /// How long calls took on a session that was there.
    pub calls: Vec<Duration>,
    /// How long connecting, beginning a session and one call took.
    pub beginnings: Vec<Duration>,
    /// Calls that were not answered as they should be, and why the last was not.
    pub failures: usize,
    pub failure: Option<String>,
    /// Of the executor: processor time, and what is resident then.
    pub cpu: Duration,
    pub resident: u64,
}

impl<'a> Others<'a> {
    /// With a session each.
    pub async fn connect(executor: &'a Listening, tokens: &'a [String], call: &'a Call) -> Result<Self> {
        let mut all = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let is_own_dialect = at % 2 == 1;
            let client = Client::connect(executor.authority(), token, is_own_dialect).await?;
            // So that they do not all begin anew with the same call.
            all.push(Principal { token, client: Some(client), calls: at / 2, is_own_dialect });
        }
        Ok(Self { all, executor, call })
    }

    /// Each makes its calls for this long, one after the other.
    pub async fn run(&mut self, load: &Load, time: Duration) -> Result<Measured> {
        let before = self.executor.usage()?;
        let (executor, call, count) = (self.executor.authority(), self.call, self.all.len() as u32);
        let begun = tokio::time::Instant::now();
        let mut all = self.all.iter_mut().zip(0..).map(|(principal, at)| async move {
            let mut measured = Measured::default();
            let mut next = begun + load.every * at / count;
            while next < begun + time {
                tokio::time::sleep_until(next).await;
                principal.make(executor, call, &mut measured).await;
                next += load.every;
            }
            measured
        });
        let mut measured = Measured::default();
        for one in future::join_all(&mut all).await {
            measured.add(one);
        }
        let after = self.executor.usage()?;
        measured.calls.sort_unstable();
        measured.beginnings.sort_unstable();
        (measured.cpu, measured.resident) = (after.cpu.saturating_sub(before.cpu), after.resident);
        Ok(measured)
    }
}

impl Principal<'_> {
    async fn make(&mut self, executor: &str, call: &Call, measured: &mut Measured) {
        self.calls += 1;
        let anew = self.calls.is_multiple_of(ANEW);
        let began = Instant::now();
        match self.attempt(executor, call, anew).await {
            Ok(()) if anew => measured.beginnings.push(began.elapsed()),
            Ok(()) => measured.calls.push(began.elapsed()),
            Err(error) => {
                measured.failures += 1;
                measured.failure = Some(error.to_string());
                self.client = None;
            }
        }
    }

    async fn attempt(&mut self, executor: &str, call: &Call, anew: bool) -> Result<()> {
        let mut client = match self.client.take() {
            Some(client) if !anew => client,
            _ => Client::connect(executor, self.token, self.is_own_dialect).await?,
        };
        match &mut client {
            Client::Base(client) => client.run(call, 1, Stop::Calls(1)).await?,
            Client::Own(client) => client.run(call, 1, Stop::Calls(1)).await?,
        };
        self.client = Some(client);
        Ok(())
    }
}

impl Client {
    async fn connect(executor: &str, token: &str, is_own_dialect: bool) -> Result<Self> {
        Ok(if is_own_dialect {
            Self::Own(OwnClient::connect_as(executor, Some(token)).await?)
        } else {
            Self::Base(Box::new(BaseClient::connect_as(executor, Some(token)).await?))
        })
    }
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.calls.extend(other.calls);
        self.beginnings.extend(other.beginnings);
        self.failures += other.failures;
        self.failure = other.failure.or(self.failure.take());
    }
}
