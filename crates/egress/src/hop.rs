use afield_exchange::{Error, Phase, RuledOut};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::time::Instant;

/// How far one hop has come: shared by what connects, what sends, and the request's body, which the connection owns
/// while it is sent; read to know what a deadline or an error means.
///
/// The orderings are relaxed: apart from what synchronises by itself, all is written and read by one task at a time.
pub(crate) struct Hop {
    /// Redirects before this one.
    pub(crate) index: u32,
    principal: Option<Arc<str>>,
    /// Whether the body is a stream whose end must be seen before the request counts as sent.
    uploads: bool,
    /// Kinds of destination that the request itself rules out.
    pub(crate) ruled_out: RuledOut,
    stage: AtomicU8,
    sending_since: OnceLock<Instant>,
    upload_done: OnceLock<Instant>,
    upload_error: OnceLock<Error>,
    uploaded: AtomicU64,
    /// Whether the body is held back until the origin asks for it.
    body_held: AtomicBool,
    informational: AtomicUsize,
    /// What judged the destination, if somebody wants to know.
    judged_by: Option<Mutex<Option<String>>>,
}

const CONNECTING: u8 = 0;
const RESOLVING: u8 = 1;
const SENDING: u8 = 2;

impl Hop {
    /// `observed`: whether somebody wants to know what judged the destination.
    pub(crate) fn new(index: u32, principal: Option<&Arc<str>>, uploads: bool, observed: bool) -> Self {
        Self {
            index,
            principal: principal.cloned(),
            uploads,
            ruled_out: RuledOut::default(),
            stage: AtomicU8::new(CONNECTING),
            sending_since: OnceLock::new(),
            upload_done: OnceLock::new(),
            upload_error: OnceLock::new(),
            uploaded: AtomicU64::new(0),
            body_held: AtomicBool::new(false),
            informational: AtomicUsize::new(0),
            judged_by: observed.then(Mutex::default),
        }
    }

    /// The same hop of a request that rules these kinds of destination out.
    pub(crate) fn ruling_out(self, ruled_out: RuledOut) -> Self {
        Self { ruled_out, ..self }
    }

    /// On whose behalf it is made.
    pub(crate) fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// The destination was judged; the last judgement counts.
    pub(crate) fn judged(&self, by: impl FnOnce() -> String) {
        if let Some(judged_by) = &self.judged_by {
            *judged_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(by());
        }
    }

    pub(crate) fn judged_by(&self) -> Option<String> {
        self.judged_by.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of the request body have been taken.
    pub(crate) fn upload(&self, bytes: usize) {
        self.uploaded.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn uploaded(&self) -> u64 {
        self.uploaded.load(Ordering::Relaxed)
    }

    pub(crate) fn resolving(&self) {
        self.stage.store(RESOLVING, Ordering::Relaxed);
    }

    pub(crate) fn resolved(&self) {
        self.stage.store(CONNECTING, Ordering::Relaxed);
    }

    /// There is a connection: from here on something may have been sent.
    pub(crate) fn sending(&self) {
        self.stage.store(SENDING, Ordering::Relaxed);
        let _ = self.sending_since.set(Instant::now());
    }

    /// The request came back unsent: another connection is needed.
    pub(crate) fn unsent(&self) {
        self.stage.store(CONNECTING, Ordering::Relaxed);
    }

    /// The request body was taken to its end.
    pub(crate) fn upload_done(&self) {
        let _ = self.upload_done.set(Instant::now());
    }

    /// Whether the whole request body was taken. A body that is sent in one piece counts as taken.
    pub(crate) fn is_upload_done(&self) -> bool {
        !self.uploads || self.upload_done.get().is_some()
    }

    /// The request body failed; the first failure is kept.
    pub(crate) fn upload_failed(&self, error: Error) {
        let _ = self.upload_error.set(error);
    }

    /// Why the request body failed, if it did.
    pub(crate) fn upload_error(&self) -> Option<&Error> {
        self.upload_error.get()
    }

    /// Holds the body back until [`release_body`](Self::release_body) (RFC 9110, section 10.1.1).
    pub(crate) fn hold_body(&self) {
        self.body_held.store(true, Ordering::Relaxed);
    }

    pub(crate) fn release_body(&self) {
        self.body_held.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_body_held(&self) -> bool {
        self.body_held.load(Ordering::Relaxed)
    }

    /// An informational response has come. Returns how many there were.
    pub(crate) fn informed(&self) -> usize {
        self.informational.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn informational(&self) -> usize {
        self.informational.load(Ordering::Relaxed)
    }

    /// Whether something of the request may have reached the origin.
    pub(crate) fn may_have_sent(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == SENDING
    }

    /// When the connection was there.
    pub(crate) fn sending_since(&self) -> Option<Instant> {
        self.sending_since.get().copied()
    }

    /// When the request was sent whole, if it was.
    pub(crate) fn sent_at(&self) -> Option<Instant> {
        let sending = self.sending_since.get().filter(|_| self.may_have_sent())?;
        match self.uploads {
            false => Some(*sending),
            true => self.upload_done.get().map(|done| (*done).max(*sending)),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.stage.load(Ordering::Relaxed) {
            RESOLVING => Phase::Dns,
            SENDING if self.sent_at().is_some() => Phase::Head,
            SENDING => Phase::Request,
            _ => Phase::Connect,
        }
    }
}
