use super::answer::Answer;
use super::record::{Connection, Ending, HeadParts, Outcome, Request, Serving};
use super::routes::{State, answer, answer_early};
use super::upload::{Pieces, take};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use std::io;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

const HEAD_LIMIT: usize = 8 * 1024 * 1024;
const AHEAD_LIMIT: usize = 256 * 1024;

/// A byte stream, plain or under TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + 'static> Stream for T {}

/// Serves HTTP/1 on `stream` until either side closes it; says who did.
pub(super) async fn serve(stream: Pin<Box<dyn Stream>>, connection: &Connection, state: &State) -> Ending {
    let (read, mut writer) = tokio::io::split(stream);
    let mut reader = Reader { io: read, buffer: BytesMut::new(), connection };
    loop {
        match exchange(&mut reader, &mut writer, state).await {
            Ok(Next::Keep) => {}
            Ok(Next::Close) => {
                // Reading on until the peer closes too keeps a reset from eating the answer on its way.
                if writer.shutdown().await.is_ok() {
                    reader.watch_discarding().await;
                }
                return Ending::OriginClosed;
            }
            Err(error) => return ending_of(&error),
        }
    }
}

fn ending_of(error: &io::Error) -> Ending {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Ending::PeerClosed,
        _ => Ending::PeerReset,
    }
}

enum Next {
    Keep,
    Close,
}

async fn exchange(
    reader: &mut Reader<'_>,
    writer: &mut WriteHalf<Pin<Box<dyn Stream>>>,
    state: &State,
) -> io::Result<Next> {
    let raw = reader.head().await?;
    let Some((head, framing)) = parse_head(&raw) else {
        writer
            .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await?;
        return Ok(Next::Close);
    };
    let request = Request::new(reader.connection.clone(), head);
    let serving = Serving(request.clone());
    state.receive(request.clone());
    let answer = match answer_early(&request) {
        Some(answer) => answer,
        None => {
            if framing != Framing::Length(0)
                && request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue"))
            {
                writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let taken = take(&request, state, &mut BodyReader { reader, framing }).await?;
            tokio::select! {
                answer = answer(&request, taken, state) => answer,
                error = reader.watch() => return Err(error),
            }
        }
    };
    let close = answer.close || wants_close(&request);
    tokio::select! {
        written = write(writer, &request, answer, close) => written?,
        error = reader.watch() => return Err(error),
    }
    serving.0.ended(Outcome::Answered);
    Ok(if close { Next::Close } else { Next::Keep })
}

fn wants_close(request: &Request) -> bool {
    let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
    connection.contains("close") || request.version() == "HTTP/1.0" && !connection.contains("keep-alive")
}

async fn write(
    writer: &mut WriteHalf<Pin<Box<dyn Stream>>>,
    request: &Request,
    answer: Answer,
    close: bool,
) -> io::Result<()> {
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason.unwrap_or("Unnamed")).into_bytes();
    for (name, value) in &answer.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    let length = answer.body.length();
    let chunked = length.is_none() && request.version() == "HTTP/1.1";
    match length {
        _ if answer.bodiless() => {}
        Some(length) => head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes()),
        None if chunked => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        None => {}
    }
    if close {
        head.extend_from_slice(b"connection: close\r\n");
    }
    head.extend_from_slice(b"\r\n");
    if answer.bodiless() || request.method() == "HEAD" {
        writer.write_all(&head).await?;
        return writer.flush().await;
    }
    let mut parts = answer.body.into_parts();
    // The head goes out with the first bytes where they are at hand, and alone where they are not.
    let mut unsent = BytesMut::from(&head[..]);
    loop {
        let part = match parts.next().now_or_never() {
            Some(part) => part,
            None => {
                writer.write_all_buf(&mut unsent).await?;
                writer.flush().await?;
                parts.next().await
            }
        };
        let Some(part) = part else { break };
        if chunked {
            unsent.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        }
        unsent.extend_from_slice(&part);
        if chunked {
            unsent.extend_from_slice(b"\r\n");
        }
        if unsent.len() >= 16 * 1024 {
            writer.write_all_buf(&mut unsent).await?;
        }
    }
    if chunked {
        unsent.extend_from_slice(b"0\r\n\r\n");
    }
    writer.write_all_buf(&mut unsent).await?;
    writer.flush().await
}

struct Reader<'a> {
    io: ReadHalf<Pin<Box<dyn Stream>>>,
    buffer: BytesMut,
    connection: &'a Connection,
}

impl Reader<'_> {
    /// Reads some more bytes; the end of the stream is `UnexpectedEof`. Cancel safe.
    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(16 * 1024);
        let count = self.io.read_buf(&mut self.buffer).await?;
        self.connection.read(count);
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The next head, its empty line included. Empty lines before it are skipped (RFC 9112, section 2.2).
    async fn head(&mut self) -> io::Result<Bytes> {
        loop {
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(self.buffer.split_to(end + 4).freeze());
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(io::Error::other("the request head exceeds 8 MiB"));
            }
            self.fill().await?;
        }
    }

    /// Waits for the peer to go; what it sends meanwhile is kept, up to a limit, for the next request.
    async fn watch(&mut self) -> io::Error {
        while self.buffer.len() < AHEAD_LIMIT {
            if let Err(error) = self.fill().await {
                return error;
            }
        }
        std::future::pending().await
    }

    async fn watch_discarding(&mut self) {
        while self.fill().await.is_ok() {
            self.buffer.clear();
        }
    }

    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(2);
                return Ok(line);
            }
            if self.buffer.len() > AHEAD_LIMIT {
                return Err(io::Error::other("a chunk's header exceeds 256 KiB"));
            }
            self.fill().await?;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    ChunkHeader,
    Chunk(u64),
}

struct BodyReader<'a, 'b> {
    reader: &'a mut Reader<'b>,
    framing: Framing,
}

impl Pieces for BodyReader<'_, '_> {
    async fn next(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        if self.framing == Framing::ChunkHeader {
            let line = self.reader.line().await?;
            let size = std::str::from_utf8(&line).ok().and_then(|l| l.split(';').next()).map(str::trim);
            let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
            match size.ok_or_else(|| io::Error::other("the request has a bad chunk size"))? {
                0 => {
                    while !self.reader.line().await?.is_empty() {}
                    self.framing = Framing::Length(0);
                }
                size => self.framing = Framing::Chunk(size),
            }
        }
        let (Framing::Length(left) | Framing::Chunk(left)) = self.framing else { unreachable!() };
        if left == 0 {
            return Ok(None);
        }
        if self.reader.buffer.is_empty() {
            self.reader.fill().await?;
        }
        let count = self.reader.buffer.len().min(limit).min(usize::try_from(left).unwrap_or(usize::MAX));
        let piece = self.reader.buffer.split_to(count).freeze();
        let left = left - count as u64;
        self.framing = match self.framing {
            Framing::Chunk(_) if left == 0 => {
                self.reader.line().await?;
                Framing::ChunkHeader
            }
            Framing::Chunk(_) => Framing::Chunk(left),
            _ => Framing::Length(left),
        };
        Ok(Some(piece))
    }
}

/// Takes a head apart; `None` when it is not HTTP or its framing is ambiguous.
fn parse_head(raw: &Bytes) -> Option<(HeadParts, Framing)> {
    let mut lines =
        raw[..raw.len() - 4].split(|byte| *byte == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let mut words = std::str::from_utf8(lines.next()?).ok()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let version = match (words.next()?, words.next()) {
        ("HTTP/1.1", None) => "HTTP/1.1",
        ("HTTP/1.0", None) => "HTTP/1.0",
        _ => return None,
    };
    let mut headers = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?.to_owned();
        headers.push((name, raw.slice_ref(line[colon + 1..].trim_ascii())));
    }
    let values = |name: &'static str| {
        headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value): &(String, Bytes)| value)
    };
    let mut lengths = values("content-length");
    let framing = match (values("transfer-encoding").next(), lengths.next(), lengths.next()) {
        (None, None, _) => Framing::Length(0),
        (None, Some(length), None) if length.iter().all(u8::is_ascii_digit) => {
            Framing::Length(std::str::from_utf8(length).ok()?.parse().ok()?)
        }
        (Some(coding), None, _) if coding.eq_ignore_ascii_case(b"chunked") => Framing::ChunkHeader,
        _ => return None,
    };
    Some((HeadParts { method, target, version, headers, raw: raw.clone() }, framing))
}
