use super::config::ConnectError;
use afield_exchange::{Error, Kind, Retry};
use afield_protocol::client::{BaseClient, CallId, Connected, Event, HeadPoll, Raw};
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

/// What a connection's driver and its calls share: the machine, and who waits for what.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub driver: AtomicWaker,
}

pub(crate) struct State {
    pub client: BaseClient,
    pub wakers: HashMap<CallId, Waker>,
    /// How `initialize` was answered; taken by whoever connects.
    pub session: Option<Result<Box<Connected>, ConnectError>>,
    pub connecting: Option<Waker>,
    /// Why the connection takes no more calls, once it does not: it has ended, or is about to.
    pub over: Option<Arc<str>>,
    /// Whether it was another connection that ended it.
    pub evicted: bool,
    /// Whether to end the connection, once control is written.
    pub closing: bool,
}

impl Shared {
    pub fn new(client: BaseClient) -> Self {
        let state = State {
            client,
            wakers: HashMap::new(),
            session: None,
            connecting: None,
            over: None,
            evicted: false,
            closing: false,
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

    pub fn poll_session(&self, cx: &mut Context<'_>) -> Poll<Result<Box<Connected>, ConnectError>> {
        let mut state = self.lock();
        match state.session.take() {
            Some(session) => Poll::Ready(session),
            None => {
                match &mut state.connecting {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// Starts a call; `text` is what [`BaseClient::encode`] wrote. Fails, with the request certainly not sent, if the
    /// connection is over.
    pub fn call(&self, call: CallId, text: Bytes, streamed: bool) -> Result<(), Error> {
        self.with(|state| match &state.over {
            None => {
                state.client.call(call, text, streamed);
                Ok(())
            }
            Some(why) => Err(Error::session_lost(
                Retry::Safe,
                format!("the connection to the executor was lost: {why}"),
            )),
        })
    }

    /// The answer, and whether the call is over with it.
    pub fn poll_answer(&self, call: CallId, cx: &mut Context<'_>) -> Poll<(Result<Raw, Error>, bool)> {
        let mut state = self.lock();
        let answer = match state.client.poll_answer(call) {
            HeadPoll::Pending => {
                state.wait(call, cx);
                return Poll::Pending;
            }
            HeadPoll::Answer(raw) => Ok(raw),
            HeadPoll::Failed(error) => Err(error),
        };
        let over = !state.client.is_active(call);
        self.see_to_wear(&state);
        Poll::Ready((answer, over))
    }

    pub fn poll_body(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut state = self.lock();
        let held_back = !state.client.wants_input();
        let Some(read) = state.client.poll_body(call) else {
            state.wait(call, cx);
            return Poll::Pending;
        };
        if held_back && state.client.wants_input() {
            self.driver.wake();
        }
        self.see_to_wear(&state);
        Poll::Ready(read)
    }

    /// Lets the driver know of a connection that is to be replaced.
    fn see_to_wear(&self, state: &State) {
        if state.is_spent() {
            self.driver.wake();
        }
    }

    pub fn cancel(&self, call: CallId) {
        self.with(|state| {
            state.wakers.remove(&call);
            state.client.cancel(call);
        });
    }
}

impl State {
    /// Ends the connection as soon as control is written. Calls that have not been sent fail, as such.
    pub fn close(&mut self, why: &str) {
        if self.over.is_none() {
            self.over = Some(why.into());
        }
        self.closing = true;
        self.client.withdraw(why);
    }

    /// Sees to what has changed, and hands over whom that concerns.
    pub fn take_woken(&mut self, woken: &mut Vec<Waker>) {
        while let Some(event) = self.client.poll_event() {
            let waker = match event {
                Event::Readable(call) => self.wakers.remove(&call),
                Event::Connected(connected) => {
                    self.session = Some(Ok(connected));
                    self.connecting.take()
                }
                Event::Refused(error) => {
                    let error = error.into_error();
                    let message = error.message().to_owned();
                    self.session = Some(Err(match error.kind() {
                        Kind::Overloaded => ConnectError::Busy(message),
                        _ => ConnectError::Refused(message),
                    }));
                    self.connecting.take()
                }
            };
            woken.extend(waker);
        }
    }

    /// Whether the connection is to be replaced: the executor goes on with calls that were given up, and no other is
    /// under way.
    pub fn is_spent(&self) -> bool {
        self.client.is_worn() && self.client.active() == 0
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
