//! What every answer means: to rmcp's own client and to ours, from here and from an executor, the same.

use crate::support::{Call, Call::*, Places, outcome, reference, response};
use afield_testkit::{RawOrigin, Script};

const JSON: &str = "content-type: application/json\r\n";
const SSE: &str = "content-type: text/event-stream\r\n";
const HTML: &str = "content-type: text/html\r\n";
const PONG: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
const RPC_ERROR: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no such version"}}"#;

/// A call, what the server answers to it, and the beginning of what it must come to.
type Row = (Call, String, &'static str);

async fn assert_rows(rows: Vec<Row>) {
    let places = Places::start().await;
    let reference = reference();
    for (call, response, expected) in rows {
        // One connection, one answer: a response without length ends with it.
        let origin = RawOrigin::always(Script::new().expect_request().send(response.clone()).close()).await;
        let url = origin.url("/mcp");
        let theirs = outcome(&reference, call, &url).await;
        assert!(theirs.starts_with(expected), "rmcp on {call:?}, {response:?}: {theirs}, not {expected}");
        for (place, transport) in places.each() {
            assert_eq!(outcome(transport, call, &url).await, theirs, "{place} on {call:?}, {response:?}");
        }
    }
}

/// Proves case 113: challenges, lost sessions, missing streams, acceptances and wrong types come to exactly the errors of
/// rmcp's own client, fields included.
#[tokio::test]
async fn case_113_every_answer_is_the_error_of_rmcps_own_client() {
    let bearer = "www-authenticate: Bearer realm=\"x\", scope=\"a b\"\r\nwww-authenticate: Basic\r\n";
    let latin1 = "www-authenticate: Bearer \u{80}\r\n";
    let later = "retry-after: 120\r\nretry-after: 3\r\n";
    let long = format!("retry-after: {}\r\n", "9".repeat(129));
    let mut rows: Vec<Row> = Vec::new();
    for call in [Ping, PingInSession, Notify, Discover, Get, GetInSession] {
        rows.extend([
            (
                call,
                response(401, bearer, ""),
                "AuthRequired(AuthRequiredError { www_authenticate_header: \"Bearer realm",
            ),
            (call, response(401, latin1, ""), "UnexpectedServerResponse("),
            (call, response(403, bearer, ""), "InsufficientScope(InsufficientScopeError { www_authenticate"),
            (call, response(403, latin1, ""), "UnexpectedServerResponse("),
            (
                call,
                response(429, later, ""),
                "HttpStatus(HttpStatusError { status: 429, retry_after: Some(\"120\") })",
            ),
            (
                call,
                response(503, &long, "down"),
                "HttpStatus(HttpStatusError { status: 503, retry_after: None })",
            ),
            (call, response(503, "retry-after: \u{e9}\r\n", ""), "HttpStatus("),
        ]);
    }
    for call in [Ping, PingInSession, Discover] {
        rows.extend([
            (call, response(202, "", ""), "Accepted"),
            (call, response(204, "", "").replace("content-length: 0\r\n", ""), "Accepted"),
            (call, response(200, HTML, "<p>"), "UnexpectedContentType(Some(\"text/html\"))"),
            (call, response(200, "", "?"), "UnexpectedContentType(None)"),
            (call, response(200, "content-type: application/jsonx\r\n", PONG), "UnexpectedContentType("),
            (call, response(200, "", ""), "UnexpectedContentType(None)"),
        ]);
    }
    rows.extend([
        (Ping, response(401, JSON, RPC_ERROR), "UnexpectedServerResponse(\"HTTP 401 Unauthorized: {"),
        (Ping, response(403, HTML, "no"), "UnexpectedServerResponse(\"HTTP 403 Forbidden: no\")"),
        (Discover, response(401, JSON, RPC_ERROR), "UnexpectedServerResponse("),
        (Discover, response(403, "", "no"), "UnexpectedServerResponse("),
        (Get, response(401, "", ""), "Client(status 401)"),
        (PingInSession, response(404, HTML, "gone"), "SessionExpired"),
        (Notify, response(404, JSON, RPC_ERROR), "SessionExpired"),
        (Ping, response(404, HTML, "gone"), "UnexpectedServerResponse(\"HTTP 404 Not Found: gone\")"),
        (Get, response(404, "", ""), "Client(status 404)"),
        (GetInSession, response(404, "", ""), "Client(status 404)"),
        (Get, response(405, JSON, RPC_ERROR), "ServerDoesNotSupportSse"),
        (GetInSession, response(405, "", ""), "ServerDoesNotSupportSse"),
        (Ping, response(405, "", "no"), "UnexpectedServerResponse(\"HTTP 405 Method Not Allowed: no\")"),
        (Get, response(200, HTML, ""), "UnexpectedContentType(Some(\"text/html\"))"),
        (Get, response(200, "", ""), "UnexpectedContentType(None)"),
        (Get, response(202, "", ""), "UnexpectedContentType(None)"),
        (Get, response(302, "location: /other\r\n", ""), "UnexpectedContentType(None)"),
        (Delete, response(405, "", ""), "Done"),
        (Delete, response(204, "", "").replace("content-length: 0\r\n", ""), "Done"),
        (Delete, response(302, "location: /other\r\n", ""), "Done"),
        (Delete, response(401, bearer, ""), "Client(status 401)"),
        (Delete, response(404, "", ""), "Client(status 404)"),
        (Delete, response(503, later, ""), "Client(status 503)"),
    ]);
    assert_rows(rows).await;
}

/// Proves that replies come as rmcp's own client hands them on: messages, streams, sessions, and what is neither.
#[tokio::test]
async fn replies_are_handed_on_as_by_rmcps_own_client() {
    let with_session = format!("{JSON}mcp-session-id: new\r\n");
    let unlike = "content-type: Application/JSON ; charset=utf-8\r\n";
    let event = format!("event: message\nid: 4\nretry: 30\ndata: {PONG}\n\n");
    let chunked = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let to_the_end =
        |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}connection: close\r\n\r\n{body}");
    let cut =
        |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}content-length: 999\r\n\r\n{body}");
    assert_rows(vec![
        (Ping, response(200, &with_session, PONG), "Json(Response("),
        (Ping, response(200, unlike, PONG), "Json(Response("),
        (Ping, response(201, JSON, RPC_ERROR), "Json(Error("),
        (Ping, to_the_end(JSON, PONG), "Json(Response("),
        (
            Ping,
            response(200, "content-type: application/json\r\nmcp-session-id: caf\u{e9}\r\n", PONG),
            "Json(",
        ),
        (Ping, response(200, JSON, ""), "UnexpectedServerResponse(\"could not parse"),
        (Ping, response(200, JSON, "{}"), "UnexpectedServerResponse(\"could not parse"),
        (Ping, response(200, JSON, &"é".repeat(400)), "UnexpectedServerResponse(\"could not parse"),
        (Ping, response(200, JSON, &format!("x{}", "é".repeat(400))), "UnexpectedServerResponse("),
        (Ping, cut(JSON, "{"), "Client(exchange)"),
        (Ping, response(200, &format!("{SSE}mcp-session-id: new\r\n"), &event), "Sse Some(\"new\") [\"Sse {"),
        (Ping, chunked(&event), "Sse None [\"Sse {"),
        (Ping, to_the_end(SSE, &event), "Sse None [\"Sse {"),
        (Ping, response(200, SSE, ""), "Sse None []"),
        (Ping, cut(SSE, &event), "Sse None [\"Sse {"),
        (Ping, response(200, SSE, "nonsense\n\n"), "Sse None [\"InvalidLine\"]"),
        (Ping, response(200, SSE, "retry: soon\n\n"), "Sse None [\"IntParse"),
        (Get, response(200, SSE, &event), "Stream [\"Sse {"),
        (Get, response(200, JSON, &event), "Stream [\"Sse {"),
        (GetInSession, chunked(&event.replace('\n', "\r")), "Stream [\"Sse {"),
        (Notify, response(200, "", ""), "Accepted"),
        (Notify, response(200, JSON, ""), "Accepted"),
        (Notify, response(200, JSON, "not json"), "Accepted"),
        (Notify, response(200, HTML, "<p>"), "Accepted"),
        (Notify, to_the_end("", ""), "Accepted"),
        (Notify, response(200, JSON, PONG), "Json(Response("),
        (Notify, response(206, HTML, "<p>"), "Accepted"),
        (Notify, response(200, SSE, &event), "Sse None"),
        (Notify, response(200, SSE, ""), "Accepted"),
    ])
    .await;
}

/// Proves that refusals keep the server's JSON-RPC error where rmcp's own client keeps it, and only there.
#[tokio::test]
async fn refusals_keep_the_servers_json_rpc_error() {
    let cut = |status| format!("HTTP/1.1 {status} reason\r\n{JSON}content-length: 999\r\n\r\n{{");
    assert_rows(vec![
        (Ping, response(400, JSON, RPC_ERROR), "Json(Error("),
        (PingInSession, response(400, &format!("{JSON}mcp-session-id: s\r\n"), RPC_ERROR), "Json(Error("),
        (Ping, response(500, JSON, RPC_ERROR), "Json(Error("),
        (Ping, response(404, JSON, RPC_ERROR), "Json(Error("),
        (Ping, response(429, JSON, RPC_ERROR), "HttpStatus("),
        (Notify, response(400, JSON, RPC_ERROR), "Json(Error("),
        (Notify, response(400, "", ""), "UnexpectedServerResponse(\"HTTP 400 Bad Request: \")"),
        (Ping, response(400, JSON, PONG), "UnexpectedServerResponse("),
        (Ping, response(400, JSON, "{}"), "UnexpectedServerResponse(\"HTTP 400 Bad Request: {}\")"),
        (Ping, response(500, JSON, "{}"), "HttpStatus("),
        (Ping, response(500, HTML, RPC_ERROR), "HttpStatus("),
        (Ping, response(400, HTML, RPC_ERROR), "UnexpectedServerResponse("),
        (Ping, response(418, "", "a\u{fffd}b"), "UnexpectedServerResponse(\"HTTP 418 I'm a teapot: "),
        (Ping, response(499, "", ""), "UnexpectedServerResponse(\"HTTP 499 <unknown status code>: \")"),
        (Ping, response(302, "location: /other\r\n", ""), "UnexpectedServerResponse(\"HTTP 302 Found: \")"),
        (Ping, response(304, "", "").replace("content-length: 0\r\n", ""), "UnexpectedServerResponse("),
        (
            Ping,
            cut(400),
            "UnexpectedServerResponse(\"HTTP 400 Bad Request: <failed to read response body>\")",
        ),
        (Ping, cut(500), "HttpStatus("),
    ])
    .await;
}

/// Proves that a server that does not know `server/discover` is answered for, so that rmcp falls back to an older
/// revision: outside a session only, and never for a refused authorization.
#[tokio::test]
async fn an_older_servers_refusal_of_discovery_becomes_a_json_rpc_error() {
    let synthesised = "Json(Error(JsonRpcError { jsonrpc: JsonRpcVersion2_0, id: Some(Number(7))";
    assert_rows(vec![
        (Discover, response(400, JSON, RPC_ERROR), "Json(Error("),
        (Discover, response(400, HTML, RPC_ERROR), "Json(Error("),
        (Discover, response(400, JSON, "{}"), synthesised),
        (Discover, response(404, HTML, "gone"), synthesised),
        (Discover, response(405, "", ""), synthesised),
        (Discover, response(422, "", "no session"), synthesised),
        (Discover, response(429, "", ""), "HttpStatus("),
        (Discover, response(500, JSON, RPC_ERROR), "Json(Error("),
        (Discover, response(500, JSON, "{}"), "HttpStatus("),
        (Discover, response(302, "location: /other\r\n", ""), "UnexpectedServerResponse("),
        (DiscoverInSession, response(400, "", "no"), "UnexpectedServerResponse("),
        (DiscoverInSession, response(404, "", "no"), "SessionExpired"),
    ])
    .await;
}

/// Proves that a server that is not there is an error of the client, which says that nothing was executed.
#[tokio::test]
async fn no_answer_is_an_error_of_the_client() {
    let places = Places::start().await;
    let reference = reference();
    let refusing = afield_testkit::dead::Refusing::on("127.0.0.1");
    for call in [Ping, Notify, Discover, Get, Delete] {
        let url = format!("http://{}/mcp", refusing.address());
        assert_eq!(outcome(&reference, call, &url).await, "Client(exchange)");
        for (place, transport) in places.each() {
            assert_eq!(outcome(transport, call, &url).await, "Client(exchange)", "{place}");
            assert_eq!(outcome(transport, call, "not a url").await, "Client(exchange)", "{place}");
        }
    }
}
