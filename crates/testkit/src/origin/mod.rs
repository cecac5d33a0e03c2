//! A well-behaved HTTP origin on loopback whose every connection and request can be inspected and awaited.
//!
//! HTTP/1.1 is written by hand, so that headers are seen in wire order, byte for byte; HTTP/2 is served by `hyper`
//! where TLS negotiated `h2`.
//!
//! | route | answers |
//! |---|---|
//! | `/echo` | JSON: method, target, version, `headers` as pairs in wire order with values escaped as by [`slice::escape_ascii`], `bodyLength`, `bodySha256` |
//! | `/mirror` | the request's body, up to 64 MiB, under the request's `content-type` |
//! | `/status/N` | status N; a body naming it where the status may have one |
//! | `/bytes/N` | N bytes of the [pattern](crate::pattern), with `Content-Length` |
//! | `/chunked/N` | the same bytes without an announced length |
//! | `/half/N?then=GATE` | as `/bytes/N`, but after N/2 bytes it waits until the gate is opened |
//! | `/endless` | the pattern without end |
//! | `/sse?n=&every_ms=&from=` | `n` numbered events (0: endless), `every_ms` apart, `id` counting up from `from` (1) |
//! | `/sse-open` | the head of an event stream, then silence |
//! | `/slow-head` | nothing until the gate `slow-head` is opened |
//! | `/redirect?to=&code=` | `Location: to`, status `code` (302) |
//! | `/count?key=` | JSON `{"executions": n}`: how often this route ran for that key, or for the `idempotency-key` header |
//! | `/upload` | JSON `{"bytes": n, "sha256": hex}` of the request's body |
//! | `/drain-slow?bytes=&every_ms=` | as `/upload`, reading at most `bytes` (1024) each `every_ms` (10) |
//! | `/drain-gated?first=&gate=` | as `/upload`, reading `first` bytes (0), then nothing more until the gate is opened |
//! | `/early/N` | status N without reading the request's body, then closes |
//! | `/headers?NAME=VALUE&…` | 200 with exactly these extra headers, in this order, repeats kept |
//!
//! Anything else is 404. On every route `gate=NAME` holds the answer back until [`Origin::open_gate`].

mod answer;
mod http1;
mod http2;
mod record;
mod routes;
mod server;
mod upload;

pub use record::{Connection, Ending, Outcome, Request, TlsInfo};
pub use server::{Builder, Origin};
