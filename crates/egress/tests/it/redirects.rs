//! Section C: which redirects are followed, and what travels with them.

use crate::support::{World, names_sent, public_only, sent, streamed, two_origins};
use afield_egress::CaPolicy;
use afield_exchange::{Blame, Kind, Phase, RedirectPolicy, Request, RequestBody, Retry, detail};
use afield_testkit::Origin;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::tls::Ca;
use std::time::Duration;

/// A raw origin at a public place that answers everything with a 302 carrying these header lines.
async fn redirecting(lines: impl AsRef<[u8]>) -> RawOrigin {
    let mut answer = b"HTTP/1.1 302 Found\r\ncontent-length: 4\r\n".to_vec();
    answer.extend_from_slice(lines.as_ref());
    answer.extend_from_slice(b"\r\nbody");
    RawOrigin::builder().ip([127, 1, 0, 9]).otherwise(Script::answering(answer)).start().await.unwrap()
}

/// Proves that a redirect to a denied place is denied at its hop, and that nobody is contacted there (trap 1).
#[tokio::test]
async fn case_036_redirects_to_denied_places_are_denied() {
    let (world, origin, _) = two_origins().await;
    let internal = Origin::on("127.66.0.1").await;
    world.names.host("internal.test", ["127.66.0.1"]);
    let port = internal.port();
    for to in [
        internal.url("/secret"),
        internal.url_as("internal.test", "/secret"),
        format!("//127.66.0.1:{port}/"),
        format!("http://[::ffff:127.66.0.1]:{port}/"),
        format!("http://2134048769:{port}/"),
    ] {
        let error = world.refused(origin.url(&format!("/redirect?to={to}"))).await;
        assert_eq!((error.kind(), error.hop()), (Kind::PolicyDenied, Some(1)), "{to}");
        assert!(
            !error.message().contains("127.66") && !error.message().contains("internal"),
            "{}",
            error.message()
        );
    }
    assert_eq!(internal.accepted(), 0);
}

/// Proves that a redirect to another scheme is not followed: the 3xx is the answer.
#[tokio::test]
async fn case_036_redirects_to_other_schemes_are_the_answer() {
    let (world, origin, _) = two_origins().await;
    for to in ["file:///etc/passwd", "gopher://127.1.0.1/", "ftp://127.1.0.1/", "data:,x", "mailto:a@b"] {
        let answer = world.get(origin.url(&format!("/redirect?to={to}"))).await.unwrap();
        assert_eq!((answer.head.status, &answer.body[..]), (302, &b"elsewhere"[..]), "{to}");
    }
}

/// Proves that across origins only header fields survive that cannot hold a credential, that `Host` is the new origin's and
/// no `Referer` is added (trap 3).
#[tokio::test]
async fn case_037_credentials_stay_with_their_origin() {
    let (world, first, second) = two_origins().await;
    let secrets = [
        "authorization",
        "cookie",
        "x-api-key",
        "mcp-session-id",
        "host",
        "referer",
        "origin",
        "proxy-authorization",
        "x-anything",
        "last-event-id",
        "if-none-match",
    ];
    let harmless = [
        "accept",
        "accept-language",
        "content-type",
        "content-language",
        "user-agent",
        "mcp-protocol-version",
    ];
    let mut request =
        Request::new("POST", first.url(&format!("/redirect?code=307&to={}", second.url("/echo"))))
            .body(RequestBody::Bytes("content".into()));
    for name in secrets.iter().chain(&harmless) {
        request = request.header(*name, "127.1.0.1");
    }
    world.call(request).await.unwrap();
    let before = first.request(0).await;
    assert_eq!(sent(&before, "x-api-key").unwrap(), "127.1.0.1");
    assert_eq!(sent(&before, "host").unwrap(), "127.1.0.1");
    let after = second.request(0).await;
    let mut names = names_sent(&after);
    names.sort_unstable();
    let mut expected = [&harmless[..], &["content-length", "host"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(sent(&after, "host").unwrap(), second.address().to_string());
    assert_eq!(after.wait_body().await.0, 7);
}

/// Proves that a caller's userinfo is a credential like any other, and that one in a `Location` is ignored.
#[tokio::test]
async fn case_037_userinfo_does_not_follow_across_origins() {
    let (world, first, second) = two_origins().await;
    let with_user = |path: &str| format!("http://user:pass@127.1.0.1:{}{path}", first.port());
    world.get(with_user(&format!("/redirect?to={}", second.url("/echo")))).await.unwrap();
    assert_eq!(sent(&second.request(0).await, "authorization"), None);
    world.get(with_user("/redirect?to=/echo")).await.unwrap();
    assert!(sent(&first.request(2).await, "authorization").is_some(), "the same origin");
    let to = format!("http://evil:creds@127.1.0.2:{}/echo", second.port());
    world.get(first.url(&format!("/redirect?to={to}"))).await.unwrap();
    assert_eq!(sent(&second.request(1).await, "authorization"), None);
}

/// Proves that within one origin everything but `Host` travels on, and that what another origin cost is not given back.
#[tokio::test]
async fn case_037_within_one_origin_fields_travel_on() {
    let (world, first, second) = two_origins().await;
    let ask =
        |path: String| Request::get(first.url(&path)).header("x-api-key", "k").header("host", "other.test");
    world.call(ask("/redirect?to=/echo".into())).await.unwrap();
    let same = first.request(1).await;
    assert_eq!(sent(&same, "x-api-key").unwrap(), "k");
    assert_eq!(sent(&same, "host").unwrap(), first.address().to_string());
    let back = second.url(&format!("/redirect?to={}", first.url("/echo")));
    world.call(ask(format!("/redirect?to={back}"))).await.unwrap();
    let again = first.request(3).await;
    assert_eq!((again.target(), sent(&again, "x-api-key")), ("/echo", None));
}

/// Proves that a redirect from https to http is the answer, and that its target is never contacted; the other way round is
/// followed.
#[tokio::test]
async fn case_038_a_downgrade_is_the_answer() {
    let ca = Ca::new();
    let secure = Origin::builder()
        .ip([127, 1, 0, 1])
        .tls(ca.issue(&["127.1.0.1"]).server().build())
        .start()
        .await
        .unwrap();
    let plain = Origin::on("127.1.0.2").await;
    let world = World::with(|config| {
        config.policy = public_only();
        config.ca = CaPolicy::File(ca.pem_file().to_owned());
    });
    let answer = world.get(secure.url(&format!("/redirect?to={}", plain.url("/echo")))).await.unwrap();
    assert_eq!(answer.head.status, 302);
    assert_eq!(plain.accepted(), 0);
    let answer = world.get(plain.url(&format!("/redirect?to={}", secure.url("/echo")))).await.unwrap();
    assert_eq!(answer.head.status, 200);
}

/// Proves that ten redirects are followed and the eleventh is an error.
#[tokio::test]
async fn case_039_ten_redirects_and_no_more() {
    let hop = "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n";
    let endless = RawOrigin::always(Script::answering(hop)).await;
    let world = World::new();
    let error = world.refused(endless.url("/")).await;
    assert_eq!((error.kind(), error.detail()), (Kind::OriginProtocol, Some(detail::TOO_MANY_REDIRECTS)));
    assert_eq!((error.hop(), error.blame()), (Some(10), Blame::Origin));
    let requests = |origin: &RawOrigin| {
        let all =
            origin.connections().iter().map(|connection| connection.received()).collect::<Vec<_>>().concat();
        all.windows(4).filter(|window| window == b"\r\n\r\n").count()
    };
    assert_eq!(requests(&endless), 11);

    let mut script = Script::new();
    for _ in 0..10 {
        script = script.expect_request().send(hop);
    }
    let ten =
        RawOrigin::always(script.expect_request().send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
            .await;
    assert_eq!(world.get(ten.url("/")).await.unwrap().head.status, 200);
}

/// Proves that one deadline holds over all hops.
#[tokio::test]
async fn case_039_one_deadline_over_all_hops() {
    let (world, origin, silent) = two_origins().await;
    let mut request = Request::get(origin.url(&format!("/redirect?to={}", silent.url("/slow-head"))));
    request.timeout = Some(Duration::from_secs(1));
    let error = world.call(request).await.unwrap_err();
    assert_eq!((error.kind(), error.detail()), (Kind::Timeout, Some(detail::TOTAL)));
    assert_eq!((error.hop(), error.retry(), error.phase()), (Some(1), Retry::Unknown, Some(Phase::Head)));
}

/// Proves that a body which cannot be sent again makes a 307 or 308 the answer, while a 303 is followed without it.
#[tokio::test]
async fn case_040_a_streamed_body_is_not_repeated() {
    let (world, origin, second) = two_origins().await;
    for code in [301, 302, 307, 308] {
        let url = origin.url(&format!("/redirect?code={code}&to={}", second.url("/echo")));
        let request = Request::new("PUT", url).body(streamed(None, ["some", "thing"]));
        let answer = world.call(request).await.unwrap();
        assert_eq!((answer.head.status, &answer.body[..]), (code, &b"elsewhere"[..]));
    }
    assert_eq!(second.accepted(), 0);
    let url = origin.url(&format!("/redirect?code=303&to={}", second.url("/echo")));
    world.call(Request::new("PUT", url).body(streamed(None, ["some", "thing"]))).await.unwrap();
    let request = second.request(0).await;
    assert_eq!((request.method(), request.wait_body().await.0), ("GET", 0));
}

/// Proves which redirects change the method and drop the body, and that the fields describing it go with it.
#[tokio::test]
async fn case_041_method_and_body_follow_the_table() {
    let (world, origin, second) = two_origins().await;
    let table = [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("PUT", 307, "PUT"),
        ("PUT", 308, "PUT"),
        ("DELETE", 303, "GET"),
        ("QUERY", 302, "QUERY"),
        ("HEAD", 303, "HEAD"),
        ("GET", 308, "GET"),
    ];
    for (index, (method, code, then)) in table.into_iter().enumerate() {
        let url = origin.url(&format!("/redirect?code={code}&to={}", second.url("/echo")));
        let mut request = Request::new(method, url).header("content-type", "text/x");
        if method != "HEAD" && method != "GET" {
            request.body = RequestBody::Bytes("content".into());
        }
        world.call(request).await.unwrap();
        let after = second.request(index).await;
        let kept = then == method;
        let length = if kept && method != "HEAD" && method != "GET" { 7 } else { 0 };
        assert_eq!(after.method(), then, "{method} {code}");
        assert_eq!(sent(&after, "content-type").is_some(), kept, "{method} {code}");
        assert_eq!(after.wait_body().await.0, length, "{method} {code}");
    }
    for code in [300, 304, 305, 306, 399] {
        let answer = world.get(origin.url(&format!("/redirect?code={code}&to=/echo"))).await.unwrap();
        assert_eq!(answer.head.status, code);
    }
}

/// Proves that a `Location` that names no usable place makes the 3xx the answer.
#[tokio::test]
async fn case_042_unusable_locations_are_the_answer() {
    let world = World::under(public_only());
    let long = format!("location: /{}\r\n", "a".repeat(100 * 1024));
    let lines: [&[u8]; 14] = [
        b"",
        b"location:\r\n",
        b"location: http://\r\n",
        b"location: http://a..b/\r\n",
        b"location: http://127.1.0.9:0/\r\n",
        b"location: http://127.1.0.9:99999/\r\n",
        b"location: http://[::1\r\n",
        b"location: http://1.2.3.400/\r\n",
        b"location: /\xff\xfe\r\n",
        b"location: \\\\127.66.0.1/\r\n",
        b"location: /\\127.66.0.1/\r\n",
        b"location: /a\tb\r\n",
        b"location: /one\r\nlocation: /two\r\n",
        long.as_bytes(),
    ];
    for line in lines {
        let origin = redirecting(line).await;
        let answer = world.get(origin.url("/")).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", line.escape_ascii()));
        assert_eq!((answer.head.status, &answer.body[..]), (302, &b"body"[..]), "{}", line.escape_ascii());
        assert_eq!(origin.accepted(), 1, "{}", line.escape_ascii());
    }
}

/// Proves that relative locations are resolved against the hop they came from, and vetted.
#[tokio::test]
async fn case_042_relative_locations_are_resolved_and_vetted() {
    let (world, first, second) = two_origins().await;
    for (to, target) in [
        ("/echo?a=b", "/echo?a=b"),
        ("echo", "/echo"),
        ("./echo#part", "/echo"),
        ("?to=/echo", "/redirect?to=/echo"),
        ("/e%63ho", "/e%63ho"),
        ("/caf%C3%A9", "/caf%C3%A9"),
    ] {
        let escaped: String = to.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let before = first.received() as usize;
        world.get(first.url(&format!("/redirect?to={escaped}"))).await.unwrap();
        assert_eq!(first.request(before + 1).await.target(), target, "{to}");
    }
    let to = format!("//127.1.0.2:{}/echo", second.port());
    world.get(first.url(&format!("/redirect?to={to}"))).await.unwrap();
    assert_eq!(second.received(), 1);
}

/// Proves that with `stop` the 3xx is the answer and its target is never contacted.
#[tokio::test]
async fn case_043_stop_returns_the_redirect() {
    let (world, origin, second) = two_origins().await;
    for code in [301, 302, 303, 307, 308] {
        let mut request =
            Request::get(origin.url(&format!("/redirect?code={code}&to={}", second.url("/echo"))));
        request.redirect = RedirectPolicy::Stop;
        let answer = world.call(request).await.unwrap();
        assert_eq!(answer.head.status, code);
        assert_eq!(answer.head.header("location").unwrap().text().unwrap(), second.url("/echo"));
    }
    assert_eq!(second.accepted(), 0);
}
