use crate::{
    checks::{Outcome, Stop},
    context::OriginOptions,
};
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
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
pub(crate) struct Origin {
    base: String,
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
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            gates: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Ok(Self { base, shared, task })
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
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
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
    });
    // How it ends shows in what was seen.
    let _ = http1::Builder::new().keep_alive(true).serve_connection(TokioIo::new(stream), service).await;
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

async fn answer(request: Request<Incoming>, shared: &Arc<Shared>) -> Response<Pieces> {
    let path = request.uri().path().to_owned();
    shared.note(&path, |seen| seen.started += 1);
    let under = Under { shared: shared.clone(), path: path.clone() };
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let length = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let whole = |bytes: Bytes| Response::new(Pieces::whole(bytes));
    let mut response = match words[0] {
        "bytes" => whole(pattern(0, length)),
        "chunked" => Response::new(Pieces::stream(under, move |pieces, _| async move {
            let mut at = 0;
            while at < length {
                let piece = (length - at).min(10_000);
                if pieces.send(Ok(pattern(at, piece))).await.is_err() {
                    return;
                }
                at += piece;
            }
        })),
        "half" => Response::new(Pieces::stream(under, move |pieces, under| async move {
            let _ = pieces.send(Ok(pattern(0, length))).await;
            tokio::select! {
                () = under.shared.gate(&under.path) => drop(pieces.send(Ok(pattern(length, length))).await),
                () = pieces.closed() => {}
            }
        })),
        "hold" => {
            shared.gate(&path).await;
            whole(Bytes::from_static(b"held"))
        }
        "upload" | "upload-gated" => {
            if words[0] == "upload-gated" {
                shared.gate(&path).await;
            }
            match read(request.into_body(), shared, &path).await {
                Some(bytes) => whole(bytes.to_string().into()),
                None => whole(Bytes::new()),
            }
        }
        "refuse" => {
            let mut refusal = whole(Bytes::from_static(b"too large"));
            *refusal.status_mut() = hyper::StatusCode::PAYLOAD_TOO_LARGE;
            refusal.headers_mut().insert("connection", hyper::header::HeaderValue::from_static("close"));
            refusal
        }
        "cut" => Response::new(Pieces::stream(under, move |pieces, _| async move {
            let _ = pieces.send(Ok(pattern(0, length))).await;
            let _ = pieces.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
        })),
        "redirect" => {
            let mut redirect = whole(Bytes::new());
            *redirect.status_mut() = hyper::StatusCode::FOUND;
            let target = format!("/bytes/5/{}", words.last().unwrap_or(&""));
            if let Ok(target) = hyper::header::HeaderValue::try_from(target) {
                redirect.headers_mut().insert("location", target);
            }
            redirect
        }
        "headers" => {
            let mut response = whole(Bytes::new());
            let headers = response.headers_mut();
            let latin1 = hyper::header::HeaderValue::from_bytes(b"caf\xe9");
            headers.insert("x-once", hyper::header::HeaderValue::from_static("1"));
            headers.append("x-twice", hyper::header::HeaderValue::from_static("a"));
            headers.append("x-twice", hyper::header::HeaderValue::from_static("b"));
            headers
                .extend(latin1.ok().map(|value| (hyper::header::HeaderName::from_static("x-latin1"), value)));
            response
        }
        _ => {
            let mut missing = whole(Bytes::new());
            *missing.status_mut() = hyper::StatusCode::NOT_FOUND;
            missing
        }
    };
    let plain = hyper::header::HeaderValue::from_static("text/plain");
    response.headers_mut().entry("content-type").or_insert(plain);
    response
}

/// Reads a request body; `None` when it does not come to its end.
async fn read(mut body: Incoming, shared: &Shared, path: &str) -> Option<u64> {
    use http_body_util::BodyExt;
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let bytes = frame.ok()?.into_data().map_or(0, |data| data.len() as u64);
        total += bytes;
        shared.note(path, |seen| seen.bytes += bytes);
    }
    shared.note(path, |seen| seen.whole += 1);
    Some(total)
}

/// A body, whole or as it is made.
struct Pieces {
    whole: Option<Bytes>,
    receiver: Option<mpsc::Receiver<io::Result<Bytes>>>,
    task: Option<JoinHandle<()>>,
}

impl Pieces {
    fn whole(bytes: Bytes) -> Self {
        Self { whole: (!bytes.is_empty()).then_some(bytes), receiver: None, task: None }
    }

    fn stream<F: Future<Output = ()> + Send + 'static>(
        under: Under,
        make: impl FnOnce(mpsc::Sender<io::Result<Bytes>>, Arc<Under>) -> F,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let under = Arc::new(under);
        let making = make(sender, under.clone());
        let task = tokio::spawn(async move {
            making.await;
            drop(under);
        });
        Self { whole: None, receiver: Some(receiver), task: Some(task) }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.whole.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.receiver {
            None => Poll::Ready(None),
            Some(receiver) => receiver.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match (&self.whole, &self.receiver) {
            (whole, None) => {
                http_body::SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            _ => http_body::SizeHint::new(),
        }
    }
}

/// The bytes of every body, from this offset.
pub(crate) fn pattern(offset: usize, length: usize) -> Bytes {
    (offset..offset + length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}
