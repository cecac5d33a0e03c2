use super::answer::Answer;
use super::record::{Connection, Ending, HeadParts, Outcome, Request, Serving};
use super::routes::{State, answer, answer_early};
use super::upload::{Pieces, take};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io;

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// Serves HTTP/2 on `stream` until either side closes it; says who did.
pub(super) async fn serve(
    stream: std::pin::Pin<Box<dyn super::http1::Stream>>,
    connection: &Connection,
    state: &State,
) -> Ending {
    let service = hyper::service::service_fn(|request| {
        let (connection, state) = (connection.clone(), state.clone());
        async move { exchange(request, connection, state).await }
    });
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    match served {
        Ok(()) => Ending::PeerClosed,
        Err(_) => Ending::PeerReset,
    }
}

async fn exchange(
    incoming: hyper::Request<Incoming>,
    connection: Connection,
    state: State,
) -> io::Result<hyper::Response<Body>> {
    let (parts, body) = incoming.into_parts();
    let mut headers: Vec<(String, Bytes)> = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        headers.push(("host".to_owned(), authority.as_str().to_owned().into()));
    }
    headers.extend(
        parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes()))),
    );
    let head = HeadParts {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        version: "HTTP/2",
        headers,
        raw: Bytes::new(),
    };
    let request = Request::new(connection, head);
    let serving = Serving(request.clone());
    state.receive(request.clone());
    let answer = match answer_early(&request) {
        Some(answer) => answer,
        None => {
            let taken = take(&request, &state, &mut Received { body, rest: Bytes::new() }).await?;
            answer(&request, taken, &state).await
        }
    };
    respond(answer, request.method() == "HEAD", serving)
}

fn respond(answer: Answer, headless: bool, serving: Serving) -> io::Result<hyper::Response<Body>> {
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, &value[..]);
    }
    let bodiless = answer.bodiless();
    if let Some(length) = answer.body.length().filter(|_| !bodiless) {
        response = response.header("content-length", length);
    }
    let parts = if bodiless || headless { stream::empty().boxed() } else { answer.body.into_parts() };
    let last = stream::once(async move {
        serving.0.ended(Outcome::Answered);
        None
    });
    let frames =
        parts.map(Some).chain(last).filter_map(|part| async { part.map(|part| Ok(Frame::data(part))) });
    response.body(StreamBody::new(frames.boxed())).map_err(io::Error::other)
}

struct Received {
    body: Incoming,
    rest: Bytes,
}

impl Pieces for Received {
    async fn next(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        while self.rest.is_empty() {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                self.rest = data;
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(limit))))
    }
}
