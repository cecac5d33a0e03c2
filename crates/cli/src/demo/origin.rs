use super::timeline::{Notes, Party};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Between two events of a stream.
const TICK: Duration = Duration::from_millis(250);
/// The largest request head that is read.
const LARGEST_HEAD: usize = 16 * 1024;

pub(super) const GREETING: &str = "Hello from the origin!\n";

/// A small HTTP server on loopback that notes what it sees.
///
/// | path | answer |
/// |---|---|
/// | `/greeting` | a line of text |
/// | `/events/N` | N server-sent events, a quarter of a second apart |
pub(super) struct Origin {
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Said when a peer has closed its socket in the middle of a stream.
    closed: Arc<Notify>,
}

impl Origin {
    pub async fn start(notes: Notes) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let closed = Arc::new(Notify::new());
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, stop.clone(), tasks.clone(), notes, closed.clone()));
        Ok(Self { address, stop, tasks, closed })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until a peer has closed its socket in the middle of a stream.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Closes every socket, and waits until that is done.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    stop: CancellationToken,
    tasks: TaskTracker,
    notes: Notes,
    closed: Arc<Notify>,
) {
    while let Some(Ok((socket, peer))) = stop.run_until_cancelled(listener.accept()).await {
        let (notes, closed, stop) = (notes.clone(), closed.clone(), stop.clone());
        tasks.spawn(async move {
            // A connection that breaks is part of the show, not a failure.
            let _ = stop.run_until_cancelled(serve(socket, peer, &notes, &closed)).await;
        });
    }
}

async fn serve(mut socket: TcpStream, peer: SocketAddr, notes: &Notes, closed: &Notify) -> io::Result<()> {
    socket.set_nodelay(true)?;
    while let Some(path) = read_request(&mut socket).await? {
        notes.arrow(Party::Executor, Party::Origin, format!("GET {path} from port {}", peer.port())).await;
        match path.strip_prefix("/events/").and_then(|count| count.parse::<u32>().ok()) {
            Some(count) => stream(&mut socket, count, notes, closed).await?,
            None => answer(&mut socket, &path, notes).await?,
        }
    }
    Ok(())
}

/// The path of the next request; `None` once the peer has closed.
async fn read_request(socket: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LARGEST_HEAD || socket.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let line = String::from_utf8_lossy(&head);
    Ok(line.split(' ').nth(1).map(str::to_owned))
}

async fn answer(socket: &mut TcpStream, path: &str, notes: &Notes) -> io::Result<()> {
    let (status, body) = if path == "/greeting" { ("200 OK", GREETING) } else { ("404 Not Found", "") };
    notes.arrow(Party::Origin, Party::Executor, format!("{status}, {} bytes", body.len())).await;
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.write_all(answer.as_bytes()).await
}

async fn stream(socket: &mut TcpStream, count: u32, notes: &Notes, closed: &Notify) -> io::Result<()> {
    notes.arrow(Party::Origin, Party::Executor, "200 OK, text/event-stream").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    let mut byte = [0];
    for number in 1..=count {
        tokio::select! {
            () = sleep(TICK) => {}
            // Whoever asked sends nothing while it reads: any end of reading is its socket closing.
            _ = socket.read(&mut byte) => {
                notes.try_note(Party::Origin, "the socket was closed");
                closed.notify_one();
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        notes.arrow(Party::Origin, Party::Executor, format!("event {number}")).await;
        let event = format!("id: {number}\ndata: tick {number}\n\n");
        socket.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    socket.write_all(b"0\r\n\r\n").await
}
