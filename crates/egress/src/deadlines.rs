use crate::failure;
use crate::hop::Hop;
use afield_exchange::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// What limits the wait for a response head.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    /// When the whole exchange must be over.
    pub(crate) total: Option<Instant>,
    /// The longest wait for the head, from the request fully sent.
    pub(crate) head: Duration,
    /// The longest time to connect, resolving and TLS included.
    pub(crate) connect: Duration,
}

/// How long an origin may take to ask for a body that waits for it (RFC 9110, section 10.1.1), as curl has it.
const EXPECT_PATIENCE: Duration = Duration::from_secs(1);

impl Deadlines {
    /// Bounds the making of a connection.
    pub(crate) async fn connecting<T>(
        &self,
        connecting: impl Future<Output = Result<T, Error>>,
        hop: &Hop,
    ) -> Result<T, Error> {
        let until = Instant::now().checked_add(self.connect);
        let Some(until) = [until, self.total].into_iter().flatten().min() else { return connecting.await };
        match timeout_at(until, connecting).await {
            Ok(connected) => connected,
            Err(_) if self.total.is_some_and(|total| total <= until) => Err(failure::total_timeout(hop)),
            Err(_) => Err(failure::connect_timeout(hop, self.connect)),
        }
    }

    /// Ready when no response head came in time. One alarm serves all deadlines: that for the head starts once the request
    /// is sent, which nobody announces, so when it fires too early it is set again.
    ///
    /// `Ok` says that the body need not wait any longer: the connection is to be polled again.
    pub(crate) fn poll_head(
        &self,
        cx: &mut Context<'_>,
        alarm: &mut Alarm,
        hop: &Hop,
    ) -> Poll<Result<(), Error>> {
        loop {
            let now = Instant::now();
            if self.total.is_some_and(|total| total <= now) {
                return Poll::Ready(Err(failure::total_timeout(hop)));
            }
            let head = hop.sent_at().unwrap_or(now).checked_add(self.head);
            if head.is_some_and(|until| until <= now) && hop.sent_at().is_some() {
                return Poll::Ready(Err(failure::head_timeout(hop, self.head)));
            }
            let asked = hop.is_body_held().then(|| hop.sending_since().unwrap_or(now) + EXPECT_PATIENCE);
            if asked.is_some_and(|until| until <= now) {
                hop.release_body();
                return Poll::Ready(Ok(()));
            }
            // A deadline beyond what the clock can express is none.
            let Some(next) = [self.total, head, asked].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            ready!(alarm.poll_until(cx, next));
        }
    }
}

/// A timer that is kept from one exchange to the next. Set to a later time than it is set to already, it is left as it is
/// and set again when it fires: deadlines that are seldom reached cost nothing.
#[derive(Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
    }
}
