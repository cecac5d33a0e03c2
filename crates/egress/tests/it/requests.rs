//! Section D: methods and header fields, and how bodies are framed, byte for byte.

use crate::support::{World, names_sent, sent, streamed};
use afield_egress::{HeaderVariables, VariableError};
use afield_exchange::{Blame, Error, Header, Kind, Phase, Request, RequestBody, Retry, detail};
use afield_testkit::Origin;
use afield_testkit::raw::{RawOrigin, Script};
use bytes::Bytes;
use std::sync::Arc;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a request looks like on the wire.
async fn wire(request: impl FnOnce(String) -> Request) -> String {
    let origin = RawOrigin::always(Script::answering(OK)).await;
    World::new().call(request(origin.url("/path"))).await.unwrap();
    String::from_utf8(origin.connection(0).await.received().to_vec()).unwrap()
}

/// The error of a request that must be refused before any network.
async fn refused(request: Request) -> Error {
    let world = World::new().sealed();
    let shown = format!("{request:?}");
    let error = world.call(request).await.err().unwrap_or_else(|| panic!("{shown} was performed"));
    assert_eq!((world.dials(), world.names.total_calls()), (0, 0), "{shown}");
    assert_eq!((error.blame(), error.retry()), (Blame::Caller, Retry::No), "{shown}");
    error
}

fn get() -> Request {
    Request::get("http://name.test/")
}

/// Proves that a name which is not a token, or a value with control characters, is refused by name, and nothing is sent.
#[tokio::test]
async fn case_044_malformed_fields_are_refused() {
    for name in ["", " ", "a b", "a:", ":authority", "a\r\n", "a\0", "a\u{7f}", "é", "x-\n", "name "] {
        let error = refused(get().header(name.to_owned(), "v")).await;
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::InvalidRequest, Some(detail::HEADER_NAME)),
            "{name:?}"
        );
        assert!(!error.message().contains(['\r', '\n', '\0']), "{:?}", error.message());
    }
    for value in ["a\r\nb: c", "a\rb", "a\nb", "\0", "\u{7f}", "canary\u{1}"] {
        let error = refused(get().header("X-Name", value)).await;
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::InvalidRequest, Some(detail::HEADER_VALUE)),
            "{value:?}"
        );
        assert!(
            error.message().starts_with("x-name: ") && !error.message().contains("canary"),
            "{}",
            error.message()
        );
        let dropped = refused(get().header("Connection", value)).await;
        assert_eq!(dropped.detail(), Some(detail::HEADER_VALUE), "also where the field would be dropped");
    }
}

/// Proves that the caller's `Content-Length` never goes out, so that two calls over one connection stay two calls (trap 2).
#[tokio::test]
async fn case_045_content_length_is_ours() {
    let origin = RawOrigin::always(Script::answering(OK)).await;
    let world = World::new();
    let lengths: [&[&str]; 7] = [&["7"], &["3"], &["999"], &["7", "7"], &["7", "8"], &["+5"], &["abc"]];
    let mut expected = String::new();
    for lengths in lengths {
        for (method, body) in [("GET", ""), ("POST", "content")] {
            let mut request = Request::new(method, origin.url("/path"));
            for length in lengths {
                request = request.header("Content-Length", *length);
            }
            if !body.is_empty() {
                request.body = RequestBody::Bytes(body.into());
            }
            assert_eq!(world.call(request).await.unwrap().head.status, 200);
            let length =
                if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let host = origin.address();
            expected += &format!("{method} /path HTTP/1.1\r\n{length}host: {host}\r\n\r\n{body}");
        }
    }
    assert_eq!(origin.accepted(), 1, "every call went over one connection");
    let received = origin.connection(0).await.received();
    assert_eq!(std::str::from_utf8(&received).unwrap(), expected);
}

/// Proves that `Transfer-Encoding` is refused, whatever it says (trap 4).
#[tokio::test]
async fn case_046_transfer_encoding_is_refused() {
    for value in ["chunked", "gzip, chunked", "identity", "xchunked", ""] {
        let error = refused(get().header("Transfer-Encoding", value)).await;
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::InvalidRequest, Some(detail::HEADER_NAME)),
            "{value:?}"
        );
        assert!(error.message().contains("transfer-encoding"), "{}", error.message());
    }
}

/// Proves that hop-by-hop fields, those that `Connection` names, `Proxy-*` and `Expect` are dropped (trap 4).
#[tokio::test]
async fn case_047_hop_by_hop_fields_are_dropped() {
    let text = wire(|url| {
        let dropped = [
            ("Connection", "close, X-Listed ,x-other"),
            ("Connection", "Upgrade"),
            ("X-Listed", "1"),
            ("x-OTHER", "1"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Trailer", "x"),
            ("Upgrade", "websocket"),
            ("HTTP2-Settings", "AAMAAABk"),
            ("Proxy-Authorization", "Basic x"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Anything", "x"),
            ("Expect", "100-continue"),
        ];
        let request = Request::get(url).header("X-Kept", "1").header("Accept", "text/html");
        dropped.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    })
    .await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["GET /path HTTP/1.1", "x-kept: 1", "accept: text/html"]);
    // `TE: trailers` is kept, named by a `Connection` of our own.
    assert_eq!(lines[3], "te: trailers");
    assert!(lines[4].starts_with("host: 127.0.0.1:"));
    assert_eq!(lines[5..], ["connection: te", ""]);
}

/// Proves that a field cannot talk `Host` away, and that a list of names in `Connection` may be nonsense.
#[tokio::test]
async fn case_047_connection_cannot_name_host() {
    let text =
        wire(|url| Request::get(url).header("Host", "own.test").header("Connection", "host, ,@,,")).await;
    assert!(text.contains("\r\nhost: own.test\r\n"), "{text}");
}

/// Proves that one `Host` is honoured, and that two, or one that is no host, are refused (trap 4).
#[tokio::test]
async fn case_048_one_host_is_honoured() {
    for host in ["other.test", "other.test:81", "[::1]:8", "127.0.0.1"] {
        let text = wire(|url| Request::get(url).header("HoSt", host)).await;
        assert_eq!(text.matches("host:").count(), 1, "{text}");
        assert!(text.contains(&format!("\r\nhost: {host}\r\n")), "{text}");
    }
    let two = refused(get().header("Host", "a.test").header("host", "a.test")).await;
    assert_eq!((two.kind(), two.detail()), (Kind::InvalidRequest, Some(detail::HEADER_VALUE)));
    for host in ["", " ", "a b", "user@host", "http://host/", "host/", "host:99999999"] {
        let error = refused(get().header("Host", host)).await;
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::InvalidRequest, Some(detail::HEADER_VALUE)),
            "{host:?}"
        );
    }
}

/// Proves that methods are sent as written, and that `CONNECT`, `TRACE` and what is no token are refused (trap 4).
#[tokio::test]
async fn case_049_methods_are_sent_as_written() {
    for method in ["get", "Get", "DELETE", "PROPFIND", "M-SEARCH", "a!#$%&'*+-.^_`|~9", &"X".repeat(1024)] {
        let text = wire(|url| Request::new(method, url)).await;
        assert!(text.starts_with(&format!("{method} /path HTTP/1.1\r\n")), "{text}");
    }
    for method in ["CONNECT", "connect", "TRACE", "Trace", "", "G ET", "GET\r\n", "G:T", "É", "GET/"] {
        let error = refused(Request::new(method, "http://name.test/")).await;
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::InvalidRequest, Some(detail::METHOD)),
            "{method:?}"
        );
    }
}

/// Proves that header limits hold, at the limit and one past it, before anything is dialled.
#[tokio::test]
async fn case_050_header_limits_hold() {
    let origin = Origin::start().await;
    let world = World::new();
    let many = |count: usize| {
        (0..count)
            .fold(Request::get(origin.url("/echo")), |request, at| request.header(format!("x-{at}"), "v"))
    };
    let long = |length: usize| Request::get(origin.url("/echo")).header("x", "v".repeat(length));
    // Four names of one byte and their values, 256 KiB together.
    let all = |extra: usize| {
        let each = 64 * 1024 - 1;
        ["a", "b", "c", "d"].iter().fold(Request::get(origin.url("/status/200")), |request, name| {
            request.header(*name, "v".repeat(if *name == "d" { each + extra } else { each }))
        })
    };
    assert_eq!(world.call(many(100)).await.unwrap().head.status, 200);
    assert_eq!(world.call(long(64 * 1024)).await.unwrap().head.status, 200);
    assert_eq!(world.call(all(0)).await.unwrap().head.status, 200);
    let world = world.sealed();
    let dials = world.dials();
    for request in [many(101), long(64 * 1024 + 1), all(1)] {
        let error = world.call(request).await.unwrap_err();
        assert_eq!((error.kind(), error.detail()), (Kind::TooLarge, Some(detail::HEADERS)));
        assert_eq!((error.blame(), error.retry()), (Blame::Caller, Retry::No));
    }
    assert_eq!(world.dials(), dials);
}

/// Proves that values are bytes: those that are no text arrive as they are, trimmed of spaces and tabs at both ends, in
/// order, repeats kept (trap 11).
#[tokio::test]
async fn case_051_values_are_bytes() {
    let origin = Origin::start().await;
    let high: Vec<u8> = (0x80..=0xff).collect();
    let request = Request::get(origin.url("/echo"))
        .header("X-High", high.clone())
        .header("X-Trim", " \t a \t b\t ")
        .header("X-Empty", " \t")
        .header("X-Twice", "one")
        .header("X-Between", "")
        .header("x-twice", "two");
    World::new().call(request).await.unwrap();
    let seen = origin.request(0).await;
    assert_eq!(seen.values("x-high"), [&high[..]]);
    assert_eq!(seen.values("x-trim"), [b"a \t b"]);
    assert_eq!(seen.values("x-empty"), [b""]);
    assert_eq!(seen.values("x-twice"), [b"one", b"two"]);
    assert!(seen.raw_head().windows(14).any(|window| window == b"x-trim: a \t b\r"), "trimmed on the wire");
}

/// Proves how every kind of body is framed, for methods that expect one and methods that do not.
#[tokio::test]
async fn case_052_bodies_are_framed_by_what_they_are() {
    let framed = async |method: &str, body: RequestBody| {
        // Answers only once the empty line after the body's last byte can have come; what it got is compared whole.
        let origin = RawOrigin::always(Script::new().expect_end().hang()).await;
        let world = World::new();
        let call = world.egress.send(Request::new(method, origin.url("/")).body(body));
        let received = tokio::select! {
            answer = call => panic!("answered: {answer:?}"),
            received = whole_request(&origin) => received,
        };
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        let is_framing =
            |line: &&str| line.starts_with("content-length") || line.starts_with("transfer-encoding");
        (head.lines().filter(is_framing).collect::<Vec<_>>().join("|"), body.to_owned())
    };
    let both = |framing: &str, body: &str| (framing.to_owned(), body.to_owned());
    for method in ["GET", "DELETE", "OPTIONS"] {
        assert_eq!(framed(method, RequestBody::Empty).await, both("", ""), "{method}");
        assert_eq!(framed(method, RequestBody::Bytes(Bytes::new())).await, both("", ""), "{method}");
    }
    for method in ["POST", "PUT", "PATCH"] {
        assert_eq!(framed(method, RequestBody::Empty).await, both("content-length: 0", ""), "{method}");
    }
    for method in ["GET", "POST", "DELETE", "QUERY"] {
        let whole = RequestBody::Bytes("content".into());
        assert_eq!(framed(method, whole).await, both("content-length: 7", "content"), "{method}");
        let known = streamed(Some(7), ["con", "", "tent"]);
        assert_eq!(framed(method, known).await, both("content-length: 7", "content"), "{method}");
        let unknown = streamed(None, ["con", "", "tent"]);
        let chunks = "3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n";
        assert_eq!(framed(method, unknown).await, both("transfer-encoding: chunked", chunks), "{method}");
        let nothing = streamed(None, []);
        assert_eq!(
            framed(method, nothing).await,
            both("transfer-encoding: chunked", "0\r\n\r\n"),
            "{method}"
        );
    }
    assert_eq!(framed("GET", streamed(Some(0), [""])).await, both("", ""));
    assert_eq!(framed("POST", streamed(Some(0), [])).await, both("content-length: 0", ""));
}

/// The first request as it stands on the wire, waited for until it is complete by its own framing.
async fn whole_request(origin: &RawOrigin) -> String {
    let connection = origin.connection(0).await;
    let head = connection.wait_text("\r\n\r\n").await;
    let text = String::from_utf8(head.to_vec()).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let all = match length {
        Some(length) => connection.wait_received(text.len() + length.parse::<usize>().unwrap()).await,
        None if text.contains("chunked") => connection.wait_text("0\r\n\r\n").await,
        None => head,
    };
    String::from_utf8(all.to_vec()).unwrap()
}

/// Proves that a body which is longer or shorter than announced, or which fails, is never passed off as complete: the
/// connection is closed before its last bytes.
#[tokio::test]
async fn an_upload_that_breaks_its_word_is_never_completed() {
    let bodies = [
        (streamed(Some(5), ["12", "3"]), Kind::InvalidRequest, "shorter"),
        (streamed(Some(5), ["12", "3456"]), Kind::InvalidRequest, "longer"),
        (streamed(Some(5), ["12", "345", "6"]), Kind::InvalidRequest, "longer"),
        (streamed(Some(0), ["1"]), Kind::InvalidRequest, "longer"),
        (failing(Some(5)), Kind::Cancelled, "the reason"),
        (failing(None), Kind::Cancelled, "the reason"),
    ];
    for (body, kind, why) in bodies {
        let origin = RawOrigin::always(Script::new().expect_request().send(OK).hang()).await;
        let shown = format!("{body:?} {why}");
        let error = World::new().call(Request::new("POST", origin.url("/")).body(body)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.blame(), error.phase()),
            (kind, Blame::Caller, Some(Phase::Request)),
            "{shown}"
        );
        assert!(error.message().contains(why), "{shown}: {}", error.message());
        if origin.accepted() > 0 {
            let connection = origin.connection(0).await;
            connection.wait_closed().await;
            let text = String::from_utf8(connection.received().to_vec()).unwrap();
            assert!(!text.ends_with("0\r\n\r\n") && !text.ends_with("345"), "{shown}: {text}");
        }
    }
}

fn failing(length: Option<u64>) -> RequestBody {
    let pieces = [Ok(Bytes::from_static(b"12")), Err("the reason".into())];
    RequestBody::Stream { length, stream: Box::pin(futures_util::stream::iter(pieces)) }
}

struct Variables;

impl HeaderVariables for Variables {
    fn lookup(&self, name: &str, host: &str) -> Result<Bytes, VariableError> {
        match (name, host) {
            ("TOKEN", "127.0.0.1") => Ok(Bytes::from_static(b"canary")),
            ("BROKEN", _) => Ok(Bytes::from_static(b"canary\n")),
            ("UNSET", _) => Err(VariableError::Absent),
            _ => Err(VariableError::Refused),
        }
    }
}

fn with_variable(mut request: Request, name: &str, value: &'static str, variable: &str) -> Request {
    let env_var = Some(variable.to_owned());
    request.headers.push(Header { env_var, ..Header::new(name, value) });
    request
}

/// Proves that a variable completes a value on the first hop only, for the hosts the operator allows, and that neither it
/// nor what it makes of the value shows in an error.
#[tokio::test]
async fn case_054_variables_stay_on_the_first_hop() {
    let origin = Origin::start().await;
    let world = World::with(|config| config.variables = Arc::new(Variables));
    let request = Request::get(origin.url("/redirect?to=/echo")).header("x-plain", "kept");
    world.call(with_variable(request, "Authorization", "Bearer ", "TOKEN")).await.unwrap();
    assert_eq!(sent(&origin.request(0).await, "authorization").unwrap(), "Bearer canary");
    let second = origin.request(1).await;
    assert_eq!(names_sent(&second), ["x-plain", "host"]);

    let world = world.sealed();
    for (variable, detail) in [
        ("UNSET", detail::HEADER_VARIABLE_ABSENT),
        ("HOME", detail::HEADER_VARIABLE_REFUSED),
        ("BROKEN", detail::HEADER_VALUE),
    ] {
        let error = world.call(with_variable(get(), "X-Key", "", variable)).await.unwrap_err();
        assert_eq!((error.kind(), error.detail()), (Kind::InvalidRequest, Some(detail)), "{variable}");
        assert!(!format!("{error:?}").contains("canary"));
        if detail != detail::HEADER_VALUE {
            assert_eq!(error.message(), format!("X-Key {variable}"));
        }
    }
    let other = world.call(with_variable(get(), "X-Key", "", "TOKEN")).await.unwrap_err();
    assert_eq!(other.detail(), Some(detail::HEADER_VARIABLE_REFUSED), "another host");
    let none = World::new().sealed().call(with_variable(get(), "X-Key", "", "PATH")).await.unwrap_err();
    assert_eq!(
        none.detail(),
        Some(detail::HEADER_VARIABLE_REFUSED),
        "none is allowed unless the operator says so"
    );
}

/// Proves that a deadline of zero is past before anything is sent, after the request itself was found sound.
#[tokio::test]
async fn a_deadline_of_zero_is_already_past() {
    let world = World::new().sealed();
    let zero = |url: &str| {
        let mut request = Request::get(url);
        request.timeout = Some(std::time::Duration::ZERO);
        request
    };
    let error = world.call(zero("http://127.0.0.1/")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.detail(), error.retry()),
        (Kind::Timeout, Some(detail::TOTAL), Retry::Safe)
    );
    assert_eq!(world.call(zero("nonsense")).await.unwrap_err().kind(), Kind::InvalidRequest);
    assert_eq!(world.dials(), 0);
}
