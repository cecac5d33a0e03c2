mod absent;
mod answers;
mod event;
mod informational;
mod input;
mod output;
mod sync;
mod uploads;

pub use event::{ServerConfig, ServerEvent, Transmit};

use super::{
    ReceiveWindow, SendWindow,
    line::{Line, Ticket},
};
use crate::{
    RpcError,
    json::RpcId,
    server::Questions,
    wire::{Features, InitializeResult, response},
};
use afield_exchange::Error;
use bytes::Bytes;
use informational::Informational;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No connection.
    Detached,
    /// `initialize` has been answered.
    Answered { resumed: bool },
    /// `initialized` has come; nothing about requests is said or heard before `session/sync`.
    Unsynced,
    /// Everything may be said.
    Live,
}

#[derive(Debug)]
struct Call {
    /// The informational responses, while the client may lack them.
    informational: Informational,
    /// The result or the error, kept until it is acknowledged.
    answer: Option<Bytes>,
    /// Whether somebody still performs it.
    running: bool,
    /// How long it is kept while no connection is attached, if not as long as the session.
    keep: Option<Duration>,
    body: SendWindow,
    /// Bytes of its trailers, which are kept as the answer is.
    trailers: usize,
    upload: Option<Incoming>,
    /// Whether the answer is in the queue of answers.
    owed: bool,
    /// Its place among the bodies that wait to be sent.
    turn: Option<Ticket>,
    /// Whether whoever fills the body waits for room.
    blocked: bool,
    /// Its place among those for which there would be room, were the session's bodies not over their limit.
    starved: Option<Ticket>,
}

#[derive(Debug)]
struct Incoming {
    window: ReceiveWindow,
    /// Whether the request still wants its body.
    wanted: bool,
    /// Why the body cannot be made whole.
    broken: Option<Error>,
    /// Whether the client holds it back until it is asked for, and has been.
    hold: Hold,
}

/// Whether an upload is held back by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It never was.
    Never,
    /// Until it is asked for.
    Held,
    /// It has been asked for; after a lost connection that is said again.
    Asked,
}

/// The executor's end of a session in afield/1. It outlives its connections: while none is attached, requests go on and
/// their answers are kept. Sans I/O: feed it [`handle`](Self::handle), [`handle_body`](Self::handle_body) and
/// [`handle_timeout`](Self::handle_timeout), then drain [`poll_event`](Self::poll_event) and
/// [`poll_transmit`](Self::poll_transmit) and arm [`poll_timeout`](Self::poll_timeout).
///
/// A request id executes at most once: ids only grow, and one that came before is never started again.
#[derive(Debug)]
pub struct ResumableServer {
    config: ServerConfig,
    stage: Stage,
    attempt: u64,
    last_request: u64,
    calls: BTreeMap<u64, Call>,
    control: VecDeque<Bytes>,
    /// Answers to be sent; the oldest request's goes first.
    answers: BTreeSet<u64>,
    turns: Line,
    /// Uploads about which the client is to be told.
    said: BTreeSet<u64>,
    /// When it is to be told at the latest, of uploads that were read as far as they have come.
    say_by: BTreeSet<(Instant, u64)>,
    starved: Line,
    kept_bodies: u64,
    kept_answers: usize,
    owed: usize,
    events: VecDeque<ServerEvent>,
    /// What the connection has asked that is not yet answered.
    questions: Questions,
    ignored: u64,
}

impl ResumableServer {
    /// A session to which no connection is attached yet.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            stage: Stage::Detached,
            attempt: 0,
            last_request: 0,
            calls: BTreeMap::new(),
            control: VecDeque::new(),
            answers: BTreeSet::new(),
            turns: Line::default(),
            said: BTreeSet::new(),
            say_by: BTreeSet::new(),
            starved: Line::default(),
            kept_bodies: 0,
            kept_answers: 0,
            owed: 0,
            events: VecDeque::new(),
            questions: Questions::default(),
            ignored: 0,
        }
    }

    /// Whether the connection should be read: not while more is owed to it than `queued_bytes`.
    pub fn wants_input(&self) -> bool {
        self.owed <= self.config.queued_bytes
    }

    /// Bytes of answers that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Whether something waits to be taken by [`poll_transmit`](Self::poll_transmit).
    pub fn has_output(&self) -> bool {
        let about_requests = !(self.said.is_empty()
            && self.answers.is_empty()
            && self.turns.is_empty()
            && self.say_by.is_empty());
        !self.control.is_empty() || (self.stage == Stage::Live && about_requests)
    }

    /// Requests that are held: performed, or answered and not yet acknowledged.
    pub fn active(&self) -> usize {
        self.calls.len()
    }

    /// Questions about the executor that are not yet answered.
    pub fn questions(&self) -> usize {
        self.questions.open()
    }

    /// Whether this request is held.
    pub fn is_held(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    /// Bytes of response bodies that are kept.
    pub fn kept_bodies(&self) -> u64 {
        self.kept_bodies
    }

    /// What the session has beyond the least.
    pub fn features(&self) -> Features {
        self.config.features
    }

    /// Bytes that are kept besides bodies: results, errors, informational responses and trailers.
    pub fn kept_answers(&self) -> usize {
        self.kept_answers
    }

    /// Messages that were ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The greatest request id that ever arrived.
    pub fn last_request(&self) -> u64 {
        self.last_request
    }

    /// Attaches a connection and answers its `initialize`. An attempt lower than one already seen is refused: it is an
    /// older connection that comes late. The machine forgets what it owed the connection before.
    pub fn attach(&mut self, id: &RpcId, attempt: u64, result: &InitializeResult) -> Result<(), RpcError> {
        let resumed = result.resumed == Some(true);
        if resumed && attempt < self.attempt {
            let instance = result.instance.as_deref().unwrap_or_default();
            return Err(RpcError::refused_session("session resumed by another connection", instance));
        }
        self.attempt = attempt;
        self.detach();
        self.stage = Stage::Answered { resumed };
        self.say(response(id, 1024, |out| out.json(result)));
        Ok(())
    }

    /// The connection is gone. Requests go on.
    pub fn detach(&mut self) {
        self.stage = Stage::Detached;
        self.control.clear();
        self.answers.clear();
        self.turns.clear();
        self.said.clear();
        self.questions.clear();
        self.owed = 0;
        for call in self.calls.values_mut() {
            call.turn = None;
            call.owed = false;
        }
    }

    /// Lets go of a request: its answer is acknowledged, or nobody wants it any more.
    fn forget(&mut self, call: u64) {
        let Some(mut held) = self.calls.remove(&call) else {
            self.ignored += 1;
            return;
        };
        self.kept_bodies -= held.body.clear();
        let answer = held.answer.as_ref().map_or(0, Bytes::len);
        self.kept_answers -= answer + held.trailers + held.informational.clear();
        if held.owed {
            self.answers.remove(&call);
            self.owed -= answer;
        }
        self.turns.leave(held.turn.take());
        self.starved.leave(held.starved.take());
        self.said.remove(&call);
        if let Some(by) = held.upload.as_ref().and_then(|upload| upload.window.say_by()) {
            self.say_by.remove(&(by, call));
        }
        self.events.push_back(ServerEvent::Cancel(call));
        self.feed();
    }
}
