use crate::door::HOP;
use crate::failure;
use crate::hop::Hop;
use afield_exchange::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What limits the wait for a response head.
pub(crate) struct Deadlines {
    /// When the whole exchange must be over.
    pub(crate) total: Option<Instant>,
    /// The longest wait for the head, from the request fully sent.
    pub(crate) head: Duration,
    /// The longest time to connect, which the HTTP client keeps.
    pub(crate) connect: Duration,
}

/// Why there is no response head.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The origin says that it did not process the request.
    pub(crate) unprocessed: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, unprocessed: false }
    }
}

/// Hands a request to the HTTP client and waits for the response head.
pub(crate) async fn send(
    client: &reqwest::Client,
    request: reqwest::Request,
    hop: &Arc<Hop>,
    deadlines: &Deadlines,
) -> Result<reqwest::Response, Failed> {
    let Deadlines { total, head, connect } = *deadlines;
    let mut pending = pin!(client.execute(request));
    let mut timer = pin!(sleep_until(earlier(total, Instant::now().checked_add(head))));
    poll_fn(|cx| {
        hop.before_poll();
        let polled = HOP.sync_scope(Arc::clone(hop), || pending.as_mut().poll(cx));
        if let Poll::Ready(response) = polled {
            return Poll::Ready(response.map_err(|error| Failed {
                unprocessed: failure::is_unprocessed(&error),
                error: failure::head(&error, hop, connect),
            }));
        }
        hop.after_poll();
        // One timer serves both deadlines. That for the head starts once the request is sent, which nobody announces, so
        // when the timer fires too early it is set again.
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if total.is_some_and(|total| total <= now) {
                return Poll::Ready(Err(failure::total_timeout(hop).into()));
            }
            let head_until = hop.sent_at().unwrap_or(now).checked_add(head);
            if head_until.is_some_and(|until| until <= now) {
                return Poll::Ready(Err(failure::head_timeout(hop, head).into()));
            }
            timer.as_mut().reset(earlier(total, head_until));
        }
        Poll::Pending
    })
    .await
}

/// The earlier of the two; with neither, a time too far off to matter.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
    match (one, other) {
        (Some(one), Some(other)) => one.min(other),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => Instant::now() + FAR,
    }
}
