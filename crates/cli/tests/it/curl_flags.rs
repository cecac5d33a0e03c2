//! Flags of curl's beyond the first few: several URLs, redirects, ranges, retries.

use crate::{
    parity::same,
    support::{Place, code, curl, run, text},
};
use afield_testkit::{RawOrigin, Script};

/// Proves that several URLs, patterns of them and `--next` do what they do in curl.
#[tokio::test(flavor = "multi_thread")]
async fn request_takes_several_urls_like_curl() {
    same(
        &[
            &["{}/bytes/7", "{}/bytes/9"],
            &["--url", "{}/bytes/7", "{}/bytes/8", "--url", "{}/bytes/9"],
            &["{}/bytes/[7-9]"],
            &["{}/bytes/[08-16:4]?x=[a-c:2]"],
            &["{}/bytes/{3,41}?{x,}"],
            &["-g", "{}/bytes/7?[1]"],
            &["{}/bytes/[9-7]"],
            &["{}/bytes/{3"],
            &["{}/bytes/7", "--next", "-d", "x", "{}/mirror"],
            &["-d", "x", "{}/mirror", "-:", "-I", "-o", "/dev/null", "{}/bytes/3"],
            &["-w", "%{urlnum} %{url}\\n", "-o", "/dev/null", "{}/bytes/[1-2]"],
            &["-f", "{}/status/404", "{}/bytes/1"],
            &["-f", "--fail-early", "{}/status/404", "{}/bytes/1"],
            &["-f", "{}/bytes/1", "{}/status/404"],
        ],
        b"",
    )
    .await;
}

/// Proves that redirects are followed, counted and told of as by curl where a flag says how.
#[tokio::test(flavor = "multi_thread")]
async fn request_follows_redirects_like_curl() {
    same(
        &[
            &["-L", "--max-redirs", "0", "{}/redirect?to=/bytes/1"],
            &["-L", "--max-redirs", "1", "{}/redirect?to=/bytes/1"],
            &["-L", "--max-redirs", "-1", "{}/redirect?to=/bytes/1"],
            &["--max-redirs", "0", "{}/redirect?to=/bytes/1"],
            &["-L", "-w", "%{url_effective} %{num_redirects} %{redirect_url}\\n", "{}/redirect?to=/bytes/1"],
            &["-w", "%{url_effective} %{num_redirects} %{redirect_url}\\n", "{}/redirect?to=/bytes/1"],
            &["-L", "-d", "a=b", "--post301", "{}/redirect?to=/mirror&code=301"],
            &["-L", "-d", "a=b", "--post301", "{}/redirect?to=/echo&code=302"],
            &["-L", "-d", "a=b", "--post302", "{}/redirect?to=/mirror&code=302"],
            &["-L", "-d", "a=b", "--post303", "{}/redirect?to=/mirror&code=303"],
            &["-L", "-e", "http://from.test/x;auto", "{}/redirect?to=/echo"],
            &["-e", "http://from.test/x", "{}/echo"],
            &["-L", "--proto-redir", "=https", "{}/redirect?to=/bytes/1"],
            &["-L", "--proto-redir", "=http", "{}/redirect?to=/bytes/1"],
            &["--location-trusted", "-u", "user:pass", "{}/redirect?to=/echo"],
        ],
        b"",
    )
    .await;
}

/// Proves that the smaller flags do what they do in curl.
#[tokio::test(flavor = "multi_thread")]
async fn request_small_flags_are_like_curls() {
    same(
        &[
            &["-r", "5", "{}/bytes/10"],
            &["-r", "0-3", "{}/echo"],
            &["-r", "-4", "{}/echo"],
            &["-r", "0-3", "-H", "Range: bytes=1-1", "{}/echo"],
            &["--url-query", "a=b c", "--url-query", "+d=e%20f", "{}/echo?x=y"],
            &["--url-query", "=x&y", "{}/echo"],
            &["-G", "--json", "1", "{}/echo"],
            &["-H", "Accept:", "{}/echo"],
            &["--json", "1", "-H", "Accept:", "{}/echo"],
            &["--json", "1", "-H", "Content-Type:", "{}/echo"],
            &["--proto", "=https", "{}/bytes/1"],
            &["--proto", "=https,http", "--tlsv1.2", "-q", "{}/bytes/1"],
            &["--basic", "-u", "user:pass", "{}/echo"],
            &["-sSfL", "-o/dev/null", "-w%{http_code}", "{}/bytes/1"],
            &["-d", "--next", "{}/mirror"],
            &["-d", "-k", "{}/mirror"],
        ],
        b"",
    )
    .await;
}

/// Proves that what is sent again, how often and what is printed of it is as in curl.
#[tokio::test(flavor = "multi_thread")]
async fn request_retries_like_curl() {
    same(
        &[
            &["--retry", "1", "{}/status/503"],
            &["--retry", "1", "-f", "{}/status/429"],
            &["--retry", "1", "{}/status/404"],
            &["--retry", "1", "--retry-all-errors", "-f", "{}/status/404"],
            &["--retry", "2", "--retry-delay", "1", "--retry-max-time", "1", "-d", "x", "{}/status/500"],
        ],
        b"",
    )
    .await;
}

/// Proves that credentials go to another origin only where `--location-trusted` says so, and that the heads of all hops are
/// printed, as curl does both.
#[tokio::test(flavor = "multi_thread")]
async fn request_trusts_other_origins_only_when_told() {
    for (flag, goes_along) in [("-L", false), ("--location-trusted", true)] {
        let last =
            || Script::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        let mut outputs = Vec::new();
        let places = Place::both().await;
        for place in std::iter::once(None).chain(places.iter().map(Some)) {
            let there = RawOrigin::always(last()).await;
            let head = format!(
                "HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
                there.url("/")
            );
            let here = RawOrigin::always(Script::answering(head)).await;
            let url = here.url("/");
            let arguments = [
                "-s",
                "-i",
                flag,
                "-u",
                "user:pass",
                "-w",
                "%{num_redirects} %{num_headers} %{size_header}",
                &url,
            ];
            let command = match place {
                None => match curl(&arguments) {
                    Some(curl) => curl,
                    None => return,
                },
                Some(place) => place.request(&arguments),
            };
            let got = run(command).await;
            assert_eq!(code(&got), 0, "{}", text(&got.stderr));
            let received = text(&there.connections()[0].received()).to_ascii_lowercase();
            assert_eq!(received.contains("authorization:"), goes_along, "{flag}: {received}");
            outputs.push(text(&got.stdout).replace(&there.url("/"), "THERE"));
        }
        assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]), "{outputs:#?}");
    }
}
