//! The origin: lean, on loopback, bodies built beforehand, in a process of its own.
//!
//! | path | answer |
//! |---|---|
//! | `GET /bytes/N` | N bytes with a length |
//! | `GET /sse` | a head and one event, then silence until the client goes |
//! | `POST /upload` | 204 once the body is read whole |

use crate::{
    Result,
    process::{Listening, Usage},
};
use afield_testkit::process::Command;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    fmt::Write as _,
    io::Read as _,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::net::TcpListener;

const CHUNK: usize = 64 * 1024;
static CHUNK_BYTES: [u8; CHUNK] = pattern();

/// Bytes that do not compress into nothing and are easy to check: byte `i` is `i mod 251`.
const fn pattern() -> [u8; CHUNK] {
    let mut bytes = [0; CHUNK];
    let mut i = 0;
    while i < CHUNK {
        bytes[i] = (i % 251) as u8;
        i += 1;
    }
    bytes
}

/// The byte at `offset` of any body.
pub fn byte_at(offset: u64) -> u8 {
    CHUNK_BYTES[(offset % CHUNK as u64) as usize]
}

/// Serves on a port of 127.0.0.1 that it prints, and on so many more that stand in the next line, until standard input
/// closes.
pub async fn serve(more: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut ports = String::new();
    for _ in 0..more {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let _ = write!(ports, " {}", listener.local_addr()?.port());
        tokio::spawn(accept(listener));
    }
    println!("{MORE}{ports}");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(accept(listener).await?)
}

/// What the line begins with that names more ports.
const MORE: &str = "more ports:";

async fn accept(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Prebuilt>, hyper::Error> {
    let path = request.uri().path();
    let mut response = match path.strip_prefix("/bytes/").and_then(|len| len.parse().ok()) {
        Some(len) => Response::new(Prebuilt::Bytes(len)),
        None if path == "/sse" => sse(),
        None if path == "/upload" && request.method() == Method::POST => return upload(request).await,
        None => status(StatusCode::NOT_FOUND),
    };
    response.headers_mut().insert("mcp-session-id", header::HeaderValue::from_static("benchmark"));
    Ok(response)
}

fn sse() -> Response<Prebuilt> {
    let mut response = Response::new(Prebuilt::OneEvent { sent: false });
    let event_stream = header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, event_stream);
    response
}

async fn upload(request: Request<Incoming>) -> Result<Response<Prebuilt>, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(status(StatusCode::NO_CONTENT))
}

fn status(status: StatusCode) -> Response<Prebuilt> {
    let mut response = Response::new(Prebuilt::Bytes(0));
    *response.status_mut() = status;
    response
}

/// A body that costs nothing to make.
enum Prebuilt {
    /// So many bytes are still to come.
    Bytes(u64),
    /// One event, then nothing, for ever.
    OneEvent { sent: bool },
}

impl Body for Prebuilt {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Bytes(0) => Poll::Ready(None),
            Self::Bytes(left) => {
                let len = (*left).min(CHUNK as u64);
                *left -= len;
                let chunk = Bytes::from_static(&CHUNK_BYTES).slice(..len as usize);
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Self::OneEvent { sent: true } => Poll::Pending,
            Self::OneEvent { sent } => {
                *sent = true;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: {}\n\n")))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Bytes(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(left) => SizeHint::with_exact(*left),
            Self::OneEvent { .. } => SizeHint::default(),
        }
    }
}

/// The origin's process; dropping it ends it.
pub struct Origin {
    process: Listening,
    more: Vec<String>,
}

impl Origin {
    /// Starts one, on one port and `more`, and waits until it listens.
    pub async fn start(more: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["origin", &more.to_string()]);
        let process = Listening::start(command).await?;
        let ports = process.line("the origin's ports", MORE).await;
        let more = ports.split_ascii_whitespace().map(|port| format!("127.0.0.1:{port}")).collect();
        Ok(Self { process, more })
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        self.process.authority()
    }

    /// The absolute URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }

    /// The absolute URL of `path` at every port, the first one's first.
    pub fn urls(&self, path: &str) -> impl Iterator<Item = String> {
        let more = self.more.iter().map(move |authority| format!("http://{authority}{path}"));
        std::iter::once(self.url(path)).chain(more)
    }

    /// What it has used up to now.
    pub fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }
}
