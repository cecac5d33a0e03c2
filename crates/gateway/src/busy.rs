//! Whether a connection is in use.

use crate::body::Body;
use afield_exchange::Error;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Counts the requests of a connection that are under way: from their heads to the ends of their answers.
#[derive(Clone)]
pub(crate) struct Busy(watch::Sender<Requests>);

#[derive(Default)]
struct Requests {
    under_way: usize,
    any: bool,
}

/// A request under way.
pub(crate) struct UnderWay {
    busy: Busy,
    /// Its place among all that began before the gateway was told to stop.
    _early: Option<TaskTrackerToken>,
}

impl Busy {
    pub fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// Whether there has been no request yet.
    pub fn is_fresh(&self) -> bool {
        !self.0.borrow().any
    }

    /// A request begins. It ends when what is returned is dropped.
    pub fn begin(&self, early: Option<TaskTrackerToken>) -> UnderWay {
        self.0.send_modify(|requests| {
            requests.under_way += 1;
            requests.any = true;
        });
        UnderWay { busy: self.clone(), _early: early }
    }

    /// Waits until there has been no request for so long. Cancel safe.
    pub async fn idle(&self, linger: Duration) {
        let mut requests = self.0.subscribe();
        loop {
            // The sender is ours.
            let _ = requests.wait_for(|requests| requests.under_way == 0).await;
            if timeout(linger, requests.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.busy.0.send_modify(|requests| requests.under_way -= 1);
    }
}

/// An answer's body, with the request that it belongs to.
pub(crate) struct Answering {
    body: Body,
    _request: UnderWay,
}

impl Answering {
    pub fn new(body: Body, request: UnderWay) -> Self {
        Self { body, _request: request }
    }
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
