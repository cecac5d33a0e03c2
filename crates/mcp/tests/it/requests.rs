//! What a server sees of the transport.

use crate::support::{Places, failure, ping, reference, response};
use afield_exchange::Header;
use afield_mcp::ReservedHeader;
use afield_testkit::{RawOrigin, Script};
use http::{HeaderName, HeaderValue};
use rmcp::transport::streamable_http_client::{StreamableHttpClient, StreamableHttpError};
use std::collections::HashMap;

fn fields(fields: &[(&'static str, &[u8])]) -> HashMap<HeaderName, HeaderValue> {
    let field = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    fields.iter().map(field).collect()
}

/// The request line, the fields in the order of their names, the body; the address of the origin left out.
fn sorted(request: &[u8]) -> Vec<String> {
    let text = request.escape_ascii().to_string();
    let mut lines: Vec<String> = text.split("\\r\\n").map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("host: "));
    lines.sort_unstable();
    lines
}

/// Makes one call of each kind and says what the origin saw of each.
async fn seen<C: StreamableHttpClient>(
    client: &C,
    custom: &HashMap<HeaderName, HeaderValue>,
) -> Vec<Vec<String>> {
    let script = Script::new().expect_request().send(response(405, "", "")).close();
    let origin = RawOrigin::always(script).await;
    let url = || origin.url("/mcp?tenant=1").into();
    let token = || Some("canary-token".to_owned());
    let session = || Some("session-1".into());
    let _ = client.post_message(url(), ping(), None, None, HashMap::new()).await;
    let _ = client.post_message(url(), ping(), session(), token(), custom.clone()).await;
    let _ = client.get_stream(url(), None, None, None, HashMap::new()).await;
    let _ = client.get_stream(url(), session(), Some("event 4".to_owned()), token(), custom.clone()).await;
    let _ = client.delete_session(url(), "session-1".into(), token(), custom.clone()).await;
    let mut seen = Vec::new();
    for index in 0..5 {
        seen.push(sorted(&origin.connection(index).await.received()));
    }
    seen
}

/// Proves that a server sees the very same requests as from rmcp's own client, byte for byte: session, token, last event,
/// the caller's fields with bytes that are no text, the caller's own content type.
#[tokio::test]
async fn a_server_sees_the_requests_of_rmcps_own_client() {
    let places = Places::start().await;
    let custom = fields(&[
        ("mcp-protocol-version", b"2026-07-28"),
        ("mcp-method", b"ping"),
        ("x-bytes", b"caf\xe9 \xff"),
        ("x-empty", b""),
        ("content-type", b"application/json; charset=utf-8"),
    ]);
    let mut theirs = seen(&reference(), &custom).await;
    // reqwest adds this where nothing is accepted by name, as to a session that ends.
    theirs.iter_mut().for_each(|lines| lines.retain(|line| line != "accept: */*"));
    assert!(theirs[1].iter().any(|line| line == "x-bytes: caf\\xe9 \\xff"), "{theirs:?}");
    for (place, transport) in places.each() {
        assert_eq!(seen(transport, &custom).await, theirs, "{place}");
    }
}

/// Proves that fields which are the transport's own are refused by name, in every call, before anything is sent.
#[tokio::test]
async fn reserved_fields_are_refused_before_anything_is_sent() {
    let places = Places::start().await;
    let origin = RawOrigin::always(Script::new()).await;
    let url = || origin.url("/mcp").into();
    for name in ["accept", "mcp-session-id", "last-event-id"] {
        let custom = || fields(&[(name, b"x")]);
        let expected = format!("ReservedHeaderConflict({name:?})");
        let theirs = reference().post_message(url(), ping(), None, None, custom()).await;
        assert_eq!(failure(&theirs.unwrap_err()), expected);
        for (place, transport) in places.each() {
            let refused: [StreamableHttpError<_>; 3] = [
                transport.post_message(url(), ping(), None, None, custom()).await.unwrap_err(),
                transport.get_stream(url(), None, None, None, custom()).await.err().unwrap(),
                transport.delete_session(url(), "s".into(), None, custom()).await.unwrap_err(),
            ];
            assert!(refused.iter().all(|error| failure(error) == expected), "{place}: {refused:?}");
            let given = transport.clone().with_headers(vec![Header::new(name, "x")]);
            assert_eq!(given.unwrap_err(), ReservedHeader(name.to_owned()), "{place}");
        }
    }
    assert_eq!(origin.accepted(), 0);
}

/// Proves that a transport's own fields go with every request, in place of any of the same name that rmcp would send.
#[tokio::test]
async fn a_transports_own_fields_take_the_place_of_others() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let own = vec![Header::new("Authorization", "Bearer over-there"), Header::new("x-own", "\u{e9}")];
        let transport = transport.clone().with_headers(own).unwrap();
        for request in seen(&transport, &fields(&[("x-own", b"here"), ("x-other", b"here")])).await {
            let named = |name: &str| {
                request.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>()
            };
            assert_eq!(named("authorization"), ["authorization: Bearer over-there"], "{place}");
            assert_eq!(named("x-own"), ["x-own: \\xc3\\xa9"], "{place}");
        }
    }
}

/// Proves that neither a transport nor its errors show a secret.
#[tokio::test]
async fn nothing_prints_a_secret() {
    let places = Places::start().await;
    for (place, transport) in places.each() {
        let transport = transport.clone().with_headers(vec![Header::new("x-key", "canary")]).unwrap();
        let url = "http://user:canary@127.0.0.1:1/mcp?key=canary".into();
        let error =
            transport.post_message(url, ping(), None, Some("canary".to_owned()), HashMap::new()).await;
        let printed = format!("{transport:?} {error:?} {}", error.as_ref().unwrap_err());
        assert!(!printed.contains("canary"), "{place}: {printed}");
    }
}
