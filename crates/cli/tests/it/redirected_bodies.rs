//! Redirects that want the body once more.

use crate::support::{Place, afield, code, file, folder::Folder, run, run_with_input, text};
use afield_testkit::{Origin, RawOrigin, Script, pattern};
use serde_json::{Value, json};
use std::{fs::File, process::Output};

/// More than is kept of any body.
const LARGE: usize = 3 << 20;

fn arrived(output: &Output, what: &str) {
    assert_eq!(code(output), 0, "{what}: {}", text(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{what} is answered with {:?}", text(&output.stdout)));
    assert_eq!(seen, json!({ "bytes": LARGE, "sha256": pattern::sha256(LARGE as u64) }), "{what}");
}

/// Proves that a regular file larger than is kept is read again after 307 and 308, also as standard input, from here and from
/// an executor, at the same origin and, without what may be a credential, at another.
#[tokio::test(flavor = "multi_thread")]
async fn case_135_regular_file_is_read_again() {
    let (_directory, path) = file(&pattern::bytes(0, LARGE));
    let (name, at_name) = (path.display().to_string(), format!("@{}", path.display()));
    for place in Place::both().await {
        let (origin, other) = (Origin::start().await, Origin::start().await);
        for (to, kept) in [("/upload".to_owned(), Some(&b"k"[..])), (other.url("/upload"), None)] {
            for (status, body) in [
                ("307", &["-T", &name][..]),
                ("308", &["--data-binary", &at_name]),
                ("307", &["-T", "-"]),
                ("308", &["--data-binary", "@-"]),
            ] {
                let what = format!("{} {status} {body:?} to {to}", place.name());
                let url = origin.url(&format!("/redirect?to={to}&code={status}"));
                let mut command = place.request(&["-sSL", "-H", "X-Key: k", &url]);
                command.args(body).stdin(File::open(&path).unwrap());
                arrived(&run(command).await, &what);
                let last = if kept.is_some() { &origin } else { &other };
                let last = last.requests().pop().unwrap();
                assert_eq!(last.target(), "/upload", "{what}");
                assert_eq!(last.values("x-key").first().copied(), kept, "{what}");
            }
        }
    }
}

/// Proves that a body from a pipe, which cannot be sent again, ends with curl's code 65 and no answer, and that in the base
/// dialect, where an executor has every body whole, it follows.
#[tokio::test(flavor = "multi_thread")]
async fn case_135_pipe_is_exit_65() {
    let body = pattern::bytes(0, LARGE);
    for place in Place::both().await {
        for data in [&["-T", "-"][..], &["--data-binary", "@-"]] {
            let origin = Origin::start().await;
            let url = origin.url("/redirect?to=/upload&code=307");
            let mut command = place.request(&["-sSL", &url]);
            command.args(data);
            let output = run_with_input(command, &body).await;
            let said = text(&output.stderr);
            assert_eq!(
                (code(&output), &output.stdout[..]),
                (65, &b""[..]),
                "{} {data:?}: {said}",
                place.name()
            );
            assert!(said.contains("standard input cannot be read again"), "{said}");
            assert_eq!(origin.requests().len(), 1);

            let mut command = place.request(&["-s", "-w", "%{http_code}", &url]);
            command.args(data);
            let output = run_with_input(command, &body).await;
            assert_eq!(
                (code(&output), &text(&output.stdout)[..]),
                (0, "elsewhere307"),
                "it is the answer without -L"
            );
        }
    }
    let [_, executor] = Place::both().await;
    let origin = Origin::start().await;
    let url = origin.url("/redirect?to=/upload&code=307");
    let command = executor.request(&["-sSL", "--dialect", "base", "-T", "-", &url]);
    arrived(&run_with_input(command, &body).await, "base");
}

/// Proves that redirects of a body that is read again are counted.
#[tokio::test(flavor = "multi_thread")]
async fn redirects_of_body_read_again_are_counted() {
    let (_directory, path) = file(&pattern::bytes(0, LARGE));
    for place in Place::both().await {
        let answer = "HTTP/1.1 307 Round\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let origin = RawOrigin::always(Script::new().expect_head().send(answer)).await;
        let mut command = place.request(&["-sSL", &origin.url("/x"), "-T"]);
        command.arg(&path);
        let output = run(command).await;
        assert_eq!(code(&output), 47, "{}", text(&output.stderr));
        assert_eq!(origin.accepted(), 11);
    }
}

/// Proves that an executor's secret goes with a large body that is repeated after a redirect only where its own places say: within
/// its origin, and not to another (cases 37 and 135).
#[tokio::test(flavor = "multi_thread")]
async fn case_135_body_repeated_elsewhere_takes_secrets_to_their_places_alone() {
    let (_directory, path) = file(&pattern::bytes(0, LARGE));
    let (origin, other) = (Origin::start().await, Origin::on("127.0.0.2").await);
    let folder = Folder::with(&format!(
        "[serve]\nlisten = \"ws://127.0.0.1:0\"\n[secrets.held]\nfile = \"held\"\nhosts = \"127.0.0.1:{}\"\n\
         headers = \"x-held\"\nallow_plain_http = true\n[[attach]]\nsecret = \"held\"\nheader = \"x-held\"\n",
        origin.port()
    ));
    folder.write("held", "held-value\n");
    let executor = folder.serve();
    let url = executor.stdout().wait_line("ws://").await;
    for (to, last, expected) in
        [("/upload".to_owned(), &origin, Some("held-value")), (other.url("/upload"), &other, None)]
    {
        let from = origin.url(&format!("/redirect?to={to}&code=307"));
        let mut command = afield(&["request", "-sSL", "--executor", url.trim(), &from, "-T"]);
        command.arg(&path);
        arrived(&run(command).await, &to);
        let first = &origin.requests()[0];
        assert_eq!(first.header("x-held").as_deref(), Some("held-value"), "{to}");
        let last = last.requests().pop().unwrap();
        assert_eq!((last.target(), last.header("x-held").as_deref()), ("/upload", expected), "{to}");
    }
}
