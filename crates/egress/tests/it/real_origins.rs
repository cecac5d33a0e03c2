//! Origins that others wrote, as they are installed: nginx, HAProxy, Node.js, Python's http.server, aiohttp, hypercorn.

use crate::support::World;
use afield_egress::CaPolicy;
use afield_exchange::{BodyError, Buffered, HttpVersion, Request, RequestBody, VersionPreference};
use afield_testkit::tls::Ca;
use afield_testkit::tools::RealOrigin;
use afield_testkit::{pattern, require_or_skip, within};
use bytes::Bytes;
use std::time::Duration;

const H1: HttpVersion = HttpVersion::Http11;
const H2: HttpVersion = HttpVersion::Http2;

/// One way to talk to an origin.
struct Face<'a> {
    world: World,
    origin: &'a RealOrigin,
    port: &'static str,
    wanted: VersionPreference,
    spoken: HttpVersion,
    /// Whether it keeps connections at all, as HTTP/1.0 does not.
    keeps: bool,
}

impl<'a> Face<'a> {
    fn new(ca: &Ca, origin: &'a RealOrigin, port: &'static str, spoken: HttpVersion) -> Self {
        let wanted = match (port, spoken) {
            ("tls" | "h2", H2) => VersionPreference::Auto,
            (_, H2) => VersionPreference::Http2PriorKnowledge,
            _ => VersionPreference::Http1,
        };
        let world = World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()));
        Self { world, origin, port, wanted, spoken, keeps: true }
    }

    fn request_at(&self, port: &str, method: &str, path: &str) -> Request {
        let scheme = if matches!(port, "tls" | "h2") { "https" } else { "http" };
        let mut request =
            Request::new(method, format!("{scheme}://127.0.0.1:{}{path}", self.origin.port(port)));
        request.http_version = self.wanted;
        request
    }

    async fn ask(&self, method: &str, path: &str, body: RequestBody) -> Buffered {
        let what = format!("{method} {path} with {body:?} at {} ({:?})", self.port, self.spoken);
        let request = self.request_at(self.port, method, path).body(body);
        self.world.call(request).await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// The port that the connection of the next request comes from.
    async fn peer(&self) -> u16 {
        let answer = self.ask("GET", "/small", RequestBody::Empty).await;
        let version = answer.head.timings.as_ref().unwrap().http_version;
        assert_eq!((answer.head.status, version), (200, Some(self.spoken)));
        text(&answer).parse().unwrap()
    }

    /// All that every origin is asked.
    async fn prove(&self) {
        self.proves_answers_share_a_connection().await;
        self.proves_uploads_arrive().await;
        self.proves_unread_content_harms_nobody().await;
        self.proves_early_refusal_is_heard().await;
    }

    async fn proves_answers_share_a_connection(&self) {
        let first = self.peer().await;
        let head = self.ask("HEAD", "/small", RequestBody::Empty).await;
        assert_eq!((head.head.status, head.body.len()), (200, 0));
        let empty = self.ask("GET", "/empty", RequestBody::Empty).await;
        assert_eq!((empty.head.status, empty.body.len()), (204, 0));
        assert_eq!(text(&self.ask("GET", "/chunked", RequestBody::Empty).await), "onetwo");
        let large = self.ask("GET", "/large", RequestBody::Empty).await;
        assert!(large.body == RealOrigin::large(), "{} bytes", large.body.len());
        assert_eq!(self.peer().await == first, self.keeps, "{}", self.port);
    }

    async fn proves_uploads_arrive(&self) {
        const LENGTH: usize = 10 << 20;
        let first = self.peer().await;
        let expected = format!("{LENGTH} {}", pattern::sha256(LENGTH as u64));
        for (method, body) in [
            ("PUT", RequestBody::Bytes(pattern::bytes(0, LENGTH))),
            ("POST", pieces(LENGTH, true)),
            ("PUT", pieces(LENGTH, false)),
        ] {
            assert_eq!(text(&self.ask(method, "/upload", body).await), expected);
        }
        assert_eq!(self.peer().await == first, self.keeps, "{}", self.port);
    }

    /// An origin that takes no body from these methods takes it for the next request on that connection: its answer, which is
    /// no number, must be nobody's.
    async fn proves_unread_content_harms_nobody(&self) {
        let smuggled = "GET /chunked HTTP/1.1\r\nhost: x\r\n\r\n";
        for method in ["GET", "DELETE"] {
            for body in [RequestBody::Bytes(smuggled.into()), pieces(100, false)] {
                let first: u16 = text(&self.ask(method, "/small", body).await).parse().unwrap();
                let next = self.peer().await;
                assert!(self.spoken == H2 || next != first, "{method}: the connection is not used again");
            }
        }
    }

    async fn proves_early_refusal_is_heard(&self) {
        for time in 1..=10 {
            let known = time % 2 == 0;
            let answer = self.ask("POST", "/limited", pieces(16 << 20, known)).await;
            assert_eq!(answer.head.status, 413, "time {time}, length known: {known}");
        }
        self.peer().await;
    }

    /// A connection that the origin closes between two requests is noticed: the second goes over another, once.
    async fn proves_closed_connection_is_noticed(&self) {
        let ask = |method: &str, path: &str| self.world.call(self.request_at("short", method, path));
        let peer: u16 = text(&ask("GET", "/small").await.unwrap()).parse().unwrap();
        within("the origin closes", closed(peer, self.origin.port("short"))).await;
        for count in 1..=2 {
            let answer =
                ask("POST", "/count").await.unwrap_or_else(|error| panic!("{}: {error:?}", self.port));
            assert_eq!(text(&answer), count.to_string());
        }
        assert_ne!(text(&ask("GET", "/small").await.unwrap()), peer.to_string());
    }
}

fn text(answer: &Buffered) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn pieces(length: usize, known: bool) -> RequestBody {
    const PIECE: usize = 64 * 1024;
    let pieces = (0..length)
        .step_by(PIECE)
        .map(move |at| Ok::<Bytes, BodyError>(pattern::bytes(at as u64, PIECE.min(length - at))));
    let stream = Box::pin(futures_util::stream::iter(pieces));
    RequestBody::Stream { length: known.then_some(length as u64), stream }
}

/// Waits until the end of our connection from `port` to `to` has seen the other one close (proc(5), `/proc/net/tcp`).
async fn closed(port: u16, to: u16) {
    let established = format!(":{port:04X} 0100007F:{to:04X} 01 ");
    while std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&established)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn prove(ca: &Ca, origin: RealOrigin, faces: &[(&'static str, HttpVersion)]) {
    for (at, (port, spoken)) in faces.iter().enumerate() {
        let face = Face::new(ca, &origin, port, *spoken);
        if at == 0 {
            face.proves_closed_connection_is_noticed().await;
        }
        face.prove().await;
    }
}

/// Proves nginx, over HTTP/1.1 and HTTP/2, in the clear and over TLS: connections are reused, bodies arrive both ways, a close
/// in between is noticed, and the 413 of `client_max_body_size` is heard ten times of ten (cases 121, 134).
#[tokio::test(flavor = "multi_thread")]
async fn nginx_is_spoken_with() {
    let ca = Ca::new();
    let origin = require_or_skip!(RealOrigin::nginx(&ca));
    prove(&ca, origin, &[("plain", H1), ("tls", H1), ("tls", H2), ("plain", H2)]).await;
}

/// Proves the same of HAProxy before aiohttp (cases 121, 134).
#[tokio::test(flavor = "multi_thread")]
async fn haproxy_is_spoken_with() {
    let ca = Ca::new();
    let origin = require_or_skip!(RealOrigin::haproxy(&ca).await);
    prove(&ca, origin, &[("plain", H1), ("tls", H1), ("tls", H2)]).await;
}

/// Proves the same of Node.js: `http`, `https` and `http2` (cases 121, 134).
#[tokio::test(flavor = "multi_thread")]
async fn node_is_spoken_with() {
    let ca = Ca::new();
    let origin = require_or_skip!(RealOrigin::node(&ca).await);
    prove(&ca, origin, &[("plain", H1), ("tls", H1), ("h2", H2), ("h2c", H2)]).await;
}

/// Proves the same of Python's `http.server`, which leaves bodies unread on connections it keeps (cases 121, 134).
#[tokio::test(flavor = "multi_thread")]
async fn http_server_is_spoken_with() {
    let ca = Ca::new();
    let origin = require_or_skip!(RealOrigin::http_server("HTTP/1.1").await);
    prove(&ca, origin, &[("plain", H1)]).await;
    let origin = require_or_skip!(RealOrigin::http_server("HTTP/1.0").await);
    let face = Face { keeps: false, ..Face::new(&ca, &origin, "plain", HttpVersion::Http10) };
    face.prove().await;
}

/// Proves the same of aiohttp (cases 121, 134).
#[tokio::test(flavor = "multi_thread")]
async fn aiohttp_is_spoken_with() {
    let ca = Ca::new();
    let origin = require_or_skip!(RealOrigin::aiohttp().await);
    prove(&ca, origin, &[("plain", H1)]).await;
}

/// Proves the same of hypercorn (cases 121, 134).
#[tokio::test(flavor = "multi_thread")]
async fn hypercorn_is_spoken_with() {
    let ca = Ca::new();
    let origin = require_or_skip!(RealOrigin::hypercorn(&ca).await);
    prove(&ca, origin, &[("plain", H1), ("tls", H1), ("tls", H2), ("plain", H2)]).await;
}
