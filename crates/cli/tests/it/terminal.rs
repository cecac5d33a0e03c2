//! What peers say on the user's terminal.

use crate::support::{
    afield, code,
    home::{mcp, works},
    run,
    terminal::{assert_harmless, on_terminal},
    text,
};
use afield_testkit::{
    RawOrigin,
    oauth::Site,
    peer::{Message, PeerServer},
    raw::Script,
};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// ESC, a C1 control, a bidirectional override, and a lone carriage return.
const HOSTILE: &str = "\u{1b}[2J\u{9b}2J\u{202e}evil\r";
/// What an HTTP library lets through of that in a header.
const HOSTILE_VALUE: &str = "\u{9b}2J\u{202e}evil";

/// Proves that an origin's head and body are cleaned on a terminal, whatever flag shows them, and untouched in files
/// (case 163).
#[tokio::test(flavor = "multi_thread")]
async fn request_cleans_head_and_body_on_a_terminal() {
    let head = format!("HTTP/1.1 200 OK\r\nX-A: {HOSTILE_VALUE}\r\nContent-Type: {HOSTILE_VALUE}\r\n");
    let answer = format!("{head}Content-Length: {}\r\n\r\n{HOSTILE}", HOSTILE.len());
    let origin = RawOrigin::always(Script::new().expect_head().send(answer).close()).await;
    let format = "%header{x-a}|%{content_type}|%{header_json}|%{stderr}%header{x-a}";
    let arguments = ["request", "-s", "-i", "-v", "-D", "-", "-w", format, &origin.url("/")];
    let (status, shown) = on_terminal(afield(&arguments)).await;
    assert!(status.success(), "{shown:?}");
    assert_harmless(&shown);
    for (what, times) in [("\\x1b[2J", 1), ("\\x9b2J\\u{202e}evil", 10), ("\\u009b2J\\u202eevil", 2)] {
        assert_eq!(shown.matches(what).count(), times, "{what}: {shown:?}");
    }
    let got = run(afield(&arguments)).await;
    let (out, err) = (text(&got.stdout), text(&got.stderr));
    assert!(out.contains(HOSTILE) && out.contains(&format!("x-a: {HOSTILE_VALUE}\r\n")), "{out:?}");
    assert!(err.contains(&format!("< x-a: {HOSTILE_VALUE}\n")) && err.ends_with(HOSTILE_VALUE), "{err:?}");
    // Who wants the body as it is, on a terminal, says so.
    let (_, shown) = on_terminal(afield(&["request", "-s", "-o", "-", &origin.url("/")])).await;
    assert!(shown.starts_with(HOSTILE), "{shown:?}");
}

/// Answers one request, in a session of the base dialect.
async fn answer_one(executor: &PeerServer, answer: &Value) {
    let mut peer = executor.accept().await;
    peer.accept_session(json!({"sessionId": "s"})).await;
    let asked = peer.asked("http/request").await;
    let mut answer = answer.clone();
    answer["id"] = asked["id"].clone();
    peer.send_json(&answer).await;
    let end =
        json!({"requestId": asked["params"]["requestId"], "seq": 1, "deltaBase64": "aGk=", "done": true});
    // Whoever refuses the answer may have gone.
    let _ = peer
        .try_send(Message::text(json!({"method": "http/request/bodyDelta", "params": end}).to_string()))
        .await;
    peer.end().await;
}

/// Proves that an answer which no HTTP library would have handed on is curl's code 8 and the executor's fault, and that
/// nothing of what an executor says reaches a terminal raw (cases 162 and 163).
#[tokio::test(flavor = "multi_thread")]
async fn request_refuses_hostile_answers_of_an_executor() {
    let head = |status: u16, name: &str, value: &str| {
        let headers = json!([{"name": name, "value": value}]);
        json!({"result": {"status": status, "headers": headers, "bodyBase64": "aGk="}})
    };
    let hostile_error = json!({"error": {"code": -32603, "message": HOSTILE, "data": {
        "kind": "connect", "blame": "origin", "retry": "safe", "detail": HOSTILE,
    }}});
    for (answer, expected) in [
        (head(1000, "a", "v"), 8),
        (head(99, "a", "v"), 8),
        (head(101, "a", "v"), 8),
        (head(200, "a b", "v"), 8),
        (head(200, "a", "x\r\ny: z"), 8),
        (head(200, "a", "\u{1b}[2J"), 8),
        (head(200, HOSTILE, "v"), 8),
        (hostile_error, 7),
        (head(200, "a", HOSTILE_VALUE), 0),
    ] {
        let executor = PeerServer::start().await;
        let url = executor.url();
        let command = afield(&["request", "-s", "-S", "-i", "-v", "--executor", &url, "http://h/"]);
        let ((status, shown), ()) = tokio::join!(on_terminal(command), answer_one(&executor, &answer));
        assert_eq!(status.code(), Some(expected), "{answer}: {shown:?}");
        assert_harmless(&shown);
        if expected == 8 {
            assert!(shown.contains("the executor broke the protocol"), "{shown:?}");
            assert!(shown.contains("the executor is at fault"), "{shown:?}");
        }
    }
}

/// Proves that an executor's refusal to begin a session is shown cleaned (case 163).
#[tokio::test(flavor = "multi_thread")]
async fn request_cleans_refusals_of_an_executor() {
    let executor = PeerServer::start().await;
    let refusing = async {
        let mut peer = executor.accept().await;
        let asked = peer.asked("initialize").await;
        peer.send_json(&json!({"id": asked["id"], "error": {"code": -32600, "message": HOSTILE}})).await;
        peer.end().await;
    };
    let url = executor.url();
    let command = afield(&["request", "-s", "-S", "-v", "--executor", &url, "http://h/"]);
    let ((status, shown), _) = tokio::join!(on_terminal(command), refusing);
    assert!(!status.success());
    assert!(shown.contains("evil"), "{shown:?}");
    assert_harmless(&shown);
}

/// An MCP server without sessions, whose words are hostile. It answers until the test ends.
async fn hostile_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = Vec::new();
                let message = loop {
                    let mut piece = [0; 4096];
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => asked.extend_from_slice(&piece[..read]),
                    }
                    let Some((head, body)) =
                        text(&asked).split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.to_owned()))
                    else {
                        continue;
                    };
                    if !head.starts_with("POST") {
                        break Value::Null;
                    }
                    if let Ok(message) = serde_json::from_str::<Value>(&body) {
                        break message;
                    }
                };
                let answer = answer_to(&message);
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    url
}

fn answer_to(message: &Value) -> String {
    let result = match message["method"].as_str() {
        None => return "HTTP/1.1 405 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        Some("initialize") => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": HOSTILE, "version": HOSTILE},
            "instructions": HOSTILE,
        }),
        Some("tools/list") => json!({"tools": [{
            "name": HOSTILE,
            "description": HOSTILE,
            "inputSchema": {"type": "object", "properties": {HOSTILE: {}}},
        }]}),
        Some("tools/call") => json!({"isError": true, "content": [
            {"type": "text", "text": HOSTILE},
            {"type": "image", "mimeType": HOSTILE, "data": ""},
            {"type": "resource_link", "uri": HOSTILE, "name": HOSTILE},
        ]}),
        Some(_) if message.get("id").is_some() => {
            let error = json!({"code": -32601, "message": HOSTILE});
            return json_answer(&json!({"jsonrpc": "2.0", "id": message["id"], "error": error}));
        }
        Some(_) => return "HTTP/1.1 202 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    };
    json_answer(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
}

fn json_answer(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Proves that tool names, descriptions, arguments and results of a server are cleaned on a terminal, JSON included, and
/// untouched in `--json` and in files (case 163).
#[tokio::test(flavor = "multi_thread")]
async fn mcp_cleans_what_servers_say_on_a_terminal() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    works(home, &["mcp", "add", "docs", &hostile_server().await]).await;
    for (arguments, expected) in [
        (&["mcp", "tools", "docs"][..], 0),
        (&["mcp", "tools", "docs", "--json"], 0),
        (&["mcp", "call", "docs", "tool"], 108),
        (&["mcp", "call", "docs", "tool", "--json"], 108),
        (&["mcp", "status"], 0),
        (&["mcp", "status", "--json"], 0),
        (&["mcp", "doctor"], 0),
    ] {
        let (status, shown) = on_terminal(mcp(home, arguments)).await;
        assert_eq!(status.code(), Some(expected), "{arguments:?}: {shown:?}");
        assert_harmless(&shown);
        let got = run(mcp(home, arguments)).await;
        assert_eq!(code(&got), expected, "{arguments:?}: {}", text(&got.stderr));
        let out = text(&got.stdout);
        match arguments {
            ["mcp", "tools", _, "--json"] => {
                let said: Value = serde_json::from_str(&out).unwrap();
                assert_eq!(said["tools"][0]["name"], HOSTILE);
                let shown: Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(shown, said, "escapes of JSON mean the same");
            }
            ["mcp", "call", _, _] => assert!(out.contains(HOSTILE), "{out:?}"),
            ["mcp", "tools", _] => assert!(out.contains(HOSTILE_VALUE), "{out:?}"),
            _ => {}
        }
    }
}

/// Proves that what an authorization server says of itself is cleaned on a terminal (case 163).
#[tokio::test(flavor = "multi_thread")]
async fn mcp_login_cleans_what_servers_say_on_a_terminal() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home: &Path = home.path();
    works(home, &["mcp", "add", "docs", &site.url()]).await;
    site.set(|site| site.metadata = json!({"issuer": format!("http://{HOSTILE}")}));
    let (status, shown) = on_terminal(mcp(home, &["mcp", "login", "docs", "--headless"])).await;
    assert_eq!(status.code(), Some(107), "{shown:?}");
    assert!(shown.contains("\\u{202e}evil"), "{shown:?}");
    assert_harmless(&shown);
}

/// Proves that the log shows a peer's words cleaned on a terminal (case 163).
#[tokio::test(flavor = "multi_thread")]
async fn log_cleans_what_peers_say_on_a_terminal() {
    let head = format!("HTTP/1.1 200 OK\r\nX-A: {HOSTILE_VALUE}\r\nContent-Length: 0\r\n\r\n");
    let origin = RawOrigin::always(Script::new().expect_head().send(head).close()).await;
    let mut command = afield(&["request", "-s", "--log", "trace", &origin.url("/\u{202e}evil")]);
    command.env("NO_COLOR", "1");
    let (_, shown) = on_terminal(command).await;
    assert_harmless(&shown);
}
