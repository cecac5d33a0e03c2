//! A principal of an executor that does harm: it takes what it can get, and gives nothing back, in one of the ways that it has.
//!
//! ```no_run
//! # async fn test(executor: std::net::SocketAddr) {
//! use afield_testkit::hostile::{Hostile, Way};
//!
//! let hostile = Hostile::new(executor, "its token").await;
//! let harm = tokio::spawn(async move { hostile.harm(Way::Connections).await });
//! // … others connect, ask and are answered …
//! harm.abort(); // … and all that it held is let go
//! # }
//! ```

mod origins;
mod socket;
mod ways;

use origins::Origins;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// One way of doing harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Connections that ask for nothing, as many as there may be.
    Connections,
    /// Sessions that are left behind at once.
    Sessions,
    /// Sessions that are left behind and resumed again and again.
    Resumed,
    /// Requests to an origin that never answers, over as many connections as there may be.
    Requests,
    /// Connections to as many origins as there may be, to be kept for the next request.
    IdleConnections,
    /// Buffered answers of 48 MiB that stall after 46.
    StalledAnswers,
    /// Uploads of 30 MiB in one message to an origin that does not read.
    UnreadUploads,
    /// Uploads of 46 MiB that the executor collects, to an origin that does not answer.
    WholeUploads,
    /// Bodies without end that nobody reads.
    UnreadBodies,
    /// The same, over HTTP/2 and in afield/1.
    UnreadHttp2,
    /// Heads of 350 KB that nobody acknowledges.
    UnacknowledgedHeads,
    /// Bodies that are begun and given up.
    Abandoned,
    /// First messages that say they are 63 MiB.
    FirstMessages,
    /// Messages of 63 MiB of which the last byte never comes.
    Messages,
    /// Questions whose answers nobody reads.
    UnreadAnswers,
    /// Upgrades with a wrong credential, and with none.
    WrongTokens,
    /// Upgrades that stop half way.
    HalfUpgrades,
    /// Connections that begin with the header of a proxy that nobody expects.
    ProxyHeaders,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Connections,
        Self::Sessions,
        Self::Resumed,
        Self::Requests,
        Self::IdleConnections,
        Self::StalledAnswers,
        Self::UnreadUploads,
        Self::WholeUploads,
        Self::UnreadBodies,
        Self::UnreadHttp2,
        Self::UnacknowledgedHeads,
        Self::Abandoned,
        Self::FirstMessages,
        Self::Messages,
        Self::UnreadAnswers,
        Self::WrongTokens,
        Self::HalfUpgrades,
        Self::ProxyHeaders,
    ];

    /// Its name, what it is in a table, and the case that it is of.
    fn words(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Connections => ("connections", "connections that ask for nothing", 140),
            Self::Sessions => ("sessions", "sessions that are left behind", 140),
            Self::Resumed => ("resumed", "sessions that are left behind and resumed, again and again", 140),
            Self::Requests => ("requests", "requests that hang, over all connections there may be", 140),
            Self::IdleConnections => ("idle-connections", "unused connections to thousands of origins", 140),
            Self::StalledAnswers => {
                ("stalled-answers", "buffered answers of 48 MiB that stall after 46", 138)
            }
            Self::UnreadUploads => {
                ("unread-uploads", "uploads of 30 MiB in one message that no origin reads", 138)
            }
            Self::WholeUploads => ("whole-uploads", "uploads of 46 MiB that are collected", 138),
            Self::UnreadBodies => ("unread-bodies", "bodies without end that nobody reads", 138),
            Self::UnreadHttp2 => ("unread-http2", "420 bodies over HTTP/2 that nobody reads", 138),
            Self::UnacknowledgedHeads => {
                ("unacknowledged-heads", "600 heads of 350 KB that nobody reads", 138)
            }
            Self::Abandoned => ("abandoned", "bodies that are begun and given up", 138),
            Self::FirstMessages => ("first-messages", "first messages of 63 MiB", 139),
            Self::Messages => ("messages", "messages of 63 MiB whose last byte never comes", 139),
            Self::UnreadAnswers => ("unread-answers", "questions whose answers nobody reads", 138),
            Self::WrongTokens => ("wrong-tokens", "upgrades with a wrong token, and with none", 142),
            Self::HalfUpgrades => ("half-upgrades", "upgrades that stop half way", 142),
            Self::ProxyHeaders => ("proxy-headers", "headers of a proxy that nobody expects", 142),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is, in a table.
    pub fn title(self) -> &'static str {
        self.words().1
    }

    /// The case that it is of.
    pub fn case(self) -> u16 {
        self.words().2
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// Who does harm to one executor, with a credential that is good.
pub struct Hostile(Arc<Ours>);

struct Ours {
    executor: SocketAddr,
    token: String,
    origins: Origins,
}

/// How many tasks do harm at a time.
const WORKERS: usize = 4;

/// Between two attempts of one of them: it is to be in the way, and not merely to use up a processor.
const PAUSE: Duration = Duration::from_millis(1);

impl Hostile {
    /// Of this executor, with this token.
    pub async fn new(executor: SocketAddr, token: &str) -> Self {
        let origins = Origins::start().await;
        Self(Arc::new(Ours { executor, token: token.to_owned(), origins }))
    }

    /// Does harm in this way until it is dropped, and then lets go of everything. Begins again whenever it is turned away.
    pub async fn harm(&self, way: Way) {
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let ours = self.0.clone();
            workers.spawn(async move {
                loop {
                    let _turned_away = ours.once(way).await;
                    pause().await;
                }
            });
        }
        while workers.join_next().await.is_some() {}
    }
}

async fn pause() {
    tokio::time::sleep(PAUSE).await;
}
