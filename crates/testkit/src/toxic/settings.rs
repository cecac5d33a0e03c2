use crate::wait::Watched;
use std::net::SocketAddr;
use std::time::Duration;

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the target.
    Up,
    /// From the target to the client.
    Down,
}

/// How a connection is cut, on both of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// RST: reads and writes fail at once.
    Reset,
    /// FIN: reads end.
    Close,
}

/// What is done to the bytes going one way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Treatment {
    pub(super) stalled: bool,
    pub(super) latency: Duration,
    pub(super) bytes_per_second: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CutAfter {
    pub(super) way: Way,
    pub(super) bytes: u64,
    pub(super) cut: Cut,
    pub(super) once: bool,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) target: SocketAddr,
    pub(super) up: Treatment,
    pub(super) down: Treatment,
    pub(super) swallow: bool,
    pub(super) refuse: bool,
    pub(super) cut_after: Option<CutAfter>,
    /// How often all connections were cut on command, and how the last time.
    pub(super) cuts_commanded: (u64, Cut),
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) active: usize,
    pub(super) cuts: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) swallowed: u64,
}

/// What the proxy and its connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Watched<Settings>,
    pub(super) counts: Watched<Counts>,
}

impl Settings {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self {
            target,
            up: Treatment::default(),
            down: Treatment::default(),
            swallow: false,
            refuse: false,
            cut_after: None,
            cuts_commanded: (0, Cut::Reset),
        }
    }

    pub(super) fn way(&self, way: Way) -> &Treatment {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    pub(super) fn way_mut(&mut self, way: Way) -> &mut Treatment {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

impl Counts {
    pub(super) fn forwarded(&self, way: Way) -> u64 {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }

    pub(super) fn add(&mut self, way: Way, bytes: usize) {
        match way {
            Way::Up => self.up += bytes as u64,
            Way::Down => self.down += bytes as u64,
        }
    }
}
