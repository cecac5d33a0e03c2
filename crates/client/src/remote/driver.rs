use super::{
    backoff::LONGEST,
    passing::{RESUMED_ELSEWHERE, end_is_passing},
    shared::{Shared, now},
};
use afield_protocol::{
    BASE_SILENCE, Liveness, SILENCE, Verdict,
    client::{Client, decode},
    resumable::{BodyMessage, MalformedBody, Transmit},
};
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
/// What a message takes on its way beside its own bytes, at most: a frame's head and a body message's.
const OVERHEAD: usize = 32;
/// How long the end of a connection that nobody needs any more may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long after a connection was lost the executor may take to bring both ends in step again.
const SYNC: Duration = Duration::from_secs(10);

/// Drives one connection: reads it, writes it, keeps its timers. One task, which never waits for a caller: what is
/// unread is bounded for each call by the machine.
pub(crate) struct Driver<C> {
    connection: C,
    shared: Arc<Shared>,
    is_base: bool,
    /// Absent where the transport has no pings.
    liveness: Option<Liveness>,
    heard: u64,
    /// How many calls had begun when it was last looked at.
    asked: u64,
    /// Until when the session must be in step.
    sync_by: Instant,
    timer: Pin<Box<Sleep>>,
    armed: Instant,
    /// Runs once the connection is to end.
    farewell: Option<Pin<Box<Sleep>>>,
    began: Instant,
    /// Whether the executor has said something after both ends were in step, or that what was sent before has arrived.
    heard_of_calls: bool,
    /// Whom to wake, once the lock is released.
    woken: Vec<Waker>,
}

/// Why a connection has come to its end.
pub(crate) enum End {
    /// The connection did.
    Lost(Closed),
    /// The executor does not answer.
    Silent,
    /// The executor breaks the protocol.
    Broken(&'static str),
    /// Nobody needs it any more.
    Closing,
}

impl End {
    /// Whether another connection has taken the session.
    pub fn is_eviction(&self) -> bool {
        matches!(
            self,
            Self::Lost(Closed { reason: CloseReason::Peer { code: Some(RESUMED_ELSEWHERE), .. }, .. })
        )
    }

    /// Whether the session may go on over another connection.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Lost(closed) => end_is_passing(closed),
            Self::Silent => true,
            Self::Broken(_) | Self::Closing => false,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(closed) => closed.fmt(f),
            Self::Silent => f.write_str("the executor does not answer"),
            Self::Broken(why) => write!(f, "the executor breaks the protocol: {why}"),
            Self::Closing => f.write_str("it was closed here"),
        }
    }
}

impl<C: Connection> Driver<C> {
    /// `round_trip` is how long the other end took to answer on this connection before.
    pub fn new(connection: C, shared: Arc<Shared>, round_trip: Duration) -> Self {
        let now = now();
        let (is_base, asked) = {
            let state = shared.lock();
            (matches!(state.client, Client::Base(_)), state.asked)
        };
        let silence = if is_base { BASE_SILENCE } else { SILENCE };
        Self {
            liveness: connection.has_pings().then(|| Liveness::new(now, silence).with_round_trip(round_trip)),
            connection,
            shared,
            is_base,
            heard: 0,
            asked,
            sync_by: now + SYNC,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            armed: now,
            farewell: None,
            began: now,
            heard_of_calls: false,
            woken: Vec::new(),
        }
    }

    /// Runs until the connection ends. `told` tells those who wait before the connection is taken down, which may take a
    /// moment. Says also whether the connection was of use: whether something was heard on it, or it lasted.
    pub async fn run(mut self, told: impl FnOnce(&End)) -> (End, bool) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        tracing::debug!(why = %end, "the connection to the executor ended");
        let was_of_use = self.heard_of_calls || now().duration_since(self.began) >= LONGEST;
        told(&end);
        match end {
            End::Silent => return (end, was_of_use),
            End::Broken(why) => self.connection.close(1008, why),
            // A session that may go on is not closed: its executor would forget it.
            End::Lost(_) if !self.is_base => return (end, was_of_use),
            End::Lost(_) | End::Closing => self.connection.close(1000, ""),
        }
        let mut farewell = self.farewell.take().unwrap_or_else(farewell);
        poll_fn(|cx| match self.connection.poll_closed(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => farewell.as_mut().poll(cx),
        })
        .await;
        (end, was_of_use)
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
        self.check_path(all_read);
        let all_written = match self.write(cx) {
            Ok(all_written) => all_written,
            Err(closed) => return Poll::Ready(End::Lost(self.last_words(cx).unwrap_or(closed))),
        };
        if let Some(why) = self.shared.lock().broken {
            return Poll::Ready(End::Broken(why));
        }
        if self.keep_time(cx, all_read) {
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
                self.hear();
                return Ok(true);
            }
            let received = self.connection.poll_receive(cx);
            let heard = self.connection.bytes_received();
            if heard != self.heard {
                self.heard = heard;
                self.hear();
            }
            match received {
                Poll::Pending => return Ok(true),
                Poll::Ready(received) => match received? {
                    Received::Pong => {
                        if let Some(liveness) = &mut self.liveness {
                            liveness.pong(now());
                        }
                    }
                    Received::Malformed | Received::NoRoom { .. } => {}
                    Received::Message(Message::Binary(bytes)) if !self.is_base => {
                        self.take_body(BodyMessage::decode(&bytes));
                    }
                    Received::Message(message) => self.take(&message),
                },
            }
        }
        Ok(false)
    }

    fn hear(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.heard(now());
        }
    }

    /// Where a call has begun on a quiet connection, a ping goes before it: a path that has died meanwhile is found out soon.
    /// In base all calls would end with the connection, so it is checked only where nothing but that call is under way, and
    /// only with an executor that is known to answer pings.
    fn check_path(&mut self, all_read: bool) {
        let Some(liveness) = &mut self.liveness else { return };
        let (asked, active) = {
            let state = self.shared.lock();
            (state.asked, state.client.active())
        };
        if asked != self.asked {
            self.asked = asked;
            if !self.is_base || (active <= 1 && liveness.has_answered()) {
                liveness.asked(now());
            }
        }
        if active == 0 {
            liveness.settled();
        }
        if all_read && now() >= liveness.poll_timeout() && liveness.is_check_due(now()) {
            liveness.handle_timeout(now());
            self.connection.ping();
        }
    }

    fn take(&mut self, message: &Message) {
        let inbound = decode(message.bytes());
        let mut state = self.shared.lock();
        self.heard_of_calls |= state.client.is_live();
        state.client.handle(inbound);
        self.heard_of_calls |= state.client.has_progressed();
        state.take_woken(&mut self.woken);
        drop(state);
        self.wake();
    }

    fn take_body(&mut self, message: Result<BodyMessage, MalformedBody>) {
        let mut state = self.shared.lock();
        match message {
            Ok(message) => {
                self.heard_of_calls |= state.client.is_live();
                state.client.handle_body(message);
            }
            Err(malformed) => {
                tracing::debug!(%malformed, "the executor breaks the protocol");
                state.broken = Some(malformed.reason());
            }
        }
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
            let size = match &outgoing {
                Transmit::Text(text) => text.len(),
                Transmit::Body(body) => body.payload.len(),
            };
            if let Some(liveness) = &mut self.liveness {
                liveness.wrote((size + OVERHEAD) as u64);
            }
            match outgoing {
                Transmit::Text(text) => self.connection.send(Message::Text(text)),
                Transmit::Body(body) => self.connection.send_binary(body.header(), body.payload),
            }
        }
        match self.connection.poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => {}
        }
        Ok(all)
    }

    /// Says what is due to be said, and judges whether the executor is gone, which can be told only when all was read.
    fn keep_time(&mut self, cx: &mut Context<'_>, all_read: bool) -> bool {
        let now = now();
        let (due, is_live) = {
            let mut state = self.shared.lock();
            if state.client.poll_timeout().is_some_and(|due| due <= now) {
                state.client.handle_timeout(now);
                if state.client.queued() > 0 {
                    cx.waker().wake_by_ref();
                }
            }
            (state.client.poll_timeout(), state.client.is_live())
        };
        if all_read {
            if let Some(liveness) = self.liveness.as_mut().filter(|liveness| now >= liveness.poll_timeout()) {
                match liveness.handle_timeout(now) {
                    Verdict::Dead => return true,
                    Verdict::Ping => {
                        self.connection.ping();
                        cx.waker().wake_by_ref();
                    }
                    Verdict::Wait => {}
                }
            }
            if !is_live && now >= self.sync_by {
                return true;
            }
        }
        let silence = self.liveness.as_ref().map(Liveness::poll_timeout);
        let sync = (!is_live).then_some(self.sync_by);
        let Some(due) = [due, silence, sync].into_iter().flatten().min() else { return false };
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

fn farewell() -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(FAREWELL))
}
