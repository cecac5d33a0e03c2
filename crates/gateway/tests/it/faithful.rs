//! What passes is what was sent.

use crate::support::{PLACES, Setup};
use afield_testkit::{Origin, RawOrigin, Script};

/// Proves that method, target and every field pass byte for byte: odd methods, escapes, repeats, empty values, bytes that are
/// not UTF-8; and that nothing is added but what every request has.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_origin_as_it_was_sent() {
    for place in PLACES {
        let origin =
            RawOrigin::always(Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
        let gateway = Setup::at(place).route("r", origin.url("/mcp")).start().await;
        let mut caller = gateway.caller().await;
        let mut request =
            b"pRoP-find /r/a//b%2F%c3%A9;x=1/?q=%20&&q=a+b&empty= HTTP/1.1\r\nHost: localhost\r\n".to_vec();
        request.extend_from_slice(
            b"X-Bytes: \xe9\xff\r\nx-repeat: 1\r\nAccept: b/c\r\nx-repeat: 2\r\nx-empty:\r\n",
        );
        request.extend_from_slice(
            b"Authorization: Bearer t\r\nCookie: a=b\r\nCookie: c\r\nMcp-Session-Id: s\r\n",
        );
        request.extend_from_slice(b"Via: 1.0 me\r\nForwarded: for=me\r\nOrigin: http://localhost:1\r\n\r\n");
        caller.send(&request).await;
        assert_eq!(caller.answer().await.status(), 200);
        let got = origin.connection(0).await.wait_text("\r\n\r\n").await;
        let lines: Vec<_> = got.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end()).collect();
        assert_eq!(lines[0], b"pRoP-find /mcp/a//b%2F%c3%A9;x=1/?q=%20&&q=a+b&empty= HTTP/1.1", "{place:?}");
        let mut fields: Vec<_> = lines[1..].iter().filter(|line| !line.is_empty()).copied().collect();
        // Only the order among fields of one name means something.
        fields.sort_by_key(|line| line.split(|byte| *byte == b':').next());
        let host = format!("host: {}", origin.address());
        let expected: [&[u8]; 13] = [
            b"accept: b/c",
            b"authorization: Bearer t",
            b"cookie: a=b",
            b"cookie: c",
            b"forwarded: for=me",
            host.as_bytes(),
            b"mcp-session-id: s",
            b"origin: http://localhost:1",
            b"via: 1.0 me",
            b"x-bytes: \xe9\xff",
            b"x-empty:",
            b"x-repeat: 1",
            b"x-repeat: 2",
        ];
        assert_eq!(fields, expected, "{place:?}: {}", got.escape_ascii());
    }
}

/// Proves that status, fields and body come back byte for byte: a status without a name, repeats in their order, a challenge, a
/// coding that is not undone, bytes that are not UTF-8; and that nothing is added, not even a date.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_reaches_the_caller_as_it_was_sent() {
    let mut answer =
        b"HTTP/1.1 299 Very Own\r\nWWW-Authenticate: Bearer resource_metadata=\"http://h/\"\r\n".to_vec();
    answer.extend_from_slice(
        b"Set-Cookie: a\r\nx-bytes: \xe9\xff\r\nContent-Encoding: gzip\r\nSet-Cookie: b\r\n",
    );
    answer.extend_from_slice(
        b"Via: 1.1 origin\r\nLocation: http://127.0.0.9:1/\r\nContent-Length: 4\r\n\r\n\0\xff\r\n",
    );
    for place in PLACES {
        let origin = RawOrigin::always(Script::answering(answer.clone())).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let mut caller = gateway.caller().await;
        caller.send("GET /r HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        let (got, _) = caller.rest().await;
        let expected: [&[u8]; 3] = [
            b"HTTP/1.1 299 Very Own\r\nwww-authenticate: Bearer resource_metadata=\"http://h/\"\r\nset-cookie: a\r\n",
            b"set-cookie: b\r\nx-bytes: \xe9\xff\r\ncontent-encoding: gzip\r\nvia: 1.1 origin\r\n",
            b"location: http://127.0.0.9:1/\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\0\xff\r\n",
        ];
        assert_eq!(got.escape_ascii().to_string(), expected.concat().escape_ascii().to_string(), "{place:?}");
    }
}

/// Proves that what concerns one connection stays behind, both ways, and with it what `Connection` names.
#[tokio::test(flavor = "multi_thread")]
async fn case_115_hop_by_hop_fields_stay_behind_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Authenticate: Basic\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n";
    for place in PLACES {
        let origin = RawOrigin::always(Script::answering(answer)).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let got = gateway
            .ask(
                "GET /r HTTP/1.1\r\nhost: localhost\r\nConnection: x-secret,  Upgrade\r\nx-secret: 1\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAA\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\n\
                 Proxy-Authorization: Basic eDp5\r\nAfield-Gateway-Token: t\r\nKeep-Alive: 1\r\nx-end: 1\r\n\r\n",
            )
            .await;
        let fields: Vec<_> = got.head.lines().skip(1).collect();
        assert_eq!(fields, ["x-end: 1", "content-length: 0"], "{place:?}");
        let sent = origin.connection(0).await.wait_text("\r\n\r\n").await;
        let sent = String::from_utf8_lossy(&sent);
        let mut names: Vec<_> = sent.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["", "connection", "host", "te", "x-end"], "{place:?}: {sent}");
        assert!(sent.contains("te: trailers\r\n"), "it is of our own connection: {sent}");
    }
}

/// Proves that redirects are the caller's to follow.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).route("r", origin.url("/redirect?to=/echo&code=307")).start().await;
        let got = gateway.get("/r").await;
        assert_eq!((got.status(), got.values("location")), (307, vec!["/echo"]), "{place:?}");
        assert_eq!(origin.received(), 1, "{place:?}");
    }
}

/// Proves that answers without a body keep the length that stands for it, and leave the connection in order.
#[tokio::test(flavor = "multi_thread")]
async fn bodiless_answers_keep_their_length_and_the_connection() {
    for place in PLACES {
        let script = Script::new()
            .expect_head()
            .send("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")
            .expect_head()
            .send("HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\netag: x\r\n\r\n")
            .expect_head()
            .send("HTTP/1.1 204 No Content\r\n\r\n")
            .expect_head()
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .expect_head()
            .send("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        let origin = RawOrigin::always(script).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let mut caller = gateway.caller().await;
        for (method, head) in [
            ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234"),
            ("GET", "HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 77"),
            ("GET", "HTTP/1.1 204 No Content"),
            ("HEAD", "HTTP/1.1 200 OK"),
            ("POST", "HTTP/1.1 202 Accepted\r\ncontent-length: 0"),
        ] {
            caller.send(format!("{method} /r HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
            assert_eq!(caller.head().await, head, "{place:?}");
        }
        // All over one connection: none was given up for an answer that has no body.
        assert_eq!(origin.accepted(), 1, "{place:?}");
    }
}
