//! Bodies that break off: the caller is never made to believe that one is whole.

use crate::support::{Ending, PLACES, Place, Setup};
use afield_client::{Exchange, HttpClient};
use afield_exchange::{Buffered, Error, Head, Header, Request, Response, ResponseBody};
use afield_gateway::{Config, Route};
use afield_testkit::{RawOrigin, Script, within};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Proves that a body in chunks which breaks off at the origin has no end at the caller either, that what came before is there,
/// and that a caller whose bodies end with their connection gets a reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_breaks_the_callers_connection() {
    let cut = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    for place in PLACES {
        for (sent, version, got, ending) in [
            (cut, "1.1", "\r\n\r\n4\r\nhalf\r\n", Some(Ending::Closed)),
            (cut, "1.0", "\r\n\r\nhalf", Some(Ending::Reset)),
            (short, "1.1", "content-length: 10\r\n\r\nhalf", None),
            (short, "1.0", "content-length: 10\r\n\r\nhalf", None),
        ] {
            let origin = RawOrigin::always(Script::new().expect_head().send(sent).reset()).await;
            let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
            let mut caller = gateway.caller().await;
            caller
                .send(format!("GET /r HTTP/{version} \r\nhost: localhost\r\n\r\n").replace(" \r", "\r"))
                .await;
            let (bytes, how) = caller.rest().await;
            let text = String::from_utf8_lossy(&bytes);
            assert!(text.ends_with(got), "{place:?} {version}: {text:?}");
            assert!(ending.is_none_or(|ending| ending == how), "{place:?} {version}: {how:?}");
        }
    }
}

/// Proves that a body which ends with the origin's connection ends whole at a caller of either version.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_with_its_connection_is_whole() {
    for place in PLACES {
        for (version, end) in [("1.1", "\r\n\r\n4\r\nbody\r\n0\r\n\r\n"), ("1.0", "\r\n\r\nbody")] {
            let script = Script::new().expect_head().send("HTTP/1.1 200 OK\r\n\r\nbody").close();
            let origin = RawOrigin::always(script).await;
            let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
            let mut caller = gateway.caller().await;
            caller
                .send(format!("GET /r HTTP/{version}\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
                .await;
            let (bytes, how) = caller.rest().await;
            assert!(bytes.ends_with(end.as_bytes()), "{place:?}: {}", bytes.escape_ascii());
            assert_eq!(how, Ending::Closed, "{place:?}");
        }
    }
}

/// Answers with four bytes, of announced length or not, and says of each body whether it was read to its end.
struct Four {
    announced: bool,
    read: mpsc::UnboundedSender<bool>,
}

struct Body {
    pieces: Vec<Bytes>,
    ended: bool,
    read: mpsc::UnboundedSender<bool>,
}

impl HttpClient for Four {
    fn stream(&self, request: Request) -> Exchange<'_, Response> {
        let pieces = match &*request.method {
            "HEAD" => Vec::new(),
            _ => vec!["fo".into(), "ur".into()],
        };
        let body = Body { pieces, ended: false, read: self.read.clone() };
        let headers = self.announced.then(|| Header::new("content-length", "4")).into_iter().collect();
        let head = Head::new(200, headers);
        Box::pin(async { Ok(Response { head, body: ResponseBody::new(body) }) })
    }

    fn call(&self, _: Request) -> Exchange<'_, Buffered> {
        Box::pin(async { Err(Error::cancelled()) })
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = (!self.pieces.is_empty()).then(|| Ok(self.pieces.remove(0)));
        self.ended = piece.is_none();
        Poll::Ready(piece)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let _ = self.read.send(self.ended);
    }
}

/// Proves that a body is read to its end although its length or the method says that no more will come: dropped, it would
/// count as given up, and cost the connection that it came over.
#[tokio::test]
async fn a_body_that_arrives_whole_is_read_to_its_end() {
    for announced in [true, false] {
        let (read, mut reads) = mpsc::unbounded_channel();
        let client = Arc::new(Four { announced, read });
        let gateway = Setup::at(Place::Here)
            .start_with(|_, config| Config {
                routes: vec![Route::new("r", "http://h/", client).unwrap()],
                ..config
            })
            .await;
        for method in ["GET", "HEAD"] {
            let mut caller = gateway.caller().await;
            caller.send(format!("{method} /r HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
            caller.head().await;
            let ended = within("the body is done with", reads.recv()).await;
            assert_eq!(ended, Some(true), "{announced} {method}");
        }
    }
}
