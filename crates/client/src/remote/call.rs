use super::{
    deadline::{Deadline, Watch, unanswered},
    keep::Keep,
    link::{Begun, Link},
    shared::Answered,
    upload::Pump,
};
use afield_exchange::{BodyFrame, Error, OnInformational, Phase, Retry};
use afield_protocol::client::{CallId, Raw};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

/// One call that is under way. Dropping it cancels the call.
pub(crate) struct Call {
    link: Arc<Link>,
    id: CallId,
    over: bool,
    on_informational: Option<OnInformational>,
    watch: Watch,
    keep: Option<Keep>,
    /// Brings the request body, as long as somebody wants the answer.
    _pump: Option<Pump>,
    /// Where a failure of its body is logged, if the exchange does not.
    body_log: Span,
    /// Its place among the exchanges that may be under way.
    _permit: OwnedSemaphorePermit,
}

impl Call {
    pub fn new(
        link: Arc<Link>,
        begun: Begun,
        deadline: Deadline,
        keep: Option<Keep>,
        permit: OwnedSemaphorePermit,
        body_log: Span,
    ) -> Self {
        let Begun { id, pump, on_informational } = begun;
        Self {
            link,
            id,
            over: false,
            on_informational,
            watch: deadline.watch(),
            keep,
            _pump: pump,
            body_log,
            _permit: permit,
        }
    }

    /// The largest response body that is read whole.
    pub fn body_limit(&self) -> usize {
        self.link.body_limit
    }

    /// Whether the body of an answer that is not marked as complete is still to come though the call is a buffered one.
    pub fn is_resumable(&self) -> bool {
        self.link.is_resumable()
    }

    /// The answer was whole. Returns the call if its upload is still under way: its body, which has no bytes, then ends when
    /// that is over.
    pub fn done(mut self) -> Option<Self> {
        self.over = self.link.shared.done(self.id);
        (!self.over).then_some(self)
    }

    /// The answer, behind the informational responses. A buffered call is over with it.
    pub async fn answer(&mut self) -> Result<Raw, Error> {
        poll_fn(|cx| self.poll_answer(cx)).await
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Raw, Error>> {
        while let Poll::Ready(answered) = self.link.shared.poll_answer(self.id, cx) {
            match answered {
                Answered::Informational(head) => {
                    if let Some(on_informational) = &self.on_informational {
                        on_informational.call(head);
                    }
                }
                Answered::Final { answer, over } => {
                    self.over = over;
                    return Poll::Ready(answer);
                }
            }
        }
        let why = ready!(self.poll_overdue(cx));
        let unsent = self.link.shared.lock().client.is_unsent(self.id);
        let retry = if unsent { Retry::Safe } else { Retry::Unknown };
        Poll::Ready(Err(self.overdue(why, Phase::Head, retry)))
    }

    /// Ready when nothing more is waited for.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        if let Some(keep) = &mut self.keep
            && keep.poll(&self.link.shared, cx).is_ready()
        {
            return Poll::Ready(Overdue::Connection);
        }
        ready!(self.watch.poll(cx));
        Poll::Ready(Overdue::Answer)
    }

    fn overdue(&self, what: Overdue, phase: Phase, retry: Retry) -> Error {
        match (what, &self.keep) {
            (Overdue::Connection, Some(keep)) => keep.over(retry).with_phase(phase),
            _ => unanswered(phase, retry),
        }
    }

    /// The next of the body. After the end, clean or not, the call is not to be polled again.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, Error>>> {
        let polled = self.link.shared.poll_body(self.id, cx);
        if let Poll::Ready(read) = polled {
            self.over = !matches!(read, Some(Ok(_)));
            if let Some(Err(error)) = &read {
                self.log(error);
            }
            return Poll::Ready(read);
        }
        let why = ready!(self.poll_overdue(cx));
        let error = self.overdue(why, Phase::Body, Retry::Unknown);
        self.log(&error);
        Poll::Ready(Some(Err(error)))
    }

    fn log(&self, error: &Error) {
        if !self.body_log.is_disabled() {
            self.body_log.in_scope(|| super::log(error));
        }
    }
}

/// What has not come in time.
enum Overdue {
    Answer,
    Connection,
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.over {
            self.link.shared.cancel(self.id);
        }
    }
}
