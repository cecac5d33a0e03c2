//! Watches connection attempts, so that a deadline or an error can be told from where the hop stood.

use crate::door::HOP;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Called before each connection attempt; `false` refuses it. For tests that must show that nothing is dialled.
pub type DialGate = Arc<dyn Fn() -> bool + Send + Sync>;

/// Marks the hop as its connection attempts go on.
#[derive(Clone)]
pub(crate) struct WatchDials {
    pub(crate) gate: Option<DialGate>,
}

impl<S> Layer<S> for WatchDials {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Watched { inner, gate: self.gate.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Watched<S> {
    inner: S,
    gate: Option<DialGate>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Dialling<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let open = self.gate.as_ref().is_none_or(|gate| gate());
        Dialling(open.then(|| self.inner.call(request)))
    }
}

/// A connection attempt; none if the gate refused it.
pub(crate) struct Dialling<F>(Option<F>);

impl<F, T> Future for Dialling<F>
where
    F: Future<Output = Result<T, BoxError>> + Unpin,
{
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A connection attempt that lost to a pooled connection is finished in a task of its own, where there is no hop.
        let hop = HOP.try_with(Arc::clone).ok();
        if let Some(hop) = &hop {
            hop.connecting();
        }
        let Some(attempt) = &mut self.0 else {
            return Poll::Ready(Err("connection attempts are gated".into()));
        };
        let polled = Pin::new(attempt).poll(cx);
        if let (Poll::Ready(Ok(_)), Some(hop)) = (&polled, &hop) {
            hop.sending();
        }
        polled
    }
}
