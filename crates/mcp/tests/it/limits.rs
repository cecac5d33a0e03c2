//! Limits on bytes as they come, kept as by rmcp's own client.

use crate::support::{Places, Told, failure, ping, posted, read, reference, response};
use afield_testkit::{Gate, RawOrigin, Script};
use rmcp::transport::streamable_http_client::{StreamableHttpClient, StreamableHttpResponseLimits};
use std::{collections::HashMap, sync::Arc};

const JSON: &str = "content-type: application/json\r\n";
const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const MIB: usize = 1024 * 1024;

fn small() -> StreamableHttpResponseLimits {
    let mut limits = StreamableHttpResponseLimits::default();
    limits.max_sse_event_size = 64;
    limits.max_json_response_size = 64;
    limits.max_error_response_size = 16;
    limits
}

async fn post<C>(client: &C, url: &str, limits: StreamableHttpResponseLimits) -> String
where
    C: StreamableHttpClient,
    C::Error: Told,
{
    let posting =
        client.post_message_with_response_limits(url.into(), ping(), None, None, HashMap::new(), limits);
    posted(posting.await).await
}

async fn post_events<C>(client: &C, url: &str, limit: usize) -> String
where
    C: StreamableHttpClient,
    C::Error: Told,
{
    let posting =
        client.post_message_with_max_sse_event_size(url.into(), ping(), None, None, HashMap::new(), limit);
    posted(posting.await).await
}

async fn get<C>(client: &C, url: &str, limit: usize) -> String
where
    C: StreamableHttpClient,
    C::Error: Told,
{
    match client.get_stream_with_max_sse_event_size(url.into(), None, None, None, HashMap::new(), limit).await
    {
        Ok(events) => read(events).await,
        Err(error) => failure(&error),
    }
}

/// Proves case 111: an event is bounded in raw bytes however it comes (in single bytes, with CR alone, after a BOM, split
/// inside a character, after any number of comments), to the byte where rmcp's own client bounds it.
#[tokio::test]
async fn case_111_events_are_bounded_in_raw_bytes_as_by_rmcps_own_client() {
    let places = Places::start().await;
    let reference = reference();
    let fits = format!("data: {}", "x".repeat(57));
    let gate = Gate::new();
    gate.open();
    for (text, too_large) in [
        (format!("{fits}\n\n"), false),
        (format!("{fits}x\n\n"), true),
        (format!("{fits}x"), false),
        (format!("{fits}xx"), true),
        (format!("{fits}\r\r"), false),
        (format!("{fits}x\r\r"), true),
        (format!("{fits}\r\n\r\n"), false),
        (format!("\u{feff}{}\n\n", &fits[..60]), false),
        (format!("\u{feff}{}\n\n", &fits[..61]), true),
        (format!("data: {}\n\n", "€".repeat(19)), false),
        (format!("data: {}\n\n", "€".repeat(20)), true),
        (format!("data: a\ndata: {}\n\n", "x".repeat(49)), false),
        (format!("data: a\ndata: {}\n\n", "x".repeat(50)), true),
        (format!("{}{fits}\n\n", ": a comment that is not kept\n".repeat(20)), false),
        (format!(": {}\n\n", "a comment that never ends ".repeat(5)), true),
    ] {
        let script = Script::new().expect_request().send(SSE_HEAD).drip_by(&gate, text.clone(), 1).close();
        let origin = RawOrigin::always(script).await;
        let url = origin.url("/mcp");
        let theirs = get(&reference, &url, 64).await;
        assert_eq!(theirs.contains("too large"), too_large, "{text:?}: {theirs}");
        let theirs_posted = post(&reference, &url, small()).await;
        for (place, transport) in places.each() {
            assert_eq!(get(transport, &url, 64).await, theirs, "{place}: {text:?}");
            assert_eq!(post(transport, &url, small()).await, theirs_posted, "{place}: {text:?}");
            assert_eq!(post_events(transport, &url, 64).await, theirs_posted, "{place}: {text:?}");
        }
    }
}

/// Proves case 111 for what never ends: a line without end is not gathered but refused, and the origin is told at once.
#[tokio::test]
async fn case_111_a_line_that_never_ends_is_refused_and_its_origin_let_go() {
    let places = Places::start().await;
    for flood in ["data: no end in sight ", ": nor here "] {
        for (place, transport) in places.each() {
            let origin = RawOrigin::always(Script::new().expect_request().send(SSE_HEAD).flood(flood)).await;
            let limit = StreamableHttpResponseLimits::default().max_sse_event_size;
            assert_eq!(get(transport, &origin.url("/mcp"), limit).await, "[\"too large\"]", "{place}");
            origin.connection(0).await.wait_closed().await;
        }
    }
}

/// Proves that the limits hold where rmcp's caller gives none: 16 MiB an event, 16 MiB of JSON, to the byte.
#[tokio::test]
async fn the_limits_hold_unasked() {
    let places = Places::start().await;
    let event = |size: usize| format!("{SSE_HEAD}data: {}\n\n", "x".repeat(size - "data: \n".len()));
    let json = |size: usize| {
        let mut body = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#.to_owned();
        body.push_str(&" ".repeat(size - body.len()));
        format!("HTTP/1.1 200 OK\r\n{JSON}connection: close\r\n\r\n{body}")
    };
    for (place, transport) in places.each() {
        for (size, fits) in [(16 * MIB, true), (16 * MIB + 1, false)] {
            let origin = RawOrigin::always(Script::new().expect_request().send(event(size)).close()).await;
            let url: Arc<str> = origin.url("/mcp").into();
            let events = transport.get_stream(url.clone(), None, None, None, HashMap::new()).await.unwrap();
            assert_eq!(read(events).await.contains("too large"), !fits, "{place}: {size}");
            let told = posted(transport.post_message(url, ping(), None, None, HashMap::new()).await).await;
            assert_eq!(told.contains("too large"), !fits, "{place}: {size}");

            let origin = RawOrigin::always(Script::new().expect_request().send(json(size)).close()).await;
            let url: Arc<str> = origin.url("/mcp").into();
            let told = posted(transport.post_message(url, ping(), None, None, HashMap::new()).await).await;
            let expected = if fits { "Json(" } else { "ResponseBodyTooLarge { max_size: 16777216 }" };
            assert!(told.starts_with(expected), "{place}: {size}: {told}");
        }
    }
}

/// Proves that JSON bodies are bounded and errors' bodies cut as by rmcp's own client, announced length or not.
#[tokio::test]
async fn bodies_are_bounded_as_by_rmcps_own_client() {
    let places = Places::start().await;
    let reference = reference();
    let pong = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let error = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":1,"message":"{}"}}}}"#, "m".repeat(40));
    let unannounced = |response: String| {
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let head = head.rsplit_once("content-length").unwrap().0;
        format!("{head}connection: close\r\n\r\n{body}")
    };
    for (response, expected) in [
        (response(200, JSON, &format!("{pong:<64}")), "Json("),
        (response(200, JSON, &format!("{pong:<65}")), "ResponseBodyTooLarge { max_size: 64 }"),
        (response(400, JSON, &error), "ResponseBodyTooLarge { max_size: 64 }"),
        (response(500, JSON, &error), "HttpStatus("),
        (
            response(400, JSON, "{\"not\": \"an error of JSON-RPC\"}"),
            "UnexpectedServerResponse(\"HTTP 400 Bad Request: {\\\"not\\\": \\\"an erro\")",
        ),
        (
            response(400, "", "sixteen letters and more"),
            "UnexpectedServerResponse(\"HTTP 400 Bad Request: sixteen letters \")",
        ),
        (
            response(401, JSON, &error),
            "UnexpectedServerResponse(\"HTTP 401 Unauthorized: {\\\"jsonrpc\\\":\\\"2.0\\\"\")",
        ),
        (response(400, "", "15 and a half: €"), "UnexpectedServerResponse("),
    ] {
        for response in [unannounced(response.clone()), response] {
            let origin =
                RawOrigin::always(Script::new().expect_request().send(response.clone()).close()).await;
            let url = origin.url("/mcp");
            let theirs = post(&reference, &url, small()).await;
            assert!(theirs.starts_with(expected), "{response:?}: {theirs}");
            for (place, transport) in places.each() {
                assert_eq!(post(transport, &url, small()).await, theirs, "{place}: {response:?}");
            }
        }
    }
}

/// Proves that of an error's body without end no more than 64 KiB is read, and the origin let go.
#[tokio::test]
async fn an_errors_body_without_end_is_cut() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
        let origin = RawOrigin::always(Script::new().expect_request().send(head).flood("no end ")).await;
        let told = post(transport, &origin.url("/mcp"), StreamableHttpResponseLimits::default()).await;
        assert_eq!(
            told.len(),
            "UnexpectedServerResponse(\"HTTP 400 Bad Request: \")".len() + 64 * 1024,
            "{place}"
        );
        origin.connection(0).await.wait_closed().await;
    }
}

/// Proves that a stream which an event too large has ended stays ended: rmcp's request for the rest of it, which would
/// bring the same event again and again, is refused here, and the next stream is none the worse for it.
#[tokio::test]
async fn a_stream_ended_by_an_event_too_large_is_not_asked_for_again() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let events = format!("{SSE_HEAD}id: 4\ndata: ok\n\ndata: {}\n\n", "x".repeat(100));
        let origin = RawOrigin::always(Script::new().expect_request().send(events).close()).await;
        let url: Arc<str> = origin.url("/mcp").into();
        let get = async |last: Option<&str>| {
            let (session, last) = (Some("s".into()), last.map(str::to_owned));
            let got = transport.get_stream_with_max_sse_event_size(
                url.clone(),
                session,
                last,
                None,
                HashMap::new(),
                64,
            );
            match got.await {
                Ok(events) => read(events).await,
                Err(error) => failure(&error),
            }
        };
        assert!(get(None).await.ends_with("\"too large\"]"), "{place}");
        assert_eq!(get(Some("4")).await, "ServerDoesNotSupportSse", "{place}");
        assert_eq!(origin.accepted(), 1, "{place}: nothing was asked");
        assert!(get(Some("4")).await.ends_with("\"too large\"]"), "{place}");
        assert_eq!(origin.accepted(), 2, "{place}");
    }
}
