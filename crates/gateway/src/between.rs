//! Streams on which a server speaks of its own accord. They do not end by themselves, and hosts ask for them again when they do:
//! a gateway that stops ends them, between two events, rather than wait for them in vain.

use crate::opening;
use afield_exchange::Head;
use http::{HeaderMap, HeaderName, Method};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Whether a host that asks for this asks again when its answer, an event stream, ends without a word: it is a `GET` of MCP, or
/// what has taken its place.
pub(crate) fn is_asked_for_again(method: &Method, headers: &HeaderMap) -> bool {
    let listens = headers.get(&METHOD).is_some_and(|method| method.as_bytes() == b"subscriptions/listen");
    match *method {
        Method::GET => {
            opening::wants_events(headers)
                && [&opening::SESSION, &REVISION].iter().any(|name| headers.contains_key(*name))
        }
        Method::POST => listens,
        _ => false,
    }
}

/// Tells when a stream is to end: once the gateway stops, and nothing of an event is under way.
pub(crate) struct BetweenEvents {
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    is_stopping: bool,
    /// What came last. Of a stream that is coded nothing is known.
    last: Option<[u8; 3]>,
}

impl BetweenEvents {
    /// Of this answer, if it is a stream of events.
    pub fn of(head: &Head, stopping: &CancellationToken) -> Option<Self> {
        let kind = head.header("content-type")?;
        let is_stream =
            kind.value.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"));
        let last = head.header("content-encoding").is_none().then_some(*b"\n\n\n");
        let stopping = Box::pin(stopping.clone().cancelled_owned());
        is_stream.then_some(Self { stopping, is_stopping: false, last })
    }

    /// This was handed on.
    pub fn pass(&mut self, bytes: &[u8]) {
        let Some(last) = &mut self.last else { return };
        for byte in &bytes[bytes.len().saturating_sub(last.len())..] {
            *last = [last[1], last[2], *byte];
        }
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_stopping {
            self.is_stopping = self.stopping.as_mut().poll(cx).is_ready();
        }
        let is_between = self
            .last
            .is_none_or(|last| last.ends_with(b"\n\n") || last.ends_with(b"\r\r") || last == *b"\n\r\n");
        if self.is_stopping && is_between { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Header;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let fields = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()));
        fields.collect()
    }

    /// Proves which streams a gateway ends when it stops: those of MCP on which a server speaks of its own accord, and neither the
    /// answers to calls nor streams of other programs (case 201).
    #[test]
    fn streams_that_hosts_ask_for_again_are_those_of_mcp() {
        let events = ("accept", "application/json, text/event-stream");
        for (method, fields, expected) in [
            (Method::GET, &[events, ("mcp-session-id", "s")][..], true),
            (Method::GET, &[events, ("mcp-protocol-version", "2025-11-25")], true),
            (Method::GET, &[events], false),
            (Method::GET, &[("mcp-session-id", "s")], false),
            (Method::POST, &[events, ("mcp-session-id", "s"), ("mcp-method", "tools/call")], false),
            (Method::POST, &[events, ("mcp-method", "subscriptions/listen")], true),
            (Method::POST, &[events, ("mcp-session-id", "s")], false),
        ] {
            assert_eq!(is_asked_for_again(&method, &headers(fields)), expected, "{method} {fields:?}");
        }
    }

    /// Proves that a stream ends between two events, however they are cut and their lines end, and never within one (case 201).
    #[test]
    fn stream_ends_between_events() {
        let stopping = CancellationToken::new();
        let head = |fields: &[(&str, &str)]| {
            Head::new(200, fields.iter().map(|(name, value)| Header::new(*name, value.to_string())).collect())
        };
        let events = head(&[("content-type", "Text/Event-Stream; charset=utf-8")]);
        assert!(BetweenEvents::of(&head(&[("content-type", "application/json")]), &stopping).is_none());
        let ends = |pieces: &[&str]| {
            let mut between = BetweenEvents::of(&events, &stopping).unwrap();
            pieces.iter().for_each(|piece| between.pass(piece.as_bytes()));
            between.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
        };
        assert!(!ends(&[]), "nobody stops");
        stopping.cancel();
        for (pieces, expected) in [
            (&[][..], true),
            (&["data: a\n\n"], true),
            (&["data: a\n", "\n"], true),
            (&["data: a\r\n\r", "\n"], true),
            (&["data: a\r\r"], true),
            (&["data: a\n"], false),
            (&["data: a\r\n"], false),
            (&["data: a\n\nd"], false),
            (&["data: a\r\n\r"], false),
            (&["d"], false),
        ] {
            assert_eq!(ends(pieces), expected, "{pieces:?}");
        }
        let coded = head(&[("content-type", "text/event-stream"), ("content-encoding", "gzip")]);
        let mut between = BetweenEvents::of(&coded, &stopping).unwrap();
        between.pass(b"x");
        assert!(between.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
    }
}
