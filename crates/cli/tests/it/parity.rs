//! The same flags as curl: the same request at the origin, the same bytes on standard output, the same exit code.

use crate::support::{Place, code, curl, file, run, run_with_input, text};
use afield_testkit::{Origin, RawOrigin, Script, origin::Request};

/// A request as the origin saw it, without what rightly differs: `User-Agent`, and curl's `Expect`.
async fn seen(request: Request) -> (String, String, Vec<(String, String)>, Option<(u64, String)>) {
    request.wait_ended().await;
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
        .filter(|(name, _)| !matches!(name.as_str(), "user-agent" | "expect"))
        .collect();
    headers.sort();
    (request.method().to_owned(), request.target().to_owned(), headers, request.body())
}

/// Runs curl and afield, from here and from an executor, with the same arguments, where `{}` is the origin's URL, and
/// compares all that can be seen.
pub(crate) async fn same(cases: &[&[&str]], input: &[u8]) {
    let origin = Origin::start().await;
    let places = Place::both().await;
    let mut requests = 0;
    for case in cases {
        let arguments: Vec<String> = case
            .iter()
            .map(|argument| argument.replace("{}", origin.url("").trim_end_matches('/')))
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let Some(curl) = curl(&[&["-s"], arguments.as_slice()].concat()) else { return };
        let expected = run_with_input(curl, input).await;
        let sent = origin.requests().len() - requests;
        let mut expected_requests = Vec::new();
        for index in 0..sent {
            expected_requests.push(seen(origin.request(requests + index).await).await);
        }
        requests += sent;
        for place in &places {
            let got = run_with_input(place.request(&[&["-s"], arguments.as_slice()].concat()), input).await;
            let context = format!("{} from {}: {}", case.join(" "), place.name(), text(&got.stderr));
            assert_eq!(code(&got), code(&expected), "exit code of {context}");
            // `/echo` tells of headers that rightly differ; what was sent is compared by itself.
            if !arguments.iter().any(|argument| argument.contains("/echo")) {
                assert!(got.stdout == expected.stdout, "output of {context}:\n{}", text(&got.stdout));
            }
            for (index, expected) in expected_requests.iter().enumerate() {
                let got = seen(origin.request(requests + index).await).await;
                assert_eq!(&got, expected, "request {index} of {context}");
            }
            assert_eq!(origin.requests().len(), requests + sent, "number of requests of {context}");
            requests += sent;
        }
    }
}

/// Proves that reading flags (method, headers, credentials, cookies, redirects, failures) do what curl's do.
#[tokio::test(flavor = "multi_thread")]
async fn reading_is_like_curls() {
    same(
        &[
            &["{}/bytes/300000"],
            &["{}/chunked/300000"],
            &["{}/status/204"],
            &["{}/status/404"],
            &["-f", "{}/status/404"],
            &["--fail-with-body", "{}/status/500"],
            &["-f", "{}/bytes/10"],
            &["-X", "DELETE", "{}/echo"],
            &["-X", "get", "{}/echo"],
            &["-H", "X-One: 1", "-H", "X-One: 2", "-H", "Accept: text/plain", "{}/echo"],
            &["-H", "X-Empty;", "-H", "X-Gone:", "-H", "X-Colon: a:b", "{}/echo"],
            &["-H", "Host: other.example", "{}/echo"],
            &["-u", "user:pass:word", "{}/echo"],
            &["-u", "user:", "{}/echo"],
            &["--oauth2-bearer", "token", "{}/echo"],
            &["-b", "a=1; b=2", "{}/echo"],
            &["-A", "", "{}/echo"],
            &["{}/redirect?to=/bytes/10"],
            &["-L", "{}/redirect?to=/bytes/10"],
            &["-L", "-d", "a=b", "{}/redirect?to=/echo&code=302"],
            &["-L", "-d", "a=b", "{}/redirect?to=/mirror&code=307"],
            &["-w", "%{http_code} %{size_download} %{content_type} %{method} %{exitcode}\\n", "{}/bytes/7"],
            &["-w", "%{stderr}x%{stdout}%{response_code}%%%header{content-length}", "{}/bytes/7"],
            &["-f", "-w", "%{http_code}%{onerror}!", "{}/status/404"],
            &["--max-filesize", "9", "{}/bytes/10"],
            &["--max-filesize", "10", "{}/bytes/10"],
            &["-o", "/dev/null", "{}/bytes/10"],
            &["-I", "-o", "/dev/null", "{}/bytes/10"],
            &["-X", "HEAD", "-I", "-o", "/dev/null", "{}/bytes/10"],
        ],
        b"",
    )
    .await;
}

/// Proves that sending flags build the body, its type and its framing as curl's do.
#[tokio::test(flavor = "multi_thread")]
async fn sending_is_like_curls() {
    let (_directory, path) = file(b"line one\r\nline two & = %\n");
    let at = |prefix: &str| format!("{prefix}@{}", path.display());
    let path = path.to_str().unwrap();
    same(
        &[
            &["-d", "a=b", "{}/mirror"],
            &["-d", "a=b", "-d", "c", "--data-raw", "@d", "{}/mirror"],
            &["-d", "", "{}/echo"],
            &["-d", "-x", "{}/mirror"],
            &["-d", &at(""), "{}/mirror"],
            &["--data-binary", &at(""), "{}/mirror"],
            &["--data-binary", &at(""), "-d", "x=1", "{}/mirror"],
            &[
                "--data-urlencode",
                "a b&c=é",
                "--data-urlencode",
                "=x y",
                "--data-urlencode",
                &at("n"),
                "{}/mirror",
            ],
            &["--json", "{\"a\":1}", "{}/mirror"],
            &["--json", "[1,", "--json", "2]", "{}/mirror"],
            &["-d", "a=b", "--json", "{}", "{}/mirror"],
            &["--json", &at(""), "-H", "Content-Type: text/x", "{}/mirror"],
            &["-d", "a=b", "-H", "Content-Type: text/plain", "{}/mirror"],
            &["-d", "a=b", "-H", "Content-Type:", "{}/echo"],
            &["-X", "PATCH", "-d", "a=b", "{}/mirror"],
            &["-G", "-d", "a=b", "-d", "c=d", "{}/echo?x=y"],
            &["-G", "--data-urlencode", "q=a b", "{}/echo"],
            &["-I", "-G", "-d", "a=b", "-o", "/dev/null", "{}/bytes/1"],
            &["-T", path, "{}/upload"],
            &["-d", "a=b", "-o", "/dev/null", "-w", "%{size_upload} %{size_download}", "{}/mirror"],
            &["-T", path, "-o", "/dev/null", "-w", "%{size_upload}", "{}/upload"],
            &["-T", path, "-X", "POST", "{}/upload"],
            &["-T", path, "{}/upload/"],
        ],
        b"",
    )
    .await;
}

/// Proves that standard input is sent as curl sends it.
#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_like_curls() {
    same(
        &[
            &["-d", "@-", "{}/mirror"],
            &["--data-binary", "@-", "{}/mirror"],
            &["--data-urlencode", "name@-", "{}/mirror"],
            &["--json", "@-", "{}/mirror"],
            &["-H", "@-", "{}/echo"],
        ],
        b"X-A: 1\nX-B: 2\n",
    )
    .await;
}

/// Proves that a compressed answer is asked for and decoded as curl does.
#[tokio::test(flavor = "multi_thread")]
async fn compressed_answers_are_like_curls() {
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00";
    let answer = |encoding: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Script::answering([head.as_bytes(), body].concat())
    };
    for (name, script) in [
        ("gzip", answer("gzip", GZIP)),
        ("identity", answer("identity", b"hello")),
        ("damaged", answer("gzip", &[&GZIP[..18], &[0; 8]].concat())),
        ("unknown", answer("rot13", b"hello")),
    ] {
        let origin = RawOrigin::always(script).await;
        let url = origin.url("/");
        let Some(curl) = curl(&["-s", "--compressed", &url]) else { return };
        let expected = run(curl).await;
        for place in Place::both().await {
            let got = run(place.request(&["-s", "--compressed", &url])).await;
            assert_eq!(code(&got), code(&expected), "{name} from {}", place.name());
            assert_eq!(got.stdout, expected.stdout, "{name} from {}", place.name());
        }
        let asked = |index: usize| {
            let received = text(&origin.connections()[index].received());
            received.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("accept-encoding: ").map(str::to_owned)
            })
        };
        assert_eq!(asked(1), asked(0), "{name}");
    }
}
