use crate::origin::Ending;
use crate::wait::{Watched, within};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How many received bytes a connection keeps; what comes after is counted, not kept.
const KEPT: usize = 64 * 1024 * 1024;

/// One connection to a [`RawOrigin`](super::RawOrigin). A cheap handle to a live record.
#[derive(Clone)]
pub struct Connection {
    peer: SocketAddr,
    state: Arc<Watched<State>>,
}

#[derive(Default)]
struct State {
    received: BytesMut,
    count: u64,
    sent: u64,
    finished: bool,
    ending: Option<Ending>,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self { peer, state: Arc::new(Watched::new(State::default())) }
    }

    pub(super) fn record(&self, bytes: &[u8]) {
        self.state.update(|state| {
            state.count += bytes.len() as u64;
            let room = KEPT - state.received.len();
            state.received.extend_from_slice(&bytes[..bytes.len().min(room)]);
        });
    }

    pub(super) fn sent_more(&self, bytes: usize) {
        self.state.update(|state| state.sent += bytes as u64);
    }

    pub(super) fn peer_finished(&self) {
        self.state.update(|state| state.finished = true);
    }

    pub(super) fn ended(&self, ending: Ending) {
        self.state.update(|state| {
            state.ending.get_or_insert(ending);
        });
    }

    /// Waits, however long, until `look` finds something in what was received; `None` once the peer sends no more.
    pub(super) async fn find(&self, mut look: impl FnMut(&[u8]) -> Option<usize>) -> Option<usize> {
        let found = |state: &State| match look(&state.received) {
            Some(end) => Some(Some(end)),
            None => state.finished.then_some(None),
        };
        self.state.until(found).await
    }

    /// Waits, however long, until the peer sends no more.
    pub(super) async fn end_of_input(&self) {
        self.state.until(|state| state.finished.then_some(())).await;
    }

    /// The address at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Every byte received so far (the first 64 MiB), after decryption under TLS.
    pub fn received(&self) -> Bytes {
        self.state.read(|state| Bytes::copy_from_slice(&state.received))
    }

    /// How many bytes were received so far.
    pub fn received_count(&self) -> u64 {
        self.state.read(|state| state.count)
    }

    /// How many bytes were handed to the socket so far. The system holds some of them for a peer that does not read.
    pub fn sent_count(&self) -> u64 {
        self.state.read(|state| state.sent)
    }

    /// How the connection ended, `None` while it lives.
    pub fn ending(&self) -> Option<Ending> {
        self.state.read(|state| state.ending.clone())
    }

    /// Waits until it has ended, and says how.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = Ending> + '_ {
        within("the connection to the raw origin is closed", self.state.until(|state| state.ending.clone()))
    }

    /// Waits until at least `count` bytes were received, and returns all that came.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), or when the peer stops sending before that.
    #[track_caller]
    pub fn wait_received(&self, count: usize) -> impl Future<Output = Bytes> + '_ {
        let what = format!("{count} bytes come to the raw origin");
        within(what, self.snapshot(move |bytes| (bytes.len() >= count).then_some(bytes.len())))
    }

    /// Waits until `text` stands in what was received, and returns all up to its end.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), or when the peer stops sending before that.
    #[track_caller]
    pub fn wait_text(&self, text: &str) -> impl Future<Output = Bytes> + '_ {
        let text = text.to_owned();
        let what = format!("{text:?} comes to the raw origin");
        within(what, self.snapshot(move |bytes| find(bytes, text.as_bytes())))
    }

    /// Waits until at least `count` bytes were handed to the socket.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_sent(&self, count: u64) -> impl Future<Output = ()> + '_ {
        let what = format!("the raw origin has sent {count} bytes");
        within(what, self.state.until(move |state| (state.sent >= count).then_some(())))
    }

    async fn snapshot(&self, look: impl FnMut(&[u8]) -> Option<usize>) -> Bytes {
        let end = self.find(look).await;
        let received = self.received();
        match end {
            Some(end) => received.slice(..end),
            None => panic!("the peer stopped sending after {:?}", received.escape_ascii().to_string()),
        }
    }
}

/// Where `text` ends in `bytes`.
pub(super) fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let start = bytes.windows(text.len().max(1)).position(|window| window == text)?;
    Some(start + text.len())
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.read(|state| {
            f.debug_struct("Connection")
                .field("peer", &self.peer)
                .field("received", &state.count)
                .field("sent", &state.sent)
                .field("ending", &state.ending)
                .finish()
        })
    }
}
