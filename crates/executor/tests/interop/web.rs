//! Just enough of an HTTP server for a stub: whole requests in, whole answers out.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::{net::TcpListener, task::JoinSet};

/// The two ends of a connection.
#[derive(Clone, Copy)]
pub struct Connection {
    pub peer: SocketAddr,
    pub server: SocketAddr,
}

/// A server on loopback that ends when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Server {
    /// Answers every request with what `answer` makes of it and of the connection it came over.
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(Request<Bytes>, Connection) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                let answer = answer.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        Ok::<_, hyper::Error>(answer(
                            Request::from_parts(head, body),
                            Connection { peer, server: address },
                        ))
                    }
                });
                connections.spawn(async move {
                    // A peer that goes away is no failure of the stub.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, _serving: serving }
    }
}

/// A JSON answer.
pub fn json(status: u16, body: &serde_json::Value) -> Response<Full<Bytes>> {
    answer(status, "application/json", body.to_string())
}

/// An answer of server-sent events.
pub fn events(events: &[serde_json::Value]) -> Response<Full<Bytes>> {
    let text: String = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("message")))
        .collect();
    answer(200, "text/event-stream", text)
}

/// An answer without a body.
pub fn empty(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn answer(status: u16, kind: &str, body: String) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("content-type", kind).body(Full::from(body)).unwrap()
}
