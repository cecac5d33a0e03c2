mod calls;
mod ends;
mod event;
mod finals;
mod informed;
mod input;
mod output;
mod sync;
mod uploads;

pub use event::{ClientConfig, ClientEvent, Drained};

use super::{
    CallText, ReceiveWindow, SendWindow,
    line::{Line, Ticket},
};
use crate::client::{Raw, initialized};
use afield_exchange::{Error, Phase};
use bytes::Bytes;
use finals::Finals;
use informed::Informed;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    time::Instant,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No connection. What is asked meanwhile is queued.
    Detached,
    /// `session/sync` has been asked and not answered: nothing is said about requests.
    Syncing,
    /// Everything may be said.
    Live,
}

#[derive(Debug)]
struct Call {
    /// The request, until the executor is known to have it.
    text: Option<CallText>,
    /// Whether it may have reached the executor, which may hold it.
    sent: bool,
    answer: Option<Result<Raw, Error>>,
    answered: bool,
    informational: Informed,
    body: ReceiveWindow,
    /// Why the body cannot be made whole, or why the call is over.
    failed: Option<Error>,
    upload: Option<SendWindow>,
    upload_wanted: bool,
    /// Whether the answer has been taken whole, so that only the upload is still under way.
    taken: bool,
    /// Whether the call failed while its upload was under way: then it has not gone well, whatever the answer is.
    cut: bool,
    /// Whether the upload is under way until the executor says that it is over.
    until_final: bool,
    /// Whether it is held back until the executor asks for it.
    upload_held: bool,
    /// Its place among the uploads that wait to be sent.
    turn: Option<Ticket>,
}

/// The orchestrator's end of a session in afield/1. It outlives its connections: after a loss, [`attach`](Self::attach)
/// brings both ends in step and everything goes on. Sans I/O: feed it [`handle`](Self::handle),
/// [`handle_body`](Self::handle_body) and [`handle_timeout`](Self::handle_timeout), then drain
/// [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit) and arm
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct ResumableClient {
    config: ClientConfig,
    stage: Stage,
    next: u64,
    calls: BTreeMap<u64, Call>,
    /// Requests to be sent, or sent again; they go in the order of their ids.
    unsent: BTreeSet<u64>,
    control: VecDeque<Bytes>,
    turns: Line,
    say_by: BTreeSet<(Instant, u64)>,
    /// Requests that are over, of which the executor is still to be told.
    finals: Finals,
    queued: usize,
    syncs: u64,
    /// Whether the connection that was lost had brought an upload on.
    progressed: bool,
    /// Requests in the list that is on its way.
    asked: HashSet<u64>,
    /// Those of them that are over since.
    given_up: BTreeSet<u64>,
    events: VecDeque<ClientEvent>,
    ignored: u64,
}

impl ResumableClient {
    /// A session that has just begun on a connection: `initialize` has been answered. Its first message is `initialized`.
    pub fn new(mut config: ClientConfig) -> Self {
        config.body_message_bytes = config.body_message_bytes.max(1);
        let initialized = initialized();
        Self {
            config,
            stage: Stage::Live,
            next: 0,
            calls: BTreeMap::new(),
            unsent: BTreeSet::new(),
            queued: initialized.len(),
            control: VecDeque::from([initialized]),
            turns: Line::default(),
            say_by: BTreeSet::new(),
            finals: Finals::default(),
            syncs: 0,
            progressed: false,
            asked: HashSet::new(),
            given_up: BTreeSet::new(),
            events: VecDeque::new(),
            ignored: 0,
        }
    }

    /// Requests that have not ended.
    pub fn active(&self) -> usize {
        self.calls.len()
    }

    /// Whether this request has not ended: its answer, or the end of its body, has not been read.
    pub fn is_active(&self, id: u64) -> bool {
        self.calls.contains_key(&id)
    }

    /// Whether nothing of this request has been sent, and it may still be.
    pub fn is_unsent(&self, id: u64) -> bool {
        self.calls.get(&id).is_some_and(|call| !call.sent && call.failed.is_none())
    }

    /// Whether everything may be said.
    pub fn is_live(&self) -> bool {
        self.stage == Stage::Live
    }

    /// Returns whether the last sync has shown that part of an upload arrived on the connection before.
    pub fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// Bytes of control messages and requests that have not been taken by [`poll_transmit`](Self::poll_transmit).
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Messages that were ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The connection is gone. Requests go on over there; what is asked meanwhile waits.
    pub fn detach(&mut self) {
        self.stage = Stage::Detached;
        for text in self.control.drain(..) {
            self.queued -= text.len();
        }
        self.turns.clear();
        self.finals.clear();
        for call in self.calls.values_mut() {
            call.turn = None;
        }
    }
}

impl Call {
    /// Ends the call with an error, which its reader finds where it is: at the answer, or after the bytes that came.
    fn fail(&mut self, error: Error) {
        let is_whole = self.taken || (self.answered && self.body.is_ended());
        if self.failed.is_some() || (is_whole && !self.is_uploading()) {
            return;
        }
        if self.answered {
            self.failed = Some(error.with_phase(Phase::Body));
        } else {
            self.answered = true;
            self.failed = Some(error.clone());
            self.answer = Some(Err(error));
        }
        self.cut = self.is_uploading();
        self.end_upload();
    }

    /// Whether the upload is under way.
    fn is_uploading(&self) -> bool {
        let is_taken = || self.upload.as_ref().is_none_or(SendWindow::is_taken);
        self.upload_wanted && (self.until_final || !is_taken())
    }

    /// Nobody wants more of the request body.
    fn end_upload(&mut self) {
        self.upload_wanted = false;
        if let Some(upload) = &mut self.upload {
            upload.clear();
        }
    }
}
