use super::answer::Answer;
use super::record::{Connection, Request};
use super::upload::Taken;
use crate::pattern;
use crate::wait::Watched;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How many records of connections, and of requests, an origin keeps; the oldest go first.
const KEPT: usize = 16 * 1024;

/// What all connections of one origin share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) connections: VecDeque<Connection>,
    pub(super) requests: VecDeque<Request>,
    pub(super) accepted: u64,
    pub(super) received: u64,
    pub(super) active: usize,
    executions: HashMap<String, u64>,
    gates: HashSet<String>,
}

#[derive(Clone)]
pub(super) struct State(pub(super) Arc<Watched<Shared>>);

impl State {
    pub(super) fn accept(&self, connection: Connection) {
        self.0.update(|shared| {
            shared.accepted += 1;
            shared.active += 1;
            shared.connections.truncate_front_to(KEPT - 1);
            shared.connections.push_back(connection);
        });
    }

    pub(super) fn receive(&self, request: Request) {
        request.connection().requested();
        self.0.update(|shared| {
            shared.received += 1;
            shared.requests.truncate_front_to(KEPT - 1);
            shared.requests.push_back(request);
        });
    }

    pub(super) fn open_gate(&self, name: &str) {
        self.0.update(|shared| shared.gates.insert(name.to_owned()));
    }

    pub(super) async fn gate(&self, name: &str) {
        self.0.until(|shared| shared.gates.contains(name).then_some(())).await;
    }

    pub(super) fn executions(&self, key: &str) -> u64 {
        self.0.read(|shared| shared.executions.get(key).copied().unwrap_or(0))
    }

    fn execute(&self, key: String) -> u64 {
        self.0.update(|shared| {
            let count = shared.executions.entry(key).or_default();
            *count += 1;
            *count
        })
    }
}

trait TruncateFront {
    fn truncate_front_to(&mut self, length: usize);
}

impl<T> TruncateFront for VecDeque<T> {
    fn truncate_front_to(&mut self, length: usize) {
        while self.len() > length {
            self.pop_front();
        }
    }
}

/// A request target taken apart.
pub(super) struct Query {
    pub(super) path: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(super) fn of(target: &str) -> Self {
        let target = match target.split_once("://").filter(|_| !target.starts_with('/')) {
            Some((_, rest)) => rest.find(['/', '?']).map_or("/", |start| &rest[start..]),
            None => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { path: path.to_owned(), pairs }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// The answer to `early` routes, which do not read the request's body.
pub(super) fn answer_early(request: &Request) -> Option<Answer> {
    let status = Query::of(request.target()).path.strip_prefix("/early/")?.parse().ok()?;
    let mut answer = Answer::text(status, "answered before the body was read");
    answer.close = true;
    Some(answer)
}

/// The answer of every other route.
pub(super) async fn answer(request: &Request, body: Taken, state: &State) -> Answer {
    let query = Query::of(request.target());
    if let Some(gate) = query.text("gate") {
        state.gate(gate).await;
    }
    let (route, rest) = match query.path[1.min(query.path.len())..].split_once('/') {
        Some((route, rest)) => (route, rest.parse::<u64>().ok()),
        None => (&query.path[1.min(query.path.len())..], None),
    };
    match (route, rest) {
        ("echo", None) => echo(request, &body),
        ("mirror", None) => {
            let kind = request.values("content-type").first().map_or(&b"application/octet-stream"[..], |v| v);
            Answer::status(200).header("content-type", Bytes::copy_from_slice(kind)).whole(body.bytes)
        }
        ("status", Some(status @ 200..=999)) => Answer::text(status as u16, format!("status {status}")),
        ("bytes", Some(length)) => Answer::status(200).parts(Some(length), patterned(0, length)),
        ("chunked", Some(length)) => Answer::status(200).parts(None, patterned(0, length)),
        ("half", Some(length)) => half(length, query.text("then").unwrap_or_default(), state),
        ("endless", None) => Answer::status(200).parts(None, patterned(0, u64::MAX)),
        ("sse", None) => events(&query),
        ("sse-open", None) => event_stream().parts(None, stream::pending()),
        ("slow-head", None) => {
            state.gate("slow-head").await;
            Answer::text(200, "at last")
        }
        ("redirect", None) => {
            let to = query.text("to").unwrap_or("/").to_owned();
            Answer::text(query.number("code").unwrap_or(302) as u16, "elsewhere").header("location", to)
        }
        ("count", None) => {
            let key = query.text("key").map(str::to_owned).or_else(|| request.header("idempotency-key"));
            Answer::json(&json!({ "executions": state.execute(key.unwrap_or_default()) }))
        }
        ("upload" | "drain-slow" | "drain-gated", None) => {
            Answer::json(&json!({ "bytes": body.length, "sha256": body.sha256 }))
        }
        ("headers", None) => query
            .pairs
            .iter()
            .filter(|(name, _)| name != "gate")
            .fold(Answer::text(200, "as asked"), |answer, (name, value)| answer.header(name, value.clone())),
        _ => Answer::text(404, "no such route"),
    }
}

fn echo(request: &Request, body: &Taken) -> Answer {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name, value.escape_ascii().to_string()]))
        .collect();
    Answer::json(&json!({
        "method": request.method(),
        "target": request.target(),
        "version": request.version(),
        "headers": headers,
        "bodyLength": body.length,
        "bodySha256": body.sha256,
    }))
}

fn patterned(from: u64, length: u64) -> impl futures_util::Stream<Item = Bytes> + Send {
    stream::unfold(from, move |offset| async move {
        let piece = pattern::chunk(offset, length)?;
        let next = offset + piece.len() as u64;
        Some((piece, next))
    })
}

fn half(length: u64, gate: &str, state: &State) -> Answer {
    use futures_util::StreamExt;
    let (state, gate) = (state.clone(), gate.to_owned());
    let rest = stream::once(async move {
        state.gate(&gate).await;
        patterned(length / 2, length)
    });
    Answer::status(200).parts(Some(length), patterned(0, length / 2).chain(rest.flatten()))
}

fn event_stream() -> Answer {
    Answer::status(200).header("content-type", "text/event-stream").header("cache-control", "no-store")
}

fn events(query: &Query) -> Answer {
    let from = query.number("from").unwrap_or(1);
    let end = match query.number("n").unwrap_or(0) {
        0 => u64::MAX,
        count => from.saturating_add(count),
    };
    let pause = Duration::from_millis(query.number("every_ms").unwrap_or(0));
    let events = stream::unfold(from, move |id| async move {
        if id >= end {
            return None;
        }
        if id > from && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((Bytes::from(format!("id: {id}\ndata: event {id}\n\n")), id + 1))
    });
    event_stream().parts(None, events)
}
