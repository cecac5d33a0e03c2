use afield_exchange::{Blame, Error, Kind, Phase, Request, Retry, detail};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// How long after a deadline the executor may take to say that it has passed: what it says is more precise.
const MARGIN: Duration = Duration::from_secs(5);

/// When the caller wants the whole exchange to be over. `None`: never.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A deadline beyond what the clock can express is none.
    pub fn of(request: &Request) -> Self {
        Self(request.timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// What happens before anything is sent.
    pub async fn before_sending<T>(self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(at) = self.0 else { return work.await };
        match timeout_at(at, work).await {
            Ok(done) => done,
            Err(_) => {
                let message = "the deadline passed before the request was sent to the executor";
                Err(Error::new(Kind::Timeout, Blame::Executor, Retry::Safe, message)
                    .with_phase(Phase::Connect)
                    .with_detail(detail::TOTAL))
            }
        }
    }

    /// Leaves the executor the time that is left. The wire counts whole milliseconds: they are rounded up, as a part of
    /// one must not become none.
    pub fn write_to(self, request: &mut Request) {
        let left = self.0.map(|at| at.saturating_duration_since(Instant::now()));
        request.timeout = left.map(whole_millis);
        request.connect_timeout = request.connect_timeout.map(whole_millis);
        request.head_timeout = request.head_timeout.map(whole_millis);
        request.idle_timeout = request.idle_timeout.map(whole_millis);
    }

    /// A watch over an executor that may not be there to keep the deadline.
    pub fn watch(self) -> Watch {
        let until = self.0.and_then(|at| at.checked_add(MARGIN));
        Watch(until.map(|until| Box::pin(sleep_until(until))))
    }
}

pub(crate) struct Watch(Option<Pin<Box<Sleep>>>);

impl Watch {
    /// Ready when the executor has let the deadline pass without a word.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

/// The executor let the deadline pass without a word.
pub(crate) fn unanswered(phase: Phase, retry: Retry) -> Error {
    let message = "the deadline passed, and the executor has not said so: it may be out of reach";
    Error::new(Kind::Timeout, Blame::Executor, retry, message).with_phase(phase).with_detail(detail::TOTAL)
}

fn whole_millis(duration: Duration) -> Duration {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
