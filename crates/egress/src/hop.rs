use crate::policy::Scheme;
use afield_exchange::{Error, Phase};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::time::Instant;

/// How far one hop has come. Written by the resolver, the connector and the request body as the HTTP client drives
/// them; read by whoever waits for the head, to know what a deadline or an error means.
///
/// The orderings are relaxed: apart from what synchronises by itself, and the count of uploaded bytes, everything is
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
    uploaded: AtomicU64,
    /// Addresses that were vetted before the client asks for them.
    vetted: OnceLock<Vec<IpAddr>>,
    via: OnceLock<Via>,
    /// What judged the destination, if somebody wants to know.
    judged_by: Option<Mutex<Option<String>>>,
}

/// The proxy a hop goes through.
pub(crate) struct Via {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the client asks for the destination's address under the proxy's own name.
    pub(crate) is_destination: bool,
}

const IDLE: u8 = 0;
const CONNECTING: u8 = 1;
const RESOLVING: u8 = 2;
const SENDING: u8 = 3;

impl Hop {
    /// `observed`: whether somebody wants to know what judged the destination.
    pub(crate) fn new(index: u32, scheme: Scheme, port: u16, uploads: bool, observed: bool) -> Self {
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
            uploaded: AtomicU64::new(0),
            vetted: OnceLock::new(),
            via: OnceLock::new(),
            judged_by: observed.then(Mutex::default),
        }
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

    pub(crate) fn set_vetted(&self, addresses: Vec<IpAddr>) {
        let _ = self.vetted.set(addresses);
    }

    pub(crate) fn vetted(&self) -> Option<&[IpAddr]> {
        self.vetted.get().map(Vec::as_slice)
    }

    pub(crate) fn go_via(&self, via: Via) {
        let _ = self.via.set(via);
    }

    pub(crate) fn via(&self) -> Option<&Via> {
        self.via.get()
    }

    /// Bytes of the request body have been taken.
    pub(crate) fn upload(&self, bytes: usize) {
        self.uploaded.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn uploaded(&self) -> u64 {
        self.uploaded.load(Ordering::Relaxed)
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
