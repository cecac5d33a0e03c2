//! An MCP server of revision 2025-11-25 that counts, and that can be killed and started again at its address.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
    task::JoinSet,
};

type Body = BoxBody<Bytes, Infallible>;

/// What happened at the server, whichever life of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions that were begun.
    pub initialized: usize,
    /// Calls of tools that were executed.
    pub executed: usize,
    /// Calls that were told to be cancelled.
    pub cancelled: usize,
    /// Sessions that were ended.
    pub deleted: usize,
}

/// The server. It has the tools `count` and `gated`, which is answered once the gate is open. Dropping it kills it.
pub struct Server {
    address: SocketAddr,
    counts: watch::Sender<Counts>,
    gate: watch::Sender<bool>,
    called: Arc<Mutex<HeaderMap>>,
    life: Option<Life>,
}

/// What ends with the server: dropping `stop` ends it, and `over` is over when every connection is closed.
struct Life {
    stop: oneshot::Sender<()>,
    over: JoinSet<()>,
}

#[derive(Default)]
struct Sessions(Mutex<HashSet<String>>);

impl Server {
    /// On a free port of loopback.
    pub async fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let (counts, gate) = (watch::Sender::default(), watch::Sender::new(false));
        let mut server = Self { address, counts, gate, called: Arc::default(), life: None };
        server.restart().await;
        server
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    /// The header fields that the last call of a tool came with.
    pub fn last_call_headers(&self) -> HeaderMap {
        self.called.lock().expect("nothing panics while holding the fields").clone()
    }

    /// Waits until this holds of what happened.
    pub async fn until(&self, what: &str, holds: impl FnMut(&Counts) -> bool) {
        let mut counts = self.counts.subscribe();
        let seen = crate::within(what, counts.wait_for(holds)).await;
        seen.expect("the server counts as long as it is there");
    }

    /// Has calls of `gated` answered.
    pub fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Ends it with everything that is under way. Its port refuses connections.
    pub async fn kill(&mut self) {
        if let Some(Life { stop, mut over }) = self.life.take() {
            drop(stop);
            over.join_next().await;
        }
    }

    /// Begins a new life, which knows no sessions, at the same address.
    pub async fn restart(&mut self) {
        self.kill().await;
        let socket = TcpSocket::new_v4().expect("a test's server gets proper requests, and its ports");
        socket.set_reuseaddr(true).expect("a test's server gets proper requests, and its ports");
        socket.bind(self.address).expect("a test's server gets proper requests, and its ports");
        let listener = socket.listen(1024).expect("a test's server gets proper requests, and its ports");
        self.address = listener.local_addr().expect("a test's server gets proper requests, and its ports");
        let (counts, gate) = (self.counts.clone(), self.gate.clone());
        let (stop, stopped) = oneshot::channel();
        let mut over = JoinSet::new();
        over.spawn(accept(listener, counts, gate, self.called.clone(), stopped));
        self.life = Some(Life { stop, over });
    }
}

async fn accept(
    listener: TcpListener,
    counts: watch::Sender<Counts>,
    gate: watch::Sender<bool>,
    called: Arc<Mutex<HeaderMap>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let sessions = Arc::new(Sessions::default());
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => break,
            },
            _ = &mut stopped => break,
        };
        let (sessions, counts, gate, called) =
            (sessions.clone(), counts.clone(), gate.clone(), called.clone());
        let answer = service_fn(move |request| {
            let (sessions, counts, gate) = (sessions.clone(), counts.clone(), gate.subscribe());
            let called = called.clone();
            async move { Ok::<_, Infallible>(respond(request, &sessions, &counts, gate, &called).await) }
        });
        connections.spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
    drop(listener);
    // A server that is dead has no connection that still takes a request.
    connections.shutdown().await;
}

async fn respond(
    request: Request<Incoming>,
    sessions: &Sessions,
    counts: &watch::Sender<Counts>,
    mut gate: watch::Receiver<bool>,
    called: &Mutex<HeaderMap>,
) -> Response<Body> {
    let fields = request.headers().clone();
    let session = request
        .headers()
        .get("mcp-session-id")
        .map(|id| id.to_str().expect("a test's server gets proper requests, and its ports").to_owned());
    let is_known = session.as_ref().is_some_and(|id| {
        sessions.0.lock().expect("a test's server gets proper requests, and its ports").contains(id)
    });
    match *request.method() {
        Method::GET => return status(StatusCode::METHOD_NOT_ALLOWED),
        Method::DELETE => {
            counts.send_modify(|counts| counts.deleted += 1);
            return status(StatusCode::OK);
        }
        _ => {}
    }
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a test's server gets proper requests, and its ports")
        .to_bytes();
    let message: Value =
        serde_json::from_slice(&body).expect("a test's server gets proper requests, and its ports");
    let (id, method) = (&message["id"], message["method"].as_str().unwrap_or_default());
    let result = |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result });
    if method == "initialize" {
        let mut number = 0;
        counts.send_modify(|counts| {
            counts.initialized += 1;
            number = counts.initialized;
        });
        sessions
            .0
            .lock()
            .expect("a test's server gets proper requests, and its ports")
            .insert(format!("s{number}"));
        let answer = result(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "counting", "version": "1" },
        }));
        let mut answer = whole(&answer);
        answer.headers_mut().insert(
            "mcp-session-id",
            format!("s{number}").parse().expect("a test's server gets proper requests, and its ports"),
        );
        return answer;
    }
    if session.is_some() && !is_known {
        return status(StatusCode::NOT_FOUND);
    }
    match method {
        "notifications/cancelled" => {
            counts.send_modify(|counts| counts.cancelled += 1);
            status(StatusCode::ACCEPTED)
        }
        "ping" => whole(&result(json!({}))),
        "tools/list" => {
            whole(&result(json!({ "tools": [{ "name": "count", "inputSchema": { "type": "object" } }] })))
        }
        "tools/call" => {
            *called.lock().expect("nothing panics while holding the fields") = fields;
            counts.send_modify(|counts| counts.executed += 1);
            let done = result(json!({ "content": [{ "type": "text", "text": "done" }] }));
            if message["params"]["name"] == "gated" {
                return streamed(done, async move {
                    let _ = gate.wait_for(|open| *open).await;
                });
            }
            whole(&done)
        }
        _ if id.is_null() => status(StatusCode::ACCEPTED),
        _ => whole(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "unknown" } })),
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default().boxed());
    *response.status_mut() = status;
    response
}

fn whole(message: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(message.to_string().into()).boxed());
    response.headers_mut().insert(
        "content-type",
        "application/json".parse().expect("a test's server gets proper requests, and its ports"),
    );
    response
}

/// The head at once, the message as an event afterwards.
fn streamed(message: Value, after: impl Future<Output = ()> + Send + Sync + 'static) -> Response<Body> {
    let event = async move {
        after.await;
        Ok(Frame::data(Bytes::from(format!("data: {message}\n\n"))))
    };
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::once(event))));
    response.headers_mut().insert(
        "content-type",
        "text/event-stream".parse().expect("a test's server gets proper requests, and its ports"),
    );
    response
}
