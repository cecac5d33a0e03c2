use super::{config::ConnectError, shared::Shared};
use afield_protocol::{BASE_SILENCE, Liveness, Verdict, client::decode};
use afield_transport::{CloseReason, Closed, Connection, Message, Received};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::time::Sleep;

/// Messages read, and messages written, before others on the thread get their turn.
const BUDGET: usize = 64;
/// Bytes read before others on the thread get their turn: whoever consumes them may be one of those.
const BYTES: u64 = 1024 * 1024;
/// How long the end of a connection that nobody needs any more may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// The close code by which an executor says that another connection has taken the session.
const RESUMED_ELSEWHERE: u16 = 4001;

/// Drives one connection: reads it, writes it, keeps its timers. One task, which never waits for a caller: what is
/// unread is bounded for each call by the machine.
pub(crate) struct Driver<C> {
    connection: C,
    shared: Arc<Shared>,
    liveness: Liveness,
    heard: u64,
    timer: Pin<Box<Sleep>>,
    armed: Instant,
    /// Runs once the connection is to end.
    farewell: Option<Pin<Box<Sleep>>>,
    /// Whom to wake, once the lock is released.
    woken: Vec<Waker>,
}

enum End {
    Lost(Closed),
    Silent,
    Closing,
}

impl<C: Connection> Driver<C> {
    pub fn new(connection: C, shared: Arc<Shared>) -> Self {
        let liveness = Liveness::new(now(), BASE_SILENCE);
        let armed = liveness.poll_timeout();
        let timer = Box::pin(tokio::time::sleep_until(armed.into()));
        Self { connection, shared, liveness, heard: 0, timer, armed, farewell: None, woken: Vec::new() }
    }

    /// Runs until the connection ends, and tells everybody who waits.
    pub async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        let (why, evicted) = match &end {
            End::Lost(closed) => {
                let code = if let CloseReason::Peer { code, .. } = &closed.reason { *code } else { None };
                (closed.to_string(), code == Some(RESUMED_ELSEWHERE))
            }
            End::Silent => ("the executor does not answer".to_owned(), false),
            End::Closing => ("it was closed here".to_owned(), false),
        };
        tracing::debug!(why, "the connection to the executor ended");
        self.tell_everybody(&why, evicted);
        if matches!(end, End::Silent) {
            return;
        }
        self.connection.close(1000, "");
        let mut farewell = self.farewell.take().unwrap_or_else(farewell);
        poll_fn(|cx| match self.connection.poll_closed(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => farewell.as_mut().poll(cx),
        })
        .await;
    }

    fn tell_everybody(&mut self, why: &str, evicted: bool) {
        let mut state = self.shared.lock();
        state.over = Some(why.into());
        state.evicted = evicted;
        state.client.lost(why);
        if state.session.is_none() {
            state.session = Some(Err(ConnectError::Ended(why.to_owned())));
        }
        self.woken.extend(state.wakers.drain().map(|(_, waker)| waker));
        self.woken.extend(state.connecting.take());
        drop(state);
        self.wake();
    }

    fn wake(&mut self) {
        self.woken.drain(..).for_each(Waker::wake);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.driver.register(cx.waker());
        let all_read = match self.read(cx) {
            Ok(all_read) => all_read,
            Err(closed) => return Poll::Ready(End::Lost(closed)),
        };
        let all_written = match self.write(cx) {
            Ok(all_written) => all_written,
            Err(closed) => return Poll::Ready(End::Lost(self.last_words(cx).unwrap_or(closed))),
        };
        if all_read && self.keep_time(cx) {
            return Poll::Ready(End::Silent);
        }
        if !(all_read && all_written) {
            cx.waker().wake_by_ref();
        }
        self.poll_end(cx)
    }

    /// Why the executor ended the connection, when all that shows is that writing fails.
    fn last_words(&mut self, cx: &mut Context<'_>) -> Option<Closed> {
        loop {
            match self.read(cx) {
                Ok(true) => return None,
                Ok(false) => {}
                Err(closed) => return Some(closed),
            }
        }
    }

    /// Ready when the connection is to end here, and what has to be said has been, or cannot be in time.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let mut state = self.shared.lock();
        if state.is_spent() {
            state.close("the executor goes on with calls that were given up");
        }
        if !state.closing {
            return Poll::Pending;
        }
        state.take_woken(&mut self.woken);
        let all_said = state.client.queued() == 0;
        drop(state);
        self.wake();
        if all_said {
            return Poll::Ready(End::Closing);
        }
        self.farewell.get_or_insert_with(farewell).as_mut().poll(cx).map(|()| End::Closing)
    }

    /// Reads what there is and is wanted, within the budget. Returns whether that was all.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let start = self.heard;
        for _ in 0..BUDGET {
            if self.heard - start > BYTES {
                return Ok(false);
            }
            if !self.shared.lock().client.wants_input() {
                // Nothing can be heard while nothing is read: that is no sign of death.
                self.liveness.heard(now());
                return Ok(true);
            }
            let received = self.connection.poll_receive(cx);
            let heard = self.connection.bytes_received();
            if heard != self.heard {
                self.heard = heard;
                self.liveness.heard(now());
            }
            match received {
                Poll::Pending => return Ok(true),
                Poll::Ready(received) => match received? {
                    Received::Pong => self.liveness.pong(now()),
                    Received::Malformed => {}
                    Received::Message(message) => self.take(&message),
                },
            }
        }
        Ok(false)
    }

    fn take(&mut self, message: &Message) {
        let inbound = decode(message.bytes());
        let mut state = self.shared.lock();
        state.client.handle(inbound);
        state.take_woken(&mut self.woken);
        drop(state);
        self.wake();
    }

    /// Writes what there is, within the budget. Returns whether that was all that can be written now.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let mut all = false;
        for _ in 0..BUDGET {
            match self.connection.poll_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    all = true;
                    break;
                }
            }
            let outgoing = self.shared.lock().client.poll_transmit();
            let Some(outgoing) = outgoing else {
                all = true;
                break;
            };
            self.connection.send(Message::Text(outgoing.encode()));
        }
        match self.connection.poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => {}
        }
        Ok(all)
    }

    /// Returns whether the executor is gone.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> bool {
        let now = now();
        if now >= self.liveness.poll_timeout() {
            match self.liveness.handle_timeout(now) {
                Verdict::Dead => return true,
                Verdict::Ping => {
                    self.connection.ping();
                    cx.waker().wake_by_ref();
                }
                Verdict::Wait => {}
            }
        }
        let due = self.liveness.poll_timeout();
        if due != self.armed {
            self.armed = due;
            self.timer.as_mut().reset(due.into());
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        false
    }
}

/// The runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn farewell() -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(FAREWELL))
}
