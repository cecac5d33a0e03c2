//! The scenarios, and how one sample of each is taken.

use crate::{
    Result,
    load::{BaseClient, Call, DirectClient, Outcome, OwnClient, Stop},
    origin::Origin,
    process::{Listening, Usage},
    sample::Metrics,
};
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;

/// What is done to a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Buffered GETs of 1 KiB, one after another.
    BufferedC1,
    /// Buffered GETs of 1 KiB, 32 at a time.
    BufferedC32,
    /// Streamed GETs of 1 KiB, one after another; latency is to the terminal frame.
    StreamedC1,
    /// Streamed GETs of 1 KiB, 32 at a time.
    StreamedC32,
    /// One large stream.
    Bulk1,
    /// Four large streams at once.
    Bulk4,
    /// A hundred streams at once.
    Crowd,
    /// The same, beside one that is never read.
    Stalled,
    /// POSTs of 4 MiB, one after another, inline in base.
    Upload,
    /// 1,000 SSE streams that stay silent, on one connection: memory for each.
    Idle,
    /// An executor that nobody has called yet: memory.
    Rest,
}

const SMALL: u64 = 1024;
const UPLOAD: usize = 4 << 20;
const IDLE_STREAMS: usize = 1000;
const CROWD: usize = 100;
/// How long an executor is left alone before its memory is read: long enough to start or to settle.
const SETTLE: Duration = Duration::from_millis(500);

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Self; 11] = [
        Self::BufferedC1,
        Self::BufferedC32,
        Self::StreamedC1,
        Self::StreamedC32,
        Self::Bulk1,
        Self::Bulk4,
        Self::Crowd,
        Self::Stalled,
        Self::Upload,
        Self::Idle,
        Self::Rest,
    ];

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::BufferedC1 => "buffered-c1",
            Self::BufferedC32 => "buffered-c32",
            Self::StreamedC1 => "streamed-c1",
            Self::StreamedC32 => "streamed-c32",
            Self::Bulk1 => "bulk-1",
            Self::Bulk4 => "bulk-4",
            Self::Crowd => "crowd",
            Self::Stalled => "stalled",
            Self::Upload => "upload",
            Self::Idle => "idle",
            Self::Rest => "rest",
        }
    }

    /// What it is, in a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::BufferedC1 => "buffered GET, 1 KiB, one at a time",
            Self::BufferedC32 => "buffered GET, 1 KiB, 32 at a time",
            Self::StreamedC1 => "streamed GET, 1 KiB, one at a time",
            Self::StreamedC32 => "streamed GET, 1 KiB, 32 at a time",
            Self::Bulk1 => "one large stream",
            Self::Bulk4 => "four large streams",
            Self::Crowd => "a hundred streams",
            Self::Stalled => "a hundred streams, and one never read",
            Self::Upload => "POST of 4 MiB",
            Self::Idle => "1,000 silent SSE streams",
            Self::Rest => "at rest",
        }
    }

    /// By name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(|| format!("one of {} is wanted", Self::ALL.map(Self::name).join(", ")))
    }

    /// Whether its results are those of calls, not of an executor's mere being.
    pub fn makes_calls(self) -> bool {
        !matches!(self, Self::Idle | Self::Rest)
    }

    /// Whether its rate is one of bytes.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::Bulk1 | Self::Bulk4 | Self::Crowd | Self::Stalled | Self::Upload)
    }

    /// Whether it takes credit for each stream, which only afield/1 has.
    pub fn takes_credit(self) -> bool {
        matches!(self, Self::Crowd | Self::Stalled)
    }

    fn parallel(self) -> usize {
        match self {
            Self::BufferedC32 | Self::StreamedC32 => 32,
            Self::Bulk4 => 4,
            Self::Crowd | Self::Stalled => CROWD,
            _ => 1,
        }
    }

    fn call(self, origin: &Origin, size: Size) -> Call {
        let get = |path: &str, streamed, expect| Call {
            method: "GET",
            url: origin.url(path),
            body: Bytes::new(),
            streamed,
            expect,
        };
        match self {
            Self::BufferedC1 | Self::BufferedC32 => get("/bytes/1024", false, SMALL),
            Self::StreamedC1 | Self::StreamedC32 => get("/bytes/1024", true, SMALL),
            Self::Bulk1 => get(&format!("/bytes/{}", size.bulk), true, size.bulk),
            Self::Bulk4 => get(&format!("/bytes/{}", size.bulk / 4), true, size.bulk / 4),
            Self::Crowd | Self::Stalled => {
                let bytes = size.bulk / CROWD as u64;
                get(&format!("/bytes/{bytes}"), true, bytes)
            }
            Self::Upload => Call {
                method: "POST",
                url: origin.url("/upload"),
                body: vec![b'u'; UPLOAD].into(),
                streamed: false,
                expect: 0,
            },
            Self::Idle | Self::Rest => get("/sse", true, 0),
        }
    }

    fn stop(self, size: Size) -> Stop {
        match self {
            Self::Bulk1 => Stop::Calls(1),
            Self::Bulk4 => Stop::Calls(4),
            Self::Crowd | Self::Stalled => Stop::Calls(CROWD),
            Self::Upload => Stop::Calls(size.uploads),
            _ => Stop::After(size.time),
        }
    }
}

/// How large a sample is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Of a load of small calls.
    pub time: Duration,
    /// Bytes of a load of large streams, all together.
    pub bulk: u64,
    /// Uploads.
    pub uploads: usize,
}

impl Size {
    /// Enough for the CPU clock's steps of 10 ms not to matter.
    pub const FULL: Self = Self { time: Duration::from_secs(3), bulk: 256 << 20, uploads: 48 };
    /// Enough to see that it works.
    pub const QUICK: Self = Self { time: Duration::from_millis(700), bulk: 64 << 20, uploads: 12 };
}

/// One sample without an executor.
pub async fn direct(scenario: Scenario, origin: &Origin, size: Size) -> Result<Metrics> {
    let call = scenario.call(origin, size);
    let mut client = DirectClient::connect(origin.authority(), scenario.parallel()).await?;
    client.run(&call, Stop::Calls(scenario.parallel())).await?;
    let driver = Usage::own()?;
    let outcome = client.run(&call, scenario.stop(size)).await?;
    let mut metrics = Metrics::of_load(scenario, &outcome, UPLOAD);
    metrics.add_driver(&outcome, driver, Usage::own()?);
    Ok(metrics)
}

/// One sample of an executor that nobody has used, driven in the base dialect.
pub async fn base(scenario: Scenario, executor: &Listening, origin: &Origin, size: Size) -> Result<Metrics> {
    let call = scenario.call(origin, size);
    if scenario == Scenario::Rest {
        tokio::time::sleep(SETTLE).await;
        return Ok(Metrics::at_rest(executor.usage()?));
    }
    let mut client = BaseClient::connect(executor.authority()).await?;
    if scenario == Scenario::Idle {
        return idle(&mut client, &call, executor).await;
    }
    warm_up(&mut client, scenario, &call, origin, size).await?;
    let (driver, before) = (Usage::own()?, executor.usage()?);
    let outcome = client.run(&call, scenario.parallel(), scenario.stop(size)).await?;
    let (driven, after) = (Usage::own()?, executor.usage()?);
    let mut metrics = Metrics::of_load(scenario, &outcome, UPLOAD);
    metrics.add_driver(&outcome, driver, driven);
    metrics.add_executor(scenario, &outcome, before, after, UPLOAD);
    Ok(metrics)
}

/// One sample of an afield executor that nobody has used, driven by afield's own client.
pub async fn client(
    scenario: Scenario,
    executor: &Listening,
    origin: &Origin,
    size: Size,
) -> Result<Metrics> {
    let call = scenario.call(origin, size);
    let client = OwnClient::connect(executor.authority()).await?;
    let warm_up = if scenario.is_bulk() { Stop::Calls(1) } else { Stop::After(size.time / 10) };
    client.run(&call, scenario.parallel(), warm_up).await?;
    let unread = match scenario {
        Scenario::Stalled => Some(client.open(&origin.url(&format!("/bytes/{}", size.bulk))).await?),
        _ => None,
    };
    let (driver, before) = (Usage::own()?, executor.usage()?);
    let outcome = client.run(&call, scenario.parallel(), scenario.stop(size)).await?;
    let (driven, after) = (Usage::own()?, executor.usage()?);
    drop(unread);
    let mut metrics = Metrics::of_load(scenario, &outcome, UPLOAD);
    metrics.add_driver(&outcome, driver, driven);
    metrics.add_executor(scenario, &outcome, before, after, UPLOAD);
    Ok(metrics)
}

/// Connections, allocator and branch predictors warm; and the answer checked byte by byte.
async fn warm_up(
    client: &mut BaseClient,
    scenario: Scenario,
    call: &Call,
    origin: &Origin,
    size: Size,
) -> Result<()> {
    if !scenario.is_bulk() {
        client.check(call).await?;
        client.run(call, scenario.parallel(), Stop::After(size.time / 10)).await?;
        return Ok(());
    }
    if scenario == Scenario::Upload {
        client.run(call, 1, Stop::Calls(1)).await?;
        return Ok(());
    }
    let smaller = Call { url: origin.url("/bytes/1048577"), expect: (1 << 20) + 1, ..call.clone() };
    client.check(&smaller).await
}

/// Memory for each of many open, silent streams, above what one such stream took.
async fn idle(client: &mut BaseClient, call: &Call, executor: &Listening) -> Result<Metrics> {
    client.hold(call, 1).await?;
    tokio::time::sleep(SETTLE).await;
    let before = executor.usage()?;
    client.hold(call, IDLE_STREAMS).await?;
    tokio::time::sleep(SETTLE).await;
    Ok(Metrics::idle(before, executor.usage()?, IDLE_STREAMS))
}

impl Outcome {
    /// The number of calls, as a divisor.
    pub fn calls(&self) -> f64 {
        self.latencies.len().max(1) as f64
    }
}
