use super::link::carry;
use super::settings::{Counts, Cut, CutAfter, Settings, Shared, Way};
use crate::seed::Rng;
use crate::task::Owned;
use crate::wait::{Watched, within};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running proxy in front of one target. Dropping it cuts every connection.
///
/// What is set holds for all connections, those to come included, until [`heal`](Self::heal).
#[derive(Debug)]
pub struct Toxic {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: Owned,
}

/// Cuts that go on at random moments for as long as this lives.
#[derive(Debug)]
pub struct Schedule(#[expect(dead_code, reason = "held for its drop")] Owned);

impl Toxic {
    /// Listens on `127.0.0.1` and forwards every connection to `target`, faithfully until told otherwise.
    ///
    /// # Panics
    ///
    /// When loopback cannot be bound.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback can be bound");
        let address = listener.local_addr().expect("the listener is bound");
        let shared = Arc::new(Shared {
            settings: Watched::new(Settings::new(target)),
            counts: Watched::new(Counts::default()),
        });
        Self { address, shared: shared.clone(), _accepting: Owned::spawn(accept(listener, shared)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards connections to come to another target.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.settings.update(|settings| settings.target = target);
    }

    /// Cuts every connection that is open now. Connections to come are not touched.
    pub fn cut(&self, cut: Cut) {
        self.shared.settings.update(|settings| {
            settings.cuts_commanded = (settings.cuts_commanded.0 + 1, cut);
        });
    }

    /// Cuts the first connection that has carried `bytes` this way, right behind them, and no other. With 0 it cuts
    /// before the first byte.
    pub fn cut_after(&self, way: Way, bytes: u64, cut: Cut) {
        self.set_cut_after(CutAfter { way, bytes, cut, once: true });
    }

    /// Cuts each connection once it has carried `bytes` this way, right behind them.
    pub fn cut_each_after(&self, way: Way, bytes: u64, cut: Cut) {
        self.set_cut_after(CutAfter { way, bytes, cut, once: false });
    }

    fn set_cut_after(&self, cut: CutAfter) {
        self.shared.settings.update(|settings| settings.cut_after = Some(cut));
    }

    /// Holds back what goes this way, until [`resume`](Self::resume). At most 256 KiB a connection wait inside the
    /// proxy; beyond that the sender feels it.
    pub fn stall(&self, way: Way) {
        self.shared.settings.update(|settings| settings.way_mut(way).stalled = true);
    }

    /// Lets what was held back go on.
    pub fn resume(&self, way: Way) {
        self.shared.settings.update(|settings| settings.way_mut(way).stalled = false);
    }

    /// Lets at most this many bytes a second pass this way, on each connection.
    pub fn throttle(&self, way: Way, bytes_per_second: u64) {
        self.shared
            .settings
            .update(|settings| settings.way_mut(way).bytes_per_second = Some(bytes_per_second));
    }

    /// Delays what goes this way, without slowing it.
    pub fn delay(&self, way: Way, latency: Duration) {
        self.shared.settings.update(|settings| settings.way_mut(way).latency = latency);
    }

    /// Makes every connection half-open: what either side sends disappears, ends included, and nobody is told. A
    /// connection that has lost bytes stays so even after [`heal`](Self::heal).
    pub fn swallow(&self) {
        self.shared.settings.update(|settings| settings.swallow = true);
    }

    /// Resets connections to come as soon as they are accepted.
    pub fn refuse(&self) {
        self.shared.settings.update(|settings| settings.refuse = true);
    }

    /// Forwards faithfully again.
    pub fn heal(&self) {
        self.shared.settings.update(|settings| {
            let (target, cuts_commanded) = (settings.target, settings.cuts_commanded);
            *settings = Settings { cuts_commanded, ..Settings::new(target) };
        });
    }

    /// Cuts all connections again and again, each time after a pause out of `pauses` in milliseconds, by RST or FIN,
    /// both as `rng` decides, until the returned value is dropped.
    pub fn cut_at_random(&self, mut rng: Rng, pauses: Range<u64>) -> Schedule {
        let shared = self.shared.clone();
        Schedule(Owned::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(rng.range(pauses.clone()))).await;
                let cut = *rng.pick(&[Cut::Reset, Cut::Close]);
                shared.settings.update(|settings| {
                    settings.cuts_commanded = (settings.cuts_commanded.0 + 1, cut);
                });
            }
        }))
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> u64 {
        self.shared.counts.read(|counts| counts.accepted)
    }

    /// How many connections are open now.
    pub fn active(&self) -> usize {
        self.shared.counts.read(|counts| counts.active)
    }

    /// How many connections were cut, on command or by themselves.
    pub fn cuts(&self) -> u64 {
        self.shared.counts.read(|counts| counts.cuts)
    }

    /// How many bytes went this way, over all connections.
    pub fn forwarded(&self, way: Way) -> u64 {
        self.shared.counts.read(|counts| counts.forwarded(way))
    }

    /// Waits until at least `bytes` went this way, over all connections.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_forwarded(&self, way: Way, bytes: u64) -> impl Future<Output = ()> + '_ {
        let enough = move |counts: &Counts| (counts.forwarded(way) >= bytes).then_some(());
        within(format!("{bytes} bytes go {way:?} through the proxy"), self.shared.counts.until(enough))
    }

    /// Waits until at least `bytes` were swallowed, both ways and over all connections.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_swallowed(&self, bytes: u64) -> impl Future<Output = ()> + '_ {
        let enough = move |counts: &Counts| (counts.swallowed >= bytes).then_some(());
        within(format!("the proxy swallows {bytes} bytes"), self.shared.counts.until(enough))
    }

    /// Waits until at least `count` connections were ever accepted.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_accepted(&self, count: u64) -> impl Future<Output = ()> + '_ {
        let enough = move |counts: &Counts| (counts.accepted >= count).then_some(());
        within(format!("{count} connections come to the proxy"), self.shared.counts.until(enough))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                shared.counts.update(|counts| {
                    counts.accepted += 1;
                    counts.active += 1;
                });
                links.spawn(link(client, shared.clone()));
            }
            Some(_) = links.join_next() => {
                shared.counts.update(|counts| counts.active -= 1);
            }
        }
    }
}

async fn link(client: TcpStream, shared: Arc<Shared>) {
    let (target, refuse) = shared.settings.read(|settings| (settings.target, settings.refuse));
    if !refuse && let Ok(target) = TcpStream::connect(target).await {
        return carry(client, target, &shared).await;
    }
    // It fails only on a socket that is already gone.
    let _ = client.set_zero_linger();
}
