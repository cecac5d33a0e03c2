//! The processes beside this one, and what they use.

use crate::{Result, origin::Origin};
use afield_testkit::{
    Process,
    process::{Command, Usage as Live},
};
use std::time::Duration;

/// A process's use of the machine at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all its threads, also of those that ended. In steps of 10 ms.
    pub cpu: Duration,
    /// Resident memory in bytes, mapped files included.
    pub resident: u64,
}

impl Usage {
    /// Of this process.
    fn own() -> Result<Self> {
        Self::read(Live::own())
    }

    fn read(live: Live) -> Result<Self> {
        Ok(Self { cpu: live.cpu_time()?, resident: live.rss_bytes()? })
    }
}

/// A process that listens on a port of its choice and prints where; dropping it kills it.
pub struct Listening {
    process: Process,
    authority: String,
}

impl Listening {
    /// Starts `command` and waits until it prints `HOST:PORT`, with or without `ws://` before it.
    ///
    /// Proxy variables of the environment are taken away: every subject goes straight to the loopback origin.
    pub async fn start(mut command: Command) -> Result<Self> {
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let program = command.as_std().get_program().to_owned();
        let process = Process::start(command)
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let listening = |line: &str| {
            let authority = line.trim().trim_start_matches("ws://").trim_end_matches('/');
            authority.starts_with("127.0.0.1:").then(|| authority.to_owned())
        };
        let authority = process.stdout().wait(format!("{} listens", program.display()), listening).await;
        Ok(Self { process, authority })
    }

    /// What follows `start` in the line that begins so.
    pub async fn line(&self, what: &str, start: &str) -> String {
        self.process.stdout().wait(what, |line| line.strip_prefix(start).map(str::to_owned)).await
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What it has used up to now.
    pub fn usage(&self) -> Result<Usage> {
        Usage::read(self.process.usage())
    }
}

/// Takes what the three processes use during a load.
pub struct Meter<'a> {
    origin: &'a Origin,
    executor: Option<&'a Listening>,
    before: [Usage; 2],
    executor_before: Option<Usage>,
}

/// What a load took.
pub struct Spent {
    /// CPU time of this process.
    pub driver: Duration,
    /// CPU time of the origin.
    pub origin: Duration,
    /// CPU time of the executor, and its resident memory afterwards.
    pub executor: Option<(Duration, u64)>,
}

impl<'a> Meter<'a> {
    /// Begins, right before a load.
    pub fn start(origin: &'a Origin, executor: Option<&'a Listening>) -> Result<Self> {
        let executor_before = executor.map(Listening::usage).transpose()?;
        Ok(Self { origin, executor, before: [Usage::own()?, origin.usage()?], executor_before })
    }

    /// Ends, right after it.
    pub fn stop(self) -> Result<Spent> {
        let after = self.executor.map(Listening::usage).transpose()?;
        let [driver, origin] = self.before;
        let executor = self.executor_before.zip(after);
        Ok(Spent {
            driver: Usage::own()?.cpu.saturating_sub(driver.cpu),
            origin: self.origin.usage()?.cpu.saturating_sub(origin.cpu),
            executor: executor.map(|(before, after)| (after.cpu.saturating_sub(before.cpu), after.resident)),
        })
    }
}
