//! HTTP as it is: reason phrases, trailers both ways, and bodies that wait to be asked for. The client behind the gateway is
//! one that a test plays, so that whatever performs requests has nothing to do with it.

use crate::support::{PLACES, Place, Running, Setup};
use afield_client::{Exchange, HttpClient};
use afield_exchange::{
    BodyFrame, Buffered, Error, Head, Header, Request, RequestBody, Response, ResponseBody, Trailers,
};
use afield_gateway::{Config, Route};
use afield_testkit::{RawOrigin, Script, within};
use bytes::Bytes;
use std::{future::poll_fn, sync::Arc};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Hands each request to the test, which answers it.
struct Played(mpsc::Sender<(Request, oneshot::Sender<Response>)>);

impl HttpClient for Played {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        Box::pin(async {
            let (answer, answered) = oneshot::channel();
            self.0.send((request, answer)).await.map_err(|_| Error::cancelled())?;
            answered.await.map_err(|_| Error::cancelled())
        })
    }

    fn call(&self, _: Request) -> Exchange<'_, Buffered> {
        Box::pin(async { Err(Error::cancelled()) })
    }
}

struct Stage {
    gateway: Running,
    requests: Mutex<mpsc::Receiver<(Request, oneshot::Sender<Response>)>>,
}

impl Stage {
    async fn set() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let client = Arc::new(Played(sender));
        let route = Route::new("r", "http://h/", client).unwrap();
        let gateway =
            Setup::at(Place::Here).start_with(|_, config| Config { routes: vec![route], ..config }).await;
        Self { gateway, requests: Mutex::new(receiver) }
    }

    async fn request(&self) -> (Request, oneshot::Sender<Response>) {
        within("a request comes", async { self.requests.lock().await.recv().await }).await.unwrap()
    }
}

fn answer(head: Head, frames: Vec<BodyFrame>) -> Response {
    let frames = futures_util::stream::iter(frames.into_iter().map(Ok));
    Response { head, body: ResponseBody::from_frames(frames) }
}

async fn read(body: &mut RequestBody) -> Option<Bytes> {
    let stream = match body {
        RequestBody::Stream { stream, .. } => stream,
        other => panic!("{other:?} is not read as it comes"),
    };
    within("the body goes on", poll_fn(|cx| stream.as_mut().poll_next(cx))).await.map(Result::unwrap)
}

/// Proves that the origin's reason phrase reaches the caller, byte for byte.
#[tokio::test]
async fn a_reason_phrase_reaches_the_caller() {
    let stage = Stage::set().await;
    for (status, reason, line) in [
        (200, Some("Very Fine"), "HTTP/1.1 200 Very Fine"),
        (200, None, "HTTP/1.1 200 OK"),
        (299, Some("Own"), "HTTP/1.1 299 Own"),
        (299, None, "HTTP/1.1 299 "),
    ] {
        let got = async {
            let (_, answered) = stage.request().await;
            let head = Head::new(status, vec![Header::new("content-length", "0")]);
            let head = head.with_reason(reason.map(Bytes::from));
            let _ = answered.send(answer(head, Vec::new()));
        };
        let (got, ()) = tokio::join!(stage.gateway.get("/r"), got);
        assert_eq!(got.head.lines().next(), Some(line));
    }
}

/// Proves that the trailers of a body follow it to a caller that takes them, and are dropped towards any other: one that
/// does not say so, one of HTTP/1.0, and where the origin did not say which come, which HTTP/1.1 asks of us (case 131).
#[tokio::test]
async fn trailers_follow_the_body_to_a_caller_that_takes_them() {
    let stage = Stage::set().await;
    let takes = "TE: gzip, trailers\r\nConnection: te, close\r\n";
    let whole = "\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 1f\r\n\r\n";
    let without = "\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    for (version, fields, announced, end) in [
        ("1.1", takes, true, whole),
        ("1.1", takes, false, without),
        ("1.1", "Connection: close\r\n", true, without),
        ("1.0", takes, true, "\r\n\r\nbody"),
    ] {
        let play = async {
            let (request, answered) = stage.request().await;
            let said = request.headers.iter().find(|header| header.is("te")).and_then(Header::text);
            assert_eq!(said, (fields == takes).then_some("trailers"));
            let announced = announced.then(|| Header::new("Trailer", "X-Sum"));
            let head = Head::new(200, announced.into_iter().collect());
            let trailers = vec![Header::new("x-sum", "1f"), Header::new("connection", "x")];
            let frames = vec![BodyFrame::Data("body".into()), BodyFrame::Trailers(trailers)];
            let _ = answered.send(answer(head, frames));
        };
        let mut caller = stage.gateway.caller().await;
        caller.send(format!("GET /r HTTP/{version}\r\nhost: localhost\r\n{fields}\r\n")).await;
        let ((got, _), ()) = tokio::join!(caller.rest(), play);
        let got = String::from_utf8(got).unwrap();
        assert!(got.ends_with(end), "{version} {fields:?} {announced}: {got:?}");
        assert_eq!(
            got.contains("trailer: "),
            end == whole || (fields == takes && announced && version == "1.1")
        );
    }
}

/// Proves that a caller's trailers are there for whoever performs the request once the body has been read (case 131).
#[tokio::test]
async fn a_callers_trailers_go_with_its_request() {
    let stage = Stage::set().await;
    let mut caller = stage.gateway.caller().await;
    let head = "POST /r HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
    caller.send(format!("{head}3\r\nabc\r\n0\r\nx-sum: 1f\r\nconnection: x\r\n\r\n")).await;
    let (mut request, answered) = stage.request().await;
    assert!(request.headers.iter().any(|header| header.is("trailer")));
    let trailers: Trailers = request.trailers.take().unwrap();
    assert_eq!(read(&mut request.body).await.unwrap(), "abc");
    assert_eq!(read(&mut request.body).await, None);
    assert_eq!(trailers.get(), [Header::new("x-sum", "1f")]);
    let _ = answered.send(answer(Head::new(204, Vec::new()), Vec::new()));
    assert_eq!(caller.head().await, "HTTP/1.1 204 No Content");
}

/// Proves that a caller that expects `100-continue` is asked for its body when whoever performs the request reads it, and not
/// before; and that a final answer without that is given at once, the body unread and the connection closed (case 130).
#[tokio::test]
async fn a_body_is_asked_for_when_it_is_read() {
    let stage = Stage::set().await;
    for length in ["content-length: 5\r\n", "content-length: 100000\r\n", "transfer-encoding: chunked\r\n"] {
        let head = format!("PUT /r HTTP/1.1\r\nhost: localhost\r\nExpect: 100-continue\r\n{length}\r\n");
        let mut caller = stage.gateway.caller().await;
        caller.send(&head).await;
        let (request, answered) = stage.request().await;
        assert!(request.headers.iter().any(|header| header.is("expect")), "it is for the origin to say");
        drop(request);
        let refusal = Head::new(417, vec![Header::new("content-length", "0")]);
        let _ = answered.send(answer(refusal, Vec::new()));
        let (got, _) = caller.rest().await;
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("HTTP/1.1 417 Expectation Failed\r\n"), "{length}: {got}");

        let mut caller = stage.gateway.caller().await;
        caller.send(&head).await;
        let (request, answered) = stage.request().await;
        let mut stream = match request.body {
            RequestBody::Stream { stream, .. } => stream,
            RequestBody::Recorded(body) => body.reader(),
            other => panic!("{other:?} has been read"),
        };
        let mut reading = tokio::spawn(async move { poll_fn(|cx| stream.as_mut().poll_next(cx)).await });
        assert_eq!(caller.head().await, "HTTP/1.1 100 Continue");
        caller.send(if length.starts_with("transfer") { "5\r\nhello\r\n" } else { "hello" }).await;
        let read = within("the body is read", &mut reading).await.unwrap().unwrap().unwrap();
        assert_eq!(read, "hello");
        drop(answered);
    }
}

/// Proves that with a real origin, asked from here or from an executor, reason phrase and trailers reach the caller
/// (case 131), and that an origin that refuses an expectation is heard at once and gets no byte of the body (case 130).
#[tokio::test(flavor = "multi_thread")]
async fn a_real_origin_is_passed_as_it_is() {
    let whole = "HTTP/1.1 200 Very Fine\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 1f\r\n\r\n";
    let refusal = "HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for place in PLACES {
        let origin = RawOrigin::always(Script::answering(whole)).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let mut caller = gateway.caller().await;
        caller
            .send("GET /r HTTP/1.1\r\nhost: localhost\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
            .await;
        let (got, _) = caller.rest().await;
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("HTTP/1.1 200 Very Fine\r\n"), "{place:?}: {got}");
        assert!(got.ends_with("4\r\nbody\r\n0\r\nx-sum: 1f\r\n\r\n"), "{place:?}: {got}");

        let origin = RawOrigin::always(Script::new().expect_head().send(refusal)).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let mut caller = gateway.caller().await;
        let fields = "host: localhost\r\nexpect: 100-continue\r\ncontent-length: 100000";
        caller.send(format!("PUT /r HTTP/1.1\r\n{fields}\r\n\r\n")).await;
        let (got, _) = caller.rest().await;
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("HTTP/1.1 417 No\r\n"), "{place:?}: {got}");
        let sent = origin.connection(0).await.wait_text("\r\n\r\n").await;
        assert!(sent.ends_with(b"\r\n\r\n"), "{place:?}: {}", sent.escape_ascii());
    }
}
