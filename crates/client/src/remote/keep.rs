use super::shared::Shared;
use afield_exchange::{Error, Retry};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::time::{Sleep, sleep_until};

/// How long a call goes on without a connection, where that is shorter than its session does. The executor lets go of it after as
/// long ([`Request::keep`](afield_exchange::Request::keep)); this end does not wait for an executor that may be gone.
pub(crate) struct Keep {
    most: Duration,
    /// Runs out for a connection that was lost then.
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Keep {
    pub fn new(most: Duration) -> Self {
        Self { most, timer: None }
    }

    /// Ready when the connection has been lost for too long. To be polled after the call's waker is registered, which a loss wakes.
    pub fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lost) = shared.lock().lost_at else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = match &mut self.timer {
            Some((since, timer)) if *since == lost => timer,
            // A time beyond what the clock can express never comes.
            timer => match lost.checked_add(self.most) {
                Some(until) => &mut timer.insert((lost, Box::pin(sleep_until(until.into())))).1,
                None => return Poll::Pending,
            },
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(())
    }

    /// Why the call is over.
    pub fn over(&self, retry: Retry) -> Error {
        let seconds = self.most.as_secs_f32();
        Error::session_lost(
            retry,
            format!("the connection to the executor was lost, and was not back within {seconds} s"),
        )
    }
}
