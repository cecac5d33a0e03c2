//! The load: the same calls, made directly or through an executor.

mod base;
mod client;
mod direct;

pub use base::BaseClient;
pub use client::{OwnClient, run_over};
pub use direct::DirectClient;

use bytes::Bytes;
use std::time::{Duration, Instant};

/// One call, made over and over.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The absolute URL.
    pub url: String,
    /// What is sent.
    pub body: Bytes,
    /// Whether an executor is asked to stream the answer.
    pub streamed: bool,
    /// How many bytes must come back; any other number fails the run.
    pub expect: u64,
}

/// When no further call is started. Those begun are finished.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// After this time.
    After(Duration),
    /// After so many calls.
    Calls(usize),
}

/// What a load came to.
#[derive(Debug)]
pub struct Outcome {
    /// From the first call's start to the last one's end.
    pub elapsed: Duration,
    /// Of each call, from its start to the last byte or the terminal frame.
    pub latencies: Vec<Duration>,
    /// Response body bytes.
    pub bytes: u64,
}

/// Starts and counts the calls of one load.
struct Pace {
    stop: Stop,
    begun: Instant,
    started: usize,
    latencies: Vec<Duration>,
    bytes: u64,
}

impl Pace {
    fn new(stop: Stop) -> Self {
        Self { stop, begun: Instant::now(), started: 0, latencies: Vec::new(), bytes: 0 }
    }

    /// Whether one more call is to be started; it then counts as started.
    fn start_one(&mut self) -> bool {
        let more = match self.stop {
            Stop::After(time) => self.begun.elapsed() < time,
            Stop::Calls(calls) => self.started < calls,
        };
        self.started += usize::from(more);
        more
    }

    fn ended(&mut self, started: Instant, bytes: u64) {
        self.latencies.push(started.elapsed());
        self.bytes += bytes;
    }

    fn outcome(self) -> Outcome {
        Outcome { elapsed: self.begun.elapsed(), latencies: self.latencies, bytes: self.bytes }
    }
}
