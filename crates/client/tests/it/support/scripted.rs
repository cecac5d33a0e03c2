use super::connect;
use afield_client::Remote;
use afield_protocol::wire::encode_base64;
use afield_testkit::{Peer, PeerServer};
use serde_json::{Value, json};

/// A client, and the executor at the other end, which says what the test tells it to.
pub struct Played {
    pub server: PeerServer,
    pub remote: Remote,
    pub executor: Peer,
}

/// A client with a session; the executor understands cancels or does not.
pub async fn played(cancels: bool) -> Played {
    let server = PeerServer::start().await;
    let (remote, executor) = tokio::join!(connect(server.url()), session(&server, cancels));
    Played { server, remote, executor }
}

/// Accepts the next connection and its session.
pub async fn session(server: &PeerServer, cancels: bool) -> Peer {
    let mut executor = server.accept().await;
    executor.accept_session(result(cancels)).await;
    executor
}

/// The answer to `initialize`.
pub fn result(cancels: bool) -> Value {
    json!({
        "sessionId": "s",
        "environmentInfo": {
            "shell": { "name": "sh", "path": "/bin/sh" },
            "cwd": "file:///",
            "capabilities": { "httpHeaderEnvVars": true, "httpRequestCancel": cancels },
        },
    })
}

/// The answer to `initialize` of an executor that speaks afield/1.
pub fn resumable(resumed: bool) -> Value {
    let mut result = result(true);
    result["dialect"] = json!("afield/1");
    result["windowBytes"] = json!(1 << 20);
    result["resumed"] = json!(resumed);
    result["features"] = json!(["trailers", "hold"]);
    result
}

/// A client with a session in afield/1.
pub async fn played_resumable() -> Played {
    let server = PeerServer::start().await;
    let accept = async {
        let mut executor = server.accept().await;
        executor.accept_session(resumable(false)).await;
        executor
    };
    let (remote, executor) = tokio::join!(connect(server.url()), accept);
    Played { server, remote, executor }
}

/// Accepts the next connection, which resumes the session. Returns what the client holds.
pub async fn resumption(server: &PeerServer) -> (Peer, Value) {
    let mut executor = server.accept().await;
    executor.accept_session(resumable(true)).await;
    let sync = executor.asked("session/sync").await;
    (executor, sync)
}

/// The executor's next message is a call: returns it.
pub async fn next_call(executor: &mut Peer) -> Value {
    let call = executor.json().await;
    assert_eq!(call["method"], "http/request", "{call}");
    call
}

/// The answer to a call: this status, no headers, this body.
pub fn done(call: &Value, status: u16, body: &str) -> Value {
    json!({ "id": call["id"], "result": { "status": status, "headers": [], "bodyBase64": base64(body) } })
}

/// The head of a streamed answer.
pub fn head_only(call: &Value) -> Value {
    done(call, 200, "")
}

/// A piece of a streamed body.
pub fn delta(call: &Value, seq: u64, bytes: &str) -> Value {
    frame(call, seq, bytes, false, Value::Null)
}

/// The end of a streamed body.
pub fn end(call: &Value, seq: u64, error: impl Into<Value>) -> Value {
    frame(call, seq, "", true, error.into())
}

fn frame(call: &Value, seq: u64, bytes: &str, done: bool, error: Value) -> Value {
    json!({
        "method": "http/request/bodyDelta",
        "params": {
            "requestId": call["params"]["requestId"],
            "seq": seq,
            "deltaBase64": base64(bytes),
            "done": done,
            "error": error,
        },
    })
}

fn base64(bytes: &str) -> String {
    let mut out = Vec::new();
    encode_base64(bytes.as_bytes(), &mut out);
    String::from_utf8(out).expect("base64 is ASCII")
}
