//! A server whose every answer is a test's to say, and that counts.

use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, task::JoinSet};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub session: Option<String>,
    pub message: Value,
}

impl Asked {
    pub fn is(&self, method: &str) -> bool {
        self.message["method"] == method
    }
}

/// What is answered.
pub enum Said {
    Whole(u16, &'static str, String),
    /// With a session of this name.
    Begun(String, Value),
    /// These events, and then the end, or nothing more.
    Events(String, bool),
    /// These bytes, in this encoding, and then the end, or nothing more.
    Encoded {
        kind: &'static str,
        encoding: &'static str,
        session: Option<String>,
        bytes: Vec<u8>,
        ends: bool,
    },
    Never,
}

impl Said {
    pub fn json(status: u16, value: &Value) -> Self {
        Self::Whole(status, "application/json", value.to_string())
    }
}

type Script = dyn Fn(&Asked, usize) -> Said + Send + Sync;

/// The server; it is over when it is dropped.
pub struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: JoinSet<()>,
}

impl Scripted {
    /// `script` says what each request is answered with, and which one it is.
    pub async fn start(script: impl Fn(&Asked, usize) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (script, asked): (Arc<Script>, Arc<Mutex<Vec<Asked>>>) = (Arc::new(script), Arc::default());
        let mut serving = JoinSet::new();
        let seen = asked.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (script.clone(), seen.clone());
                let answer = service_fn(move |request| answer(script.clone(), seen.clone(), request));
                connections.spawn(async move {
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, asked, _serving: serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// How many requests were like this.
    pub fn count(&self, like: impl Fn(&Asked) -> bool) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| like(asked)).count()
    }
}

/// The result of an `initialize`, and of anything else.
pub fn result(asked: &Asked) -> Value {
    let result = match asked.is("initialize") {
        true => json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"},
        }),
        false => json!({}),
    };
    json!({"jsonrpc": "2.0", "id": asked.message["id"], "result": result})
}

/// What a proper server says that has no stream.
pub fn proper(asked: &Asked, at: usize) -> Said {
    match (&asked.method, asked.message.get("id")) {
        (&Method::GET, _) => Said::Whole(405, "text/plain", String::new()),
        (_, None) => Said::Whole(202, "text/plain", String::new()),
        _ if asked.is("initialize") => Said::Begun(format!("s{at}"), result(asked)),
        _ => Said::json(200, &result(asked)),
    }
}

async fn answer(
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Asked>>>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let session = head.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let message = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { method: head.method, session, message };
    let at = {
        let mut seen = seen.lock().unwrap();
        seen.push(asked.clone());
        seen.len()
    };
    let full = |text: String| Full::new(Bytes::from(text)).boxed();
    let mut encoding = None;
    let (status, kind, session, body) = match script(&asked, at) {
        Said::Never => std::future::pending().await,
        Said::Whole(status, kind, text) => (status, kind, None, full(text)),
        Said::Begun(session, value) => (200, "application/json", Some(session), full(value.to_string())),
        Said::Encoded { kind, encoding: by, session, bytes, ends } => {
            use futures_util::StreamExt;
            encoding = Some(by);
            let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from(bytes))) });
            let body = match ends {
                true => BodyExt::boxed(StreamBody::new(first)),
                false => BodyExt::boxed(StreamBody::new(first.chain(futures_util::stream::pending()))),
            };
            (200, kind, session, body)
        }
        Said::Events(text, true) => (200, "text/event-stream", None, full(text)),
        Said::Events(text, false) => {
            use futures_util::StreamExt;
            let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from(text))) });
            let body = BodyExt::boxed(StreamBody::new(first.chain(futures_util::stream::pending())));
            (200, "text/event-stream", None, body)
        }
    };
    let mut response = Response::builder().status(status).header("content-type", kind);
    if let Some(encoding) = encoding {
        response = response.header("content-encoding", encoding);
    }
    if let Some(session) = session {
        response = response.header("mcp-session-id", session);
    }
    Ok(response.body(body).unwrap())
}
