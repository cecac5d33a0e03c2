//! The scenarios, and how one sample of each is taken.

use crate::{
    Result,
    load::{self, BaseClient, Call, DirectClient, Outcome, OwnClient, Stop},
    origin::Origin,
    process::{Listening, Meter, Usage},
    sample::Metrics,
    subject::Subject,
};
use bytes::Bytes;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// What is done to a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Buffered GETs of 1 KiB, 32 at a time, of one orchestrator's connection.
    Connections1,
    /// The same over a hundred connections in turn.
    Connections100,
    /// The same over a thousand.
    Connections1000,
    /// Buffered GETs of 1 KiB, 32 at a time, from one origin.
    Origins1,
    /// The same from a hundred origins in turn.
    Origins100,
    /// The same from a thousand.
    Origins1000,
}

const SMALL: u64 = 1024;
const UPLOAD: usize = 4 << 20;
const IDLE_STREAMS: usize = 1000;
const CROWD: usize = 100;
/// How many origins there are beside the one that every scenario has.
pub const MORE_ORIGINS: usize = 999;
/// How long an executor is left alone before its memory is read: long enough to start or to settle.
const SETTLE: Duration = Duration::from_millis(500);

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Self; 17] = [
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
        Self::Connections1,
        Self::Connections100,
        Self::Connections1000,
        Self::Origins1,
        Self::Origins100,
        Self::Origins1000,
    ];

    /// Its name on the command line and in JSON, and what it is in a table.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::BufferedC1 => ("buffered-c1", "buffered GET, 1 KiB, one at a time"),
            Self::BufferedC32 => ("buffered-c32", "buffered GET, 1 KiB, 32 at a time"),
            Self::StreamedC1 => ("streamed-c1", "streamed GET, 1 KiB, one at a time"),
            Self::StreamedC32 => ("streamed-c32", "streamed GET, 1 KiB, 32 at a time"),
            Self::Bulk1 => ("bulk-1", "one large stream"),
            Self::Bulk4 => ("bulk-4", "four large streams"),
            Self::Crowd => ("crowd", "a hundred streams"),
            Self::Stalled => ("stalled", "a hundred streams, and one never read"),
            Self::Upload => ("upload", "POST of 4 MiB"),
            Self::Idle => ("idle", "1,000 silent SSE streams"),
            Self::Rest => ("rest", "at rest"),
            Self::Connections1 => ("connections-1", "1 connection, 32 calls at a time"),
            Self::Connections100 => ("connections-100", "100 connections, 32 calls at a time"),
            Self::Connections1000 => ("connections-1000", "1,000 connections, 32 calls at a time"),
            Self::Origins1 => ("origins-1", "1 origin, 32 calls at a time"),
            Self::Origins100 => ("origins-100", "100 origins, 32 calls at a time"),
            Self::Origins1000 => ("origins-1000", "1,000 origins, 32 calls at a time"),
        }
    }

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is, in a table.
    pub fn title(self) -> &'static str {
        self.words().1
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// Whether this subject takes part.
    pub fn is_for(self, subject: Subject) -> bool {
        match self {
            Self::Rest => subject.is_executor(),
            Self::Idle => subject != Subject::Direct,
            // Credit for each stream and sessions of their own are afield/1's.
            Self::Crowd | Self::Stalled => subject.is_own_dialect(),
            _ if self.growth().is_some() => subject.is_own_dialect(),
            _ => true,
        }
    }

    /// How many connections and origins it has, if that is what grows in it.
    pub fn growth(self) -> Option<Growth> {
        let of = |connections, origins| Some(Growth { connections, origins });
        match self {
            Self::Connections1 | Self::Origins1 => of(1, 1),
            Self::Connections100 => of(100, 1),
            Self::Connections1000 => of(1000, 1),
            Self::Origins100 => of(1, 100),
            Self::Origins1000 => of(1, 1 + MORE_ORIGINS),
            _ => None,
        }
    }

    /// Whether its results are those of calls, not of an executor's mere being.
    pub fn makes_calls(self) -> bool {
        !matches!(self, Self::Idle | Self::Rest)
    }

    /// Whether its rate is one of bytes.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::Bulk1 | Self::Bulk4 | Self::Crowd | Self::Stalled | Self::Upload)
    }

    /// How many calls are made at a time.
    pub fn parallel(self) -> usize {
        match self {
            Self::BufferedC32 | Self::StreamedC32 => 32,
            Self::Bulk4 => 4,
            Self::Crowd | Self::Stalled => CROWD,
            _ if self.growth().is_some() => 32,
            _ => 1,
        }
    }

    /// The call that is made over and over.
    pub fn call(self, origin: &Origin, size: Size) -> Call {
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
            Self::Connections1
            | Self::Connections100
            | Self::Connections1000
            | Self::Origins1
            | Self::Origins100
            | Self::Origins1000 => get("/bytes/1024", false, SMALL),
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

/// What grows.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub connections: usize,
    pub origins: usize,
}

impl Growth {
    /// How many there are of what grows.
    fn count(self) -> usize {
        self.connections.max(self.origins)
    }
}

impl Serialize for Scenario {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
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
    pub const FULL: Self = Self { time: Duration::from_secs(3), bulk: 1 << 30, uploads: 128 };
    /// Enough to see that it works.
    pub const QUICK: Self = Self { time: Duration::from_millis(700), bulk: 64 << 20, uploads: 12 };
}

/// One sample without an executor.
pub async fn direct(scenario: Scenario, origin: &Origin, size: Size) -> Result<Metrics> {
    let call = scenario.call(origin, size);
    let mut client = DirectClient::connect(origin.authority(), scenario.parallel()).await?;
    client.run(&call, Stop::Calls(scenario.parallel())).await?;
    let meter = Meter::start(origin, None)?;
    let outcome = client.run(&call, scenario.stop(size)).await?;
    Ok(Metrics::of_load(scenario, &outcome, UPLOAD, &meter.stop()?))
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
        client.hold(&call, 1).await?;
        let before = settled(executor).await?;
        client.hold(&call, IDLE_STREAMS).await?;
        return Ok(Metrics::grown(before, settled(executor).await?, IDLE_STREAMS));
    }
    warm_up(&mut client, scenario, &call, origin, size).await?;
    let meter = Meter::start(origin, Some(executor))?;
    let outcome = client.run(&call, scenario.parallel(), scenario.stop(size)).await?;
    Ok(Metrics::of_load(scenario, &outcome, UPLOAD, &meter.stop()?))
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
    if scenario == Scenario::Idle {
        let _first = client.hold(&call.url, 1).await?;
        let before = settled(executor).await?;
        let _held = client.hold(&call.url, IDLE_STREAMS).await?;
        return Ok(Metrics::grown(before, settled(executor).await?, IDLE_STREAMS));
    }
    let warm_up = if scenario.is_bulk() { Stop::Calls(1) } else { Stop::After(size.time / 10) };
    client.run(&call, scenario.parallel(), warm_up).await?;
    if let Some(growth) = scenario.growth() {
        return grown(scenario, growth, client, executor, origin, size).await;
    }
    let unread = match scenario {
        Scenario::Stalled => Some(client.open(&origin.url(&format!("/bytes/{}", size.bulk))).await?),
        _ => None,
    };
    let meter = Meter::start(origin, Some(executor))?;
    let outcome = client.run(&call, scenario.parallel(), scenario.stop(size)).await?;
    let spent = meter.stop()?;
    drop(unread);
    Ok(Metrics::of_load(scenario, &outcome, UPLOAD, &spent))
}

/// The same load over more connections or origins, of which one is warm. What each of the others takes is memory after
/// the load, above what there was before the second one.
async fn grown(
    scenario: Scenario,
    growth: Growth,
    first: OwnClient,
    executor: &Listening,
    origin: &Origin,
    size: Size,
) -> Result<Metrics> {
    let before = settled(executor).await?;
    let mut clients = vec![first];
    while clients.len() < growth.connections {
        clients.push(OwnClient::connect(executor.authority()).await?);
    }
    let call = scenario.call(origin, size);
    let calls: Vec<_> =
        origin.urls("/bytes/1024").take(growth.origins).map(|url| Call { url, ..call.clone() }).collect();
    load::run_over(&clients, &calls, scenario.parallel(), Stop::Calls(growth.count())).await?;
    let meter = Meter::start(origin, Some(executor))?;
    let outcome = load::run_over(&clients, &calls, scenario.parallel(), scenario.stop(size)).await?;
    let mut metrics = Metrics::of_load(scenario, &outcome, UPLOAD, &meter.stop()?);
    if growth.count() > 1 {
        metrics.add_each(before, settled(executor).await?, growth.count() - 1);
    }
    Ok(metrics)
}

/// What an executor uses once it has been left alone for a moment.
async fn settled(executor: &Listening) -> Result<Usage> {
    tokio::time::sleep(SETTLE).await;
    executor.usage()
}

/// Connections, allocator and branch predictors warm; and the answer checked byte by byte.
pub async fn warm_up(
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

impl Outcome {
    /// The number of calls, as a divisor.
    pub fn calls(&self) -> f64 {
        self.latencies.len().max(1) as f64
    }
}
