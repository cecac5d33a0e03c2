use super::config::ConnectError;
use afield_exchange::{Error, Retry};
use afield_protocol::client::{BaseClient, CallId, Connected, HeadPoll, Raw};
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
    /// Why the connection is over, once it is.
    pub over: Option<Arc<str>>,
    /// Whether it was another connection that ended it.
    pub evicted: bool,
    /// Nobody needs the connection any more.
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
                state.connecting = Some(cx.waker().clone());
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

    pub fn poll_answer(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Result<Raw, Error>> {
        let mut state = self.lock();
        match state.client.poll_answer(call) {
            HeadPoll::Pending => {
                state.wait(call, cx);
                Poll::Pending
            }
            HeadPoll::Answer(raw) => Poll::Ready(Ok(raw)),
            HeadPoll::Failed(error) => Poll::Ready(Err(error)),
        }
    }

    pub fn poll_body(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut state = self.lock();
        match state.client.poll_body(call) {
            None => {
                state.wait(call, cx);
                Poll::Pending
            }
            Some(read) => Poll::Ready(read),
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
    fn wait(&mut self, call: CallId, cx: &Context<'_>) {
        match self.wakers.get_mut(&call) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                self.wakers.insert(call, cx.waker().clone());
            }
        }
    }
}
