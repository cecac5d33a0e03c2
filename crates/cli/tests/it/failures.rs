//! What fails, how it is told, and with which exit code.

use crate::support::{Place, afield, code, curl, run, serve, text};
use afield_testkit::{Origin, RawOrigin, Script, tls::Ca};

/// Proves that failures on the wire have curl's exit codes, from here and from an executor, and that curl agrees.
#[tokio::test(flavor = "multi_thread")]
async fn failures_on_the_wire_have_curls_codes() {
    let refused = Origin::start().await.url("/");
    let places = Place::both().await;
    let mut origins = Vec::new();
    let mut cases =
        vec![(7, refused, "nothing listens"), (6, "http://name.invalid/".to_owned(), "no such name")];
    for (expected, name, script) in [
        (52, "no answer", Script::new().expect_head().close()),
        (
            18,
            "a short body",
            Script::new().expect_request().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").close(),
        ),
        (
            18,
            "a short chunk",
            Script::new()
                .expect_request()
                .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab")
                .close(),
        ),
        (
            8,
            "a bad length",
            Script::new().expect_request().send("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").close(),
        ),
        (28, "silence", Script::new().expect_head().hang()),
    ] {
        let origin = RawOrigin::always(script).await;
        cases.push((expected, origin.url("/"), name));
        origins.push(origin);
    }
    for (expected, url, name) in &cases {
        let arguments = ["-sS", "-m", "1", url];
        if let Some(curl) = curl(&arguments) {
            assert_eq!(code(&run(curl).await), *expected, "curl: {name}");
        }
        for place in &places {
            let got = run(place.request(&arguments)).await;
            let told = text(&got.stderr);
            assert_eq!(code(&got), *expected, "{name} from {}: {told}", place.name());
            assert!(told.starts_with(&format!("afield: ({expected}) ")), "{name}: {told}");
            assert!(told.contains("retry"), "{name}: {told}");
        }
    }
}

/// Proves that a certificate nobody vouches for, or for another name, is curl's 60, and that `--ca` mends the first.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_and_ca_adds_an_authority() {
    let authority = Ca::new();
    let ca = authority.pem_file().to_str().unwrap();
    for (expected, name, trusted) in
        [(0, "127.0.0.1", true), (60, "127.0.0.1", false), (60, "other.example", true)]
    {
        let config = authority.issue(&[name]).server().alpn(["http/1.1"]).build();
        let origin = Origin::builder().tls(config).start().await.unwrap();
        let url = origin.url("/bytes/1");
        let trust = if trusted { vec!["--cacert", ca] } else { vec![] };
        let arguments = [&["-sS", "-o", "/dev/null"], trust.as_slice(), &[&url]].concat();
        if let Some(curl) = curl(&arguments) {
            assert_eq!(code(&run(curl).await), expected, "curl: {name}");
        }
        let got = run(Place::local().request(&arguments)).await;
        assert_eq!(code(&got), expected, "{name}: {}", text(&got.stderr));
        let trust = if trusted { vec!["--ca", ca] } else { vec![] };
        let (_executor, executor) = serve(&trust).await;
        let got = run(afield(&["request", "-sS", "-o", "/dev/null", "--executor", &executor, &url])).await;
        assert_eq!(code(&got), expected, "{name} from an executor: {}", text(&got.stderr));
    }
}

/// Proves that what is wrong with the request is told without sending anything, with the code for it.
#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_have_codes_of_their_own() {
    let origin = Origin::start().await;
    let url = origin.url("/");
    let places = Place::both().await;
    for place in &places {
        for (expected, arguments) in [
            (1, vec!["ftp://127.0.0.1/"]),
            (3, vec!["http://a b/"]),
            (3, vec!["http://"]),
            (43, vec!["-X", "CONNECT", url.as_str()]),
            (43, vec!["-H", "Bad Name: x", url.as_str()]),
            (101, vec!["http://169.254.169.254/"]),
            (101, vec!["http://0.0.0.0/"]),
            (26, vec!["-T", "/nonexistent/file", url.as_str()]),
            (26, vec!["-d", "@/nonexistent/file", url.as_str()]),
            (2, vec!["-I", "-d", "x", url.as_str()]),
            (2, vec!["--no-such-flag", url.as_str()]),
            (2, vec!["-H", "no colon", url.as_str()]),
            (2, vec!["-u", "user", url.as_str()]),
            (23, vec!["-O", url.as_str()]),
        ] {
            let got = run(place.request(&arguments)).await;
            assert_eq!(code(&got), expected, "{arguments:?} from {}: {}", place.name(), text(&got.stderr));
            assert_eq!(got.stdout, b"");
        }
    }
    assert_eq!(origin.requests().len(), 0);
}

/// Proves that an executor that is not there, or wants another token, is told apart from an origin.
#[tokio::test(flavor = "multi_thread")]
async fn executor_failures_are_told_apart() {
    let origin = Origin::start().await;
    let gone = format!("ws://{}", Origin::start().await.address());
    let arguments = ["request", "-sS", "--executor", gone.as_str(), &origin.url("/")];
    let got = run(afield(&arguments)).await;
    assert_eq!(code(&got), 104, "{}", text(&got.stderr));

    let (_directory, token) = crate::support::file(b"right-token\n");
    let (_executor, url) = serve(&["--token-file", token.to_str().unwrap()]).await;
    for (expected, token) in [(105, None), (105, Some("wrong-token")), (0, Some("right-token"))] {
        let mut command = afield(&["request", "-sS", "--executor", &url, &origin.url("/bytes/1")]);
        command.envs(token.map(|token| ("AFIELD_TOKEN", token)));
        let got = run(command).await;
        assert_eq!(code(&got), expected, "{}", text(&got.stderr));
        assert!(!text(&got.stderr).contains(token.unwrap_or("\0")), "{}", text(&got.stderr));
    }
    assert_eq!(origin.requests().len(), 1);

    let got = run(afield(&["request", "--executor", "ftp://127.0.0.1", &origin.url("/")])).await;
    assert_eq!(code(&got), 2, "{}", text(&got.stderr));
}

/// Proves that flags of curl that are refused say why.
#[tokio::test]
async fn refused_flags_say_why() {
    for (flag, why) in
        [("-sk", "--ca"), ("--digest", "-u USER:PASSWORD"), ("-Z", "xargs"), ("--proxy=x", "upstreams")]
    {
        let got = run(afield(&["request", flag, "http://127.0.0.1/"])).await;
        assert_eq!(code(&got), 2);
        assert!(text(&got.stderr).contains(why), "{flag}: {}", text(&got.stderr));
    }
}

/// Proves that `-s` silences an error and `-S` brings it back.
#[tokio::test]
async fn silent_is_silent_and_show_error_is_not() {
    for (flags, is_silent) in [("-s", true), ("-sS", false), ("-S", false)] {
        let got = run(afield(&["request", flags, "http://name.invalid/"])).await;
        assert_eq!((code(&got), got.stderr.is_empty()), (6, is_silent), "{flags}");
    }
}
