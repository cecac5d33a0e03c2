use super::settings::{Cut, Shared, Treatment, Way};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How many pieces of at most `PIECE` bytes wait on one way through the proxy.
const WAITING: usize = 16;
const PIECE: usize = 16 * 1024;

/// Carries one connection between client and target until it ends or is cut.
pub(super) async fn carry(mut client: TcpStream, mut target: TcpStream, shared: &Shared) {
    // Failing to turn off Nagle's algorithm costs time only.
    let _ = (client.set_nodelay(true), target.set_nodelay(true));
    let (seen, _) = shared.settings.read(|settings| settings.cuts_commanded);
    let commanded = shared.settings.until(|settings| {
        let (count, cut) = settings.cuts_commanded;
        (count > seen).then_some(cut)
    });
    let swallowed = AtomicBool::new(false);
    let ended = {
        let (client_read, client_write) = client.split();
        let (target_read, target_write) = target.split();
        let up = Lane { way: Way::Up, shared, swallowed: &swallowed };
        let down = Lane { way: Way::Down, shared, swallowed: &swallowed };
        tokio::select! {
            cut = commanded => Err(Broken::Cut(cut)),
            ended = async { tokio::try_join!(up.run(client_read, target_write), down.run(target_read, client_write)) } => {
                ended.map(|_| ())
            }
        }
    };
    let reset = match ended {
        Ok(()) | Err(Broken::Cut(Cut::Close)) => false,
        Err(Broken::Cut(Cut::Reset) | Broken::Lost) => true,
    };
    if let Err(Broken::Cut(_)) = ended {
        shared.counts.update(|counts| counts.cuts += 1);
    }
    for stream in [client, target] {
        if reset {
            // It fails only on a socket that is already gone.
            let _ = stream.set_zero_linger();
        } else {
            crate::socket::Socket::Plain(stream).cut();
        }
    }
}

enum Broken {
    Cut(Cut),
    Lost,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

/// One way through one connection.
struct Lane<'a> {
    way: Way,
    shared: &'a Shared,
    /// Whether this connection has lost bytes, so that nothing can mend it.
    swallowed: &'a AtomicBool,
}

impl Lane<'_> {
    async fn run(&self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), Broken> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::try_join!(self.take(from, sender), self.give(receiver, to))?;
        Ok(())
    }

    async fn take(
        &self,
        mut from: ReadHalf<'_>,
        queue: mpsc::Sender<(Instant, Bytes)>,
    ) -> Result<(), Broken> {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            if from.read_buf(&mut piece).await? == 0 {
                return Ok(());
            }
            let due = Instant::now() + self.treatment().latency;
            if queue.send((due, piece.freeze())).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn give(
        &self,
        mut queue: mpsc::Receiver<(Instant, Bytes)>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), Broken> {
        let mut given = 0;
        while let Some((due, mut piece)) = queue.recv().await {
            tokio::time::sleep_until(due).await;
            while !piece.is_empty() {
                self.unstalled().await;
                if self.swallowing() {
                    self.swallowed.store(true, Ordering::Relaxed);
                    self.shared.counts.update(|counts| counts.swallowed += piece.len() as u64);
                    break;
                }
                given += self.give_some(&mut piece, given, &mut to).await?;
            }
        }
        self.unstalled().await;
        if self.swallowing() {
            std::future::pending::<()>().await;
        }
        // The other side may be gone already.
        let _ = to.shutdown().await;
        Ok(())
    }

    /// Forwards the beginning of `piece`, as much as the rate and a coming cut allow at once.
    async fn give_some(&self, piece: &mut Bytes, given: u64, to: &mut WriteHalf<'_>) -> Result<u64, Broken> {
        let rate = self.treatment().bytes_per_second;
        let mut size = piece.len() as u64;
        if let Some(rate) = rate {
            size = size.min((rate / 50).max(1));
        }
        let cut_after =
            self.shared.settings.read(|settings| settings.cut_after.filter(|cut| cut.way == self.way));
        if let Some(cut) = cut_after {
            size = size.min(cut.bytes.saturating_sub(given));
        }
        let some = piece.split_to(size as usize);
        to.write_all(&some).await?;
        self.shared.counts.update(|counts| counts.add(self.way, some.len()));
        if let Some(cut) = cut_after.filter(|cut| given + size >= cut.bytes) {
            if cut.once {
                self.shared.settings.update(|settings| settings.cut_after = None);
            }
            return Err(Broken::Cut(cut.cut));
        }
        if let Some(rate) = rate {
            tokio::time::sleep(Duration::from_secs_f64(size as f64 / rate.max(1) as f64)).await;
        }
        Ok(size)
    }

    fn treatment(&self) -> Treatment {
        self.shared.settings.read(|settings| *settings.way(self.way))
    }

    fn swallowing(&self) -> bool {
        self.swallowed.load(Ordering::Relaxed) || self.shared.settings.read(|settings| settings.swallow)
    }

    async fn unstalled(&self) {
        self.shared.settings.until(|settings| (!settings.way(self.way).stalled).then_some(())).await;
    }
}
