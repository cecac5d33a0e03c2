use crate::policy::Scheme;
use afield_exchange::{Error, Phase};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use tokio::time::Instant;

/// How far one hop has come. Written by the resolver, the connector and the request body as the HTTP client drives
/// them; read by whoever waits for the head, to know what a deadline or an error means.
///
/// The orderings are relaxed: apart from `upload_done` and `upload_error`, which synchronise by themselves, everything is
/// written and read while the hop's own task polls the client.
pub(crate) struct Hop {
    /// Redirects before this one.
    pub(crate) index: u32,
    pub(crate) scheme: Scheme,
    pub(crate) port: u16,
    /// Whether the body is a stream whose end must be seen before the request counts as sent.
    pub(crate) uploads: bool,
    stage: AtomicU8,
    connecting_here: AtomicBool,
    sending_since: OnceLock<Instant>,
    upload_done: OnceLock<Instant>,
    upload_error: OnceLock<Error>,
}

const IDLE: u8 = 0;
const CONNECTING: u8 = 1;
const RESOLVING: u8 = 2;
const SENDING: u8 = 3;

impl Hop {
    pub(crate) fn new(index: u32, scheme: Scheme, port: u16, uploads: bool) -> Self {
        Self {
            index,
            scheme,
            port,
            uploads,
            stage: AtomicU8::new(IDLE),
            connecting_here: AtomicBool::new(false),
            sending_since: OnceLock::new(),
            upload_done: OnceLock::new(),
            upload_error: OnceLock::new(),
        }
    }

    /// The connector was polled for this hop.
    pub(crate) fn connecting(&self) {
        self.connecting_here.store(true, Ordering::Relaxed);
        let _ = self.stage.compare_exchange(IDLE, CONNECTING, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn resolving(&self) {
        let _ = self.stage.compare_exchange(CONNECTING, RESOLVING, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn resolved(&self) {
        let _ = self.stage.compare_exchange(RESOLVING, CONNECTING, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// There is a connection: from here on something may have been sent.
    pub(crate) fn sending(&self) {
        if self.stage.swap(SENDING, Ordering::Relaxed) != SENDING {
            let _ = self.sending_since.set(Instant::now());
        }
    }

    /// Call before each poll of the client.
    pub(crate) fn before_poll(&self) {
        self.connecting_here.store(false, Ordering::Relaxed);
    }

    /// Call after each poll of the client that was pending. The client polls a connection attempt every time until it has
    /// one; when it did not, a pooled connection has taken the request.
    pub(crate) fn after_poll(&self) {
        if !self.connecting_here.load(Ordering::Relaxed) {
            self.sending();
        }
    }

    /// The request body was taken to its end.
    pub(crate) fn upload_done(&self) {
        let _ = self.upload_done.set(Instant::now());
    }

    /// The request body failed; the first failure is kept.
    pub(crate) fn upload_failed(&self, error: Error) {
        let _ = self.upload_error.set(error);
    }

    /// Why the request body failed, if it did.
    pub(crate) fn upload_error(&self) -> Option<&Error> {
        self.upload_error.get()
    }

    /// Whether something of the request may have reached the origin.
    pub(crate) fn may_have_sent(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == SENDING
    }

    /// When the request was sent whole, if it was.
    pub(crate) fn sent_at(&self) -> Option<Instant> {
        let sending = self.sending_since.get()?;
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
