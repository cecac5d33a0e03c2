use super::record::Request;
use super::routes::{Query, State};
use crate::pattern;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use std::io;
use std::time::Duration;

const MIRROR_LIMIT: usize = 64 * 1024 * 1024;

/// A request's body, read piece by piece whatever the protocol.
pub(super) trait Pieces {
    /// The next bytes, at most `limit` of them and at least one; `None` at the end of a complete body.
    async fn next(&mut self, limit: usize) -> io::Result<Option<Bytes>>;
}

/// What was learned from a request's body.
pub(super) struct Taken {
    pub(super) length: u64,
    pub(super) sha256: String,
    /// The bytes themselves, kept for `/mirror` alone.
    pub(super) bytes: Bytes,
}

/// Reads a request's body at the pace its route asks for.
pub(super) async fn take(request: &Request, state: &State, body: &mut impl Pieces) -> io::Result<Taken> {
    let query = Query::of(request.target());
    let mut reading = Reading { hash: Sha256::new(), length: 0, kept: None };
    match query.path.as_str() {
        "/mirror" => reading.kept = Some(BytesMut::new()),
        "/drain-slow" => {
            let step = query.number("bytes").unwrap_or(1024).max(1) as usize;
            let pause = Duration::from_millis(query.number("every_ms").unwrap_or(10));
            while reading.step(body, step).await? {
                tokio::time::sleep(pause).await;
            }
        }
        "/drain-gated" => {
            let first = query.number("first").unwrap_or(0);
            while reading.length < first {
                let left = usize::try_from(first - reading.length).unwrap_or(usize::MAX);
                if !reading.step(body, left).await? {
                    break;
                }
            }
            state.gate(query.text("gate").unwrap_or_default()).await;
        }
        _ => {}
    }
    while reading.step(body, usize::MAX).await? {}
    let sha256 = pattern::hex(reading.hash);
    request.received(reading.length, sha256.clone());
    Ok(Taken { length: reading.length, sha256, bytes: reading.kept.unwrap_or_default().freeze() })
}

struct Reading {
    hash: Sha256,
    length: u64,
    kept: Option<BytesMut>,
}

impl Reading {
    /// Takes at most `limit` bytes; false at the end.
    async fn step(&mut self, body: &mut impl Pieces, limit: usize) -> io::Result<bool> {
        let Some(piece) = body.next(limit).await? else { return Ok(false) };
        self.hash.update(&piece);
        self.length += piece.len() as u64;
        if let Some(kept) = &mut self.kept {
            if kept.len() + piece.len() > MIRROR_LIMIT {
                return Err(io::Error::other("/mirror holds at most 64 MiB"));
            }
            kept.extend_from_slice(&piece);
        }
        Ok(true)
    }
}
