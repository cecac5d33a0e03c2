mod answers;
mod pieces;
mod socket;

use crate::{
    checks::{Outcome, Stop},
    context::OriginOptions,
};
use bytes::Bytes;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket::Socket;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// The kit's own HTTP origin. What it does is in the path; each check has paths of its own, by a name that it ends in.
///
/// | path | |
/// |---|---|
/// | `/bytes/N/…`, `/chunked/N/…` | N bytes, with their length or in chunks |
/// | `/half/N/…` | N bytes, and N more when the gate of that path is opened |
/// | `/hold/…` | answers when the gate is opened |
/// | `/upload/…`, `/upload-gated/…` | reads the body, once the gate is opened, and answers with its length |
/// | `/refuse/…` | 413 without reading the body, and the end of the connection |
/// | `/cut/N/…` | announces more than the N bytes that it sends |
/// | `/redirect/…` | 302 to `/bytes/5/…` |
/// | `/headers/…` | a repeated field, a name in capitals, a value that is not UTF-8 |
/// | `/echo/…` | reads the body and answers with what came, as JSON: `method`, `headers`, `bytes` |
/// | `/moved/STATUS/…` | that status, to `/echo/…`; `/moved-name/STATUS/…` to the same by its other name |
/// | `/reason/…` | the phrase `Kit Is Fine` |
/// | `/trailers/N/…` | N bytes, and the trailer `x-sum: kit` |
/// | `/upload-trailers/…` | reads the body and answers with its trailer `x-sum` |
/// | `/informs/N/…` | N times 103 with `x-n` 1, 2, 3…, and `informed` when the gate is opened |
pub(crate) struct Origin {
    base: String,
    /// The same by another name, where it has one.
    other: Option<String>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What was seen of the requests for one path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// How many began.
    pub started: u64,
    /// How many are over, however.
    pub over: u64,
    /// Body bytes that came.
    pub bytes: u64,
    /// How many bodies came to a clean end.
    pub whole: u64,
}

struct Shared {
    base: String,
    other: String,
    seen: Mutex<HashMap<String, Seen>>,
    gates: Mutex<HashSet<String>>,
    changed: watch::Sender<u64>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    pub async fn start(options: &OriginOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let base = match &options.host {
            Some(host) => format!("http://{host}:{}", address.port()),
            None => format!("http://{address}"),
        };
        let is_local = options.host.is_none() && address.ip() == Ipv4Addr::LOCALHOST;
        let other = is_local.then(|| format!("http://localhost:{}", address.port()));
        let shared = Arc::new(Shared {
            base: base.clone(),
            other: other.clone().unwrap_or_default(),
            seen: Mutex::default(),
            gates: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Ok(Self { base, other, shared, task })
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The same by its other name, which is another origin to whoever asks.
    pub fn has_other_name(&self) -> bool {
        self.other.is_some()
    }

    pub fn open(&self, path: &str) {
        lock(&self.shared.gates).insert(path.to_owned());
        self.shared.notify();
    }

    pub fn seen(&self, path: &str) -> Seen {
        lock(&self.shared.seen).get(path).copied().unwrap_or_default()
    }

    /// Waits until this is so of the requests for a path.
    pub async fn wait(
        &self,
        path: &str,
        patience: Duration,
        what: &str,
        so: impl Fn(&Seen) -> bool,
    ) -> Outcome {
        let mut changed = self.shared.changed.subscribe();
        let waited = timeout(patience, async {
            while !so(&self.seen(path)) {
                let _ = changed.changed().await;
            }
        });
        waited.await.map_err(|_| {
            Stop::Failed(format!("the origin was to see {what}; of {path} it has seen {:?}", self.seen(path)))
        })
    }
}

impl Shared {
    fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn note(&self, path: &str, note: impl FnOnce(&mut Seen)) {
        note(lock(&self.seen).entry(path.to_owned()).or_default());
        self.notify();
    }

    async fn gate(&self, path: &str) {
        let mut changed = self.changed.subscribe();
        while !lock(&self.gates).contains(path) {
            let _ = changed.changed().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => drop(connections.spawn(connection(stream, shared.clone()))),
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let socket = Socket::new(stream);
    let writer = socket.clone();
    let service = service_fn(move |request| {
        let (shared, writer) = (shared.clone(), writer.clone());
        async move { Ok::<_, Infallible>(answers::answer(request, &shared, &writer).await) }
    });
    // How it ends shows in what was seen.
    let _ = http1::Builder::new().keep_alive(true).serve_connection(TokioIo::new(socket), service).await;
}

/// Counts a request as over when it is dropped: answered, or given up.
struct Under {
    shared: Arc<Shared>,
    path: String,
}

impl Drop for Under {
    fn drop(&mut self) {
        self.shared.note(&self.path, |seen| seen.over += 1);
    }
}

/// The bytes of every body, from this offset.
pub(crate) fn pattern(offset: usize, length: usize) -> Bytes {
    (offset..offset + length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}
