use afield_exchange::{BodyFrame, Error, Head, Retry};
use afield_protocol::{
    client::{CallId, Client, Event, HeadPoll, Raw},
    resumable::{CallText, Drained, End},
};
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// What a session's task and its calls share: the machine, and who waits for what.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub driver: AtomicWaker,
}

pub(crate) struct State {
    pub client: Client,
    wakers: HashMap<CallId, Waker>,
    uploads: HashMap<CallId, Waker>,
    /// Why the session takes no more calls, once it does not: it has ended, or is about to.
    pub over: Option<Arc<str>>,
    /// How many calls have begun.
    pub asked: u64,
    /// Whether it was another connection that ended it.
    pub evicted: bool,
    /// Whether another executor has answered than the one that has the session: what begins now needs another session.
    pub astray: bool,
    /// Since when the session has no connection, while it has none and goes on.
    pub lost_at: Option<Instant>,
    /// Whether to end the connection, once control is written.
    pub closing: bool,
    /// What the executor has done that the protocol does not allow.
    pub broken: Option<&'static str>,
}

/// What has come for a call that waits for its answer.
pub(crate) enum Answered {
    Informational(Head),
    /// `over`: the call is over with it.
    Final {
        answer: Result<Raw, Error>,
        over: bool,
    },
}

impl Shared {
    pub fn new(client: Client) -> Self {
        let state = State {
            client,
            wakers: HashMap::new(),
            uploads: HashMap::new(),
            over: None,
            asked: 0,
            evicted: false,
            astray: false,
            lost_at: None,
            closing: false,
            broken: None,
        };
        Self { state: Mutex::new(state), driver: AtomicWaker::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding a connection's state")
    }

    /// Does something to the machine, then wakes the driver to see to it.
    pub fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        let result = action(&mut self.lock());
        self.driver.wake();
        result
    }

    /// Starts a call in the base dialect; `text` is what the machine's `encode` wrote. Fails, with the request certainly
    /// not sent, if the connection is over.
    pub fn call(&self, call: CallId, text: Bytes, streamed: bool) -> Result<(), Error> {
        self.with(|state| {
            state.check()?;
            state.asked += 1;
            if let Client::Base(base) = &mut state.client {
                base.call(call, text, streamed);
            }
            Ok(())
        })
    }

    /// Starts a call in afield/1. Fails, with the request certainly not sent, if the session is over.
    pub fn call_resumable(&self, text: CallText, upload: bool) -> Result<CallId, Error> {
        self.with(|state| {
            state.check()?;
            state.asked += 1;
            state
                .client
                .call(text, upload)
                .ok_or_else(|| Error::internal("the session is of another dialect"))
        })
    }

    /// An informational response if there is one, else the answer.
    pub fn poll_answer(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Answered> {
        let mut state = self.lock();
        if let Some(head) = state.client.poll_informational(call) {
            return Poll::Ready(Answered::Informational(head));
        }
        let before = state.outlook();
        let answer = match state.client.poll_answer(now(), call) {
            HeadPoll::Pending => {
                state.wait(call, cx);
                return Poll::Pending;
            }
            HeadPoll::Answer(raw) => Ok(raw),
            HeadPoll::Failed(error) => Err(error),
        };
        let over = !state.client.is_active(call);
        self.see_to_driver(&state, before);
        Poll::Ready(Answered::Final { answer, over })
    }

    pub fn poll_body(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, Error>>> {
        let now = now();
        let mut state = self.lock();
        let before = state.outlook();
        let Some(read) = state.client.poll_body(now, call) else {
            state.wait(call, cx);
            return Poll::Pending;
        };
        self.see_to_driver(&state, before);
        Poll::Ready(read)
    }

    /// Wakes the driver if there is something for it: room to read, something to say, or to say later, or the last call that
    /// kept a connection which is to end, or is to be sought.
    fn see_to_driver(&self, state: &State, before: Outlook) {
        let is_last = state.client.active() == 0;
        let is_awaited = is_last && (state.closing || !state.client.is_live() || state.client.is_worn());
        if state.client.queued() > 0 || state.outlook() != before || is_awaited {
            self.driver.wake();
        }
    }

    /// The call's answer was taken whole. Returns whether the call is over with it.
    pub fn done(&self, call: CallId) -> bool {
        let mut state = self.lock();
        let before = state.outlook();
        state.client.done(now(), call);
        let over = !state.client.is_active(call);
        if over {
            state.forget(call);
        }
        self.see_to_driver(&state, before);
        over
    }

    pub fn cancel(&self, call: CallId) {
        self.with(|state| {
            state.forget(call);
            state.client.cancel(call);
        });
    }

    /// Adds to a call's upload.
    pub fn upload(&self, call: CallId, bytes: Bytes) -> Drained {
        self.with(|state| state.client.upload(call, bytes))
    }

    /// Ends a call's upload.
    pub fn finish_upload(&self, call: CallId, end: End) {
        self.with(|state| state.client.finish_upload(call, end));
    }

    /// Ready when nobody wants more of a call's upload.
    pub fn poll_upload_unwanted(&self, call: CallId, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.client.upload_room(call) == Drained::Unwanted {
            return Poll::Ready(());
        }
        state.uploads.insert(call, cx.waker().clone());
        Poll::Pending
    }

    /// Ready when there is room in a call's upload, or when nobody wants more of it: then with `false`.
    pub fn poll_upload_room(&self, call: CallId, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        match state.client.upload_room(call) {
            Drained::Room => Poll::Ready(true),
            Drained::Unwanted => Poll::Ready(false),
            Drained::Full => {
                state.uploads.insert(call, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl State {
    fn check(&self) -> Result<(), Error> {
        match &self.over {
            None => Ok(()),
            Some(why) => Err(Error::session_lost(
                Retry::Safe,
                format!("the connection to the executor was lost: {why}"),
            )),
        }
    }

    /// Ends the session as soon as control is written. Calls that have not been sent fail, as such.
    pub fn close(&mut self, why: &str) {
        if self.over.is_none() {
            self.over = Some(why.into());
        }
        self.closing = true;
        self.client.withdraw(why);
    }

    /// The session is gone.
    pub fn lost(&mut self, why: &str, evicted: bool) {
        self.over = Some(why.into());
        self.evicted = evicted;
        self.client.lost(why);
    }

    /// Sees to what has changed, and hands over whom that concerns.
    pub fn take_woken(&mut self, woken: &mut Vec<Waker>) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Readable(call) => woken.extend(self.wakers.remove(&call)),
                Event::UploadWritable(call) => woken.extend(self.uploads.remove(&call)),
                Event::Synced => {}
                Event::Broken(why) => self.broken = Some(why),
            }
        }
    }

    /// Hands over everybody who waits.
    pub fn take_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.wakers.drain().chain(self.uploads.drain()).map(|(_, waker)| waker));
    }

    /// What the driver goes by beside what there is to say.
    fn outlook(&self) -> Outlook {
        Outlook { wants_input: self.client.wants_input(), due: self.client.poll_timeout() }
    }

    /// Whether the connection is to be replaced: the executor goes on with calls that were given up, and no other is
    /// under way.
    pub fn is_spent(&self) -> bool {
        self.client.is_worn() && self.client.active() == 0
    }

    fn forget(&mut self, call: CallId) {
        self.wakers.remove(&call);
        self.uploads.remove(&call);
    }

    fn wait(&mut self, call: CallId, cx: &Context<'_>) {
        match self.wakers.get_mut(&call) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                self.wakers.insert(call, cx.waker().clone());
            }
        }
    }
}

/// What the driver goes by beside what there is to say.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Outlook {
    wants_input: bool,
    due: Option<Instant>,
}

/// The runtime's clock, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
