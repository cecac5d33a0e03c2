//! Informational (1xx) responses on their way to the caller.

use crate::support::{PLACES, Place, Running, Setup};
use afield_client::{Exchange, HttpClient};
use afield_exchange::{BodyFrame, Buffered, Error, Head, Header, Request, Response, ResponseBody};
use afield_gateway::{Config, Route};
use afield_testkit::{Gate, RawOrigin, Script, within};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};

const HINTS: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Proves that early hints, and what other informational responses there are, reach a caller of a route and of the forward
/// proxy before the answer is there, without fields of a connection; and that `100 Continue` is not said to one that does
/// not wait for it (case 129).
#[tokio::test(flavor = "multi_thread")]
async fn early_hints_reach_the_caller_before_the_answer() {
    for place in PLACES {
        let gate = Gate::new();
        let script = Script::new().expect_head().send("HTTP/1.1 100 Continue\r\n\r\n").send(HINTS);
        let script = script.send("HTTP/1.1 102 Working\r\n\r\n").wait(&gate).send(ANSWER).close();
        let origin = RawOrigin::always(script).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let targets = ["/r".to_owned(), origin.url("/")];
        let mut callers = Vec::new();
        for target in targets {
            let mut caller = gateway.caller().await;
            caller.send(format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", gateway.address)).await;
            let head = caller.head().await;
            assert_eq!(head, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload", "{place:?} {target}");
            assert_eq!(caller.head().await, "HTTP/1.1 102 Processing", "{place:?} {target}");
            callers.push(caller);
        }
        gate.open();
        for caller in &mut callers {
            let answer = caller.answer().await;
            assert_eq!((answer.status(), answer.text().as_str()), (200, "hi"), "{place:?}");
        }
    }
}

/// Proves that what came together with the answer comes before it, and that a caller of HTTP/1.0 gets nothing but the answer.
#[tokio::test(flavor = "multi_thread")]
async fn callers_of_http_1_0_get_the_answer_alone() {
    for place in PLACES {
        let origin = RawOrigin::always(Script::answering(format!("{HINTS}{ANSWER}"))).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let mut caller = gateway.caller().await;
        caller.send("GET /r HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(caller.head().await.starts_with("HTTP/1.1 103 Early Hints"), "{place:?}");
        assert_eq!(caller.answer().await.status(), 200, "{place:?}");
        let mut caller = gateway.caller().await;
        caller.send("GET /r HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
        let (got, _) = caller.rest().await;
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("HTTP/1.0 200 OK\r\n") && got.ends_with("\r\n\r\nhi"), "{place:?}: {got}");
    }
}

/// Proves that of a flood the first 16 pass, and of large ones no more than 64 KiB together, and that the answer comes all the
/// same.
#[tokio::test(flavor = "multi_thread")]
async fn flood_of_informational_responses_is_bounded() {
    let large = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(30_000));
    for place in PLACES {
        for (flood, most) in [(HINTS.repeat(60), 16), (large.repeat(10), 2)] {
            let origin = RawOrigin::always(Script::answering(format!("{flood}{ANSWER}"))).await;
            let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
            let mut caller = gateway.caller().await;
            caller.send("GET /r HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            for n in 1..=most {
                assert!(caller.head().await.starts_with("HTTP/1.1 103 "), "{place:?}, {n} of {most}");
            }
            assert_eq!(caller.answer().await.status(), 200, "{place:?}, {most}");
        }
    }
}

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

async fn played() -> (Running, Mutex<mpsc::Receiver<(Request, oneshot::Sender<Response>)>>) {
    let (sender, receiver) = mpsc::channel(1);
    let route = Route::new("r", "http://h/", Arc::new(Played(sender))).unwrap();
    let setup = Setup::at(Place::Here);
    let gateway = setup.start_with(|_, config| Config { routes: vec![route], ..config }).await;
    (gateway, Mutex::new(receiver))
}

fn answer(body: Bytes) -> Response {
    let length = Header::new("content-length", body.len().to_string());
    let frames = futures_util::stream::iter([Ok(BodyFrame::Data(body))]);
    Response { head: Head::new(200, vec![length]), body: ResponseBody::from_frames(frames) }
}

/// Proves that what is said about the second of two requests that were sent at once stands between the two answers.
#[tokio::test(flavor = "multi_thread")]
async fn informational_response_stands_between_two_answers() {
    let (gateway, requests) = played().await;
    let next =
        async || within("a request comes", async { requests.lock().await.recv().await }).await.unwrap();
    let mut caller = gateway.caller().await;
    caller.send("GET /r HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(2)).await;
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let (_, answered) = next().await;
    let _ = answered.send(answer(body.clone()));
    assert_eq!(caller.answer().await.body, body);
    let (request, answered) = next().await;
    let hints = Head::new(103, vec![Header::new("link", "</a>")]);
    request.on_informational.unwrap().call(hints);
    assert_eq!(caller.head().await, "HTTP/1.1 103 Early Hints\r\nlink: </a>");
    let _ = answered.send(answer("hi".into()));
    assert_eq!(caller.answer().await.text(), "hi");
}
