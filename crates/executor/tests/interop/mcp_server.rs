use crate::{socket_owner, web};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const CALL: &str = "tools/call";
const SESSION: &str = "session-of-the-demo";

/// One message the server received.
#[derive(Clone, Debug)]
pub struct Received {
    /// The JSON-RPC method, or the HTTP method where there was no message.
    pub method: String,
    /// Whether the connection it came over belongs to this process, where the executor runs.
    pub from_this_process: bool,
    /// Whether it came within the session that `initialize` began.
    pub in_session: bool,
    /// What it says of who asks.
    pub authorization: Option<String>,
}

/// A Streamable HTTP MCP server with one tool, `echo`, that answers in server-sent events.
pub struct McpServer {
    server: web::Server,
    log: Arc<Mutex<Vec<Received>>>,
}

impl McpServer {
    pub async fn start() -> Self {
        Self::start_with(|| {}).await
    }

    /// Starts a server that runs `on_first_call` before it answers the first call of a tool.
    pub async fn start_with(on_first_call: impl Fn() + Clone + Send + Sync + 'static) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = log.clone();
        let server = web::Server::start(move |request, connection| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let received = received(&request, &message, connection);
            let mut log = writer.lock().unwrap();
            let first = !log.iter().any(|earlier: &Received| earlier.method == CALL);
            log.push(received);
            drop(log);
            if first && message["method"] == CALL {
                on_first_call();
            }
            answer(&request, &message)
        })
        .await;
        Self { server, log }
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.server.address)
    }

    pub fn log(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }
}

fn received(request: &Request<Bytes>, message: &Value, connection: web::Connection) -> Received {
    let session = request.headers().get("mcp-session-id");
    Received {
        method: message["method"].as_str().unwrap_or(request.method().as_str()).to_owned(),
        from_this_process: socket_owner::is_this_process(connection.peer, connection.server),
        in_session: session.is_some_and(|session| session == SESSION),
        authorization: request
            .headers()
            .get("authorization")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
    }
}

fn answer(request: &Request<Bytes>, message: &Value) -> Response<Full<Bytes>> {
    if request.method() != "POST" {
        return web::empty(if request.method() == "DELETE" { 200 } else { 405 });
    }
    if message["id"].is_null() {
        return web::empty(202);
    }
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "demo", "version": "1" },
        }),
        "tools/list" => json!({ "tools": [{
            "name": "echo",
            "description": "Says what it was told",
            "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] },
            "annotations": { "readOnlyHint": true },
        }] }),
        CALL => {
            let text = message["params"]["arguments"]["text"].as_str().unwrap_or_default();
            json!({ "content": [{ "type": "text", "text": format!("heard: {text}") }] })
        }
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            return web::json(200, &json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }));
        }
    };
    let mut response = web::events(&[json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })]);
    response.headers_mut().insert("mcp-session-id", SESSION.parse().unwrap());
    response
}
