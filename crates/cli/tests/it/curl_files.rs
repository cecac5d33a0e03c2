//! The same flags as curl where files are read and written: the same files, the same requests, the same ends.

use crate::support::{Place, code, curl, run, run_with_input, text};
use afield_testkit::{RawOrigin, Script};
use std::{collections::BTreeMap, path::Path};
use tokio::process::Command;

const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\netag: \"one\"\r\n\
    last-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\ncontent-disposition: attachment; filename=\"../given name.txt\"\r\n\r\n";
const PARTIAL: &str = "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: 3\r\n\
    content-range: bytes 4-6/7\r\n\r\n";

type Files = BTreeMap<String, (Vec<u8>, u64)>;

/// What lies in a folder: contents, and the times of those that are old.
fn files(folder: &Path, below: &str, found: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
            continue;
        }
        let age = entry.metadata().unwrap().modified().unwrap().elapsed().unwrap_or_default();
        let days = age.as_secs() / 86_400;
        found.insert(name, (std::fs::read(entry.path()).unwrap(), days));
    }
}

/// A request without what rightly differs: the names of fields in lower case and order, without the program's own.
fn request(bytes: &[u8]) -> (String, Vec<String>, String) {
    let all = text(bytes);
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
    let boundary = head.split_once("boundary=").map(|(_, rest)| rest.lines().next().unwrap_or_default());
    let plain = |text: &str| match boundary {
        Some(boundary) => text.replace(boundary, "BOUNDARY"),
        None => text.to_owned(),
    };
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let mut fields: Vec<String> = lines
        .map(|line| {
            line.split_once(':').map_or_else(
                || line.to_owned(),
                |(name, value)| format!("{}: {}", name.to_ascii_lowercase(), plain(value.trim())),
            )
        })
        .filter(|line| !["user-agent:", "host:", "expect:"].iter().any(|name| line.starts_with(name)))
        // A boundary of another length makes a body of another length.
        .filter(|line| boundary.is_none() || !line.starts_with("content-length:"))
        .collect();
    fields.sort();
    (first, fields, plain(body))
}

/// Runs curl and afield in folders of the same content, and compares what is there afterwards, on standard output and at the
/// origin, and the exit codes.
async fn same(script: impl Fn() -> Script, before: &[(&str, &str)], cases: &[&[&str]], input: &[u8]) {
    let places = Place::both().await;
    for case in cases {
        let mut expected = None;
        for place in std::iter::once(None).chain(places.iter().map(Some)) {
            let origin = RawOrigin::always(script()).await;
            let folder = tempfile::tempdir().unwrap();
            for (name, contents) in before {
                std::fs::write(folder.path().join(name), contents.replace("{}", &origin.url(""))).unwrap();
            }
            let arguments: Vec<String> = std::iter::once("-s".to_owned())
                .chain(
                    case.iter().map(|argument| argument.replace("{}", origin.url("").trim_end_matches('/'))),
                )
                .collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command: Command = match place {
                None => match curl(&arguments) {
                    Some(curl) => curl,
                    None => return,
                },
                Some(place) => place.request(&arguments),
            };
            command.current_dir(folder.path());
            let got =
                if input.is_empty() { run(command).await } else { run_with_input(command, input).await };
            let mut found = Files::new();
            files(folder.path(), "", &mut found);
            // The file of arguments names the origin, which is another each time.
            found.remove("K");
            let received: Vec<_> =
                origin.connections().iter().map(|connection| request(&connection.received())).collect();
            let seen = (code(&got), text(&got.stdout), found, received);
            match &expected {
                None => expected = Some(seen),
                Some(expected) => {
                    let name = place.map_or("curl", Place::name);
                    assert_eq!(&seen, expected, "{} from {name}: {}", case.join(" "), text(&got.stderr));
                }
            }
        }
    }
}

fn whole() -> Script {
    Script::answering([HEAD.as_bytes(), b"hello\n"].concat())
}

/// Proves that names, folders and times of files are curl's, and what is kept of a file that is there.
#[tokio::test(flavor = "multi_thread")]
async fn request_files_are_like_curls() {
    same(
        whole,
        &[("there", "old"), ("name.txt", "old")],
        &[
            &["-o", "one", "{}/a", "-o", "two", "{}/b"],
            &["-o", "one", "{}/a", "{}/b"],
            &["-O", "{}/x.txt", "-O", "{}/y.txt"],
            &["-O", "{}/x.txt", "-o", "two", "{}/y.txt"],
            &["--remote-name-all", "{}/x.txt", "{}/y.txt"],
            &["-o", "f-#1-#2", "{}/{a,b}/[01-02]"],
            &["--output-dir", "d", "--create-dirs", "-o", "e/one", "{}/a"],
            &["--output-dir", "d", "-O", "{}/x.txt"],
            &["-O", "-J", "{}/name.txt"],
            &["-OJ", "--output-dir", "d", "--create-dirs", "{}/name.txt"],
            &["-R", "-o", "one", "{}/a"],
            &["--no-clobber", "-o", "there", "{}/a"],
            &["--no-clobber", "-O", "{}/name.txt"],
            &["-o", "there", "{}/a"],
            &["--etag-save", "tag", "{}/a"],
            &["--etag-compare", "none", "{}/a"],
            &["--etag-compare", "there", "{}/a"],
        ],
        b"",
    )
    .await;
    same(whole, &[("given name.txt", "old")], &[&["-OJ", "{}/a"]], b"").await;
}

/// Proves that what is left of a transfer that broke off is what curl leaves, before the first byte and after it.
#[tokio::test(flavor = "multi_thread")]
async fn request_leaves_what_curl_leaves() {
    let cases: &[&[&str]] =
        &[&["-o", "there", "{}/"], &["-o", "new", "{}/"], &["--remove-on-error", "-o", "there", "{}/"]];
    for rest in ["", "abc"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{rest}");
        same(|| Script::new().expect_request().send(head.clone()).close(), &[("there", "old")], cases, b"")
            .await;
    }
    same(
        || Script::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        &[("there", "old")],
        cases,
        b"",
    )
    .await;
}

/// Proves that a transfer goes on where a file ends as curl's does, whatever the origin makes of it.
#[tokio::test(flavor = "multi_thread")]
async fn request_continues_like_curl() {
    let before = &[("part", "abc\n")];
    let cases: &[&[&str]] = &[
        &["-C", "-", "-o", "part", "{}/"],
        &["-C", "4", "-o", "part", "{}/"],
        &["-C", "-", "-o", "none", "{}/"],
        &["-C", "4", "{}/"],
        &["-f", "-C", "-", "-o", "part", "{}/"],
    ];
    same(|| Script::answering([PARTIAL.as_bytes(), b"xyz"].concat()), before, cases, b"").await;
    for head in [
        "200 OK\r\ncontent-length: 6\r\n\r\nhello\n",
        "200 OK\r\ncontent-length: 4\r\n\r\nabc\n",
        "416 Range Not Satisfiable\r\ncontent-length: 2\r\n\r\nno",
        "404 Not Found\r\ncontent-length: 2\r\n\r\nno",
    ] {
        let answer = format!("HTTP/1.1 {}", head.replacen("\r\n", "\r\nconnection: close\r\n", 1));
        same(|| Script::answering(answer.clone()), before, cases, b"").await;
    }
}

/// Proves that forms are built as curl builds them.
#[tokio::test(flavor = "multi_thread")]
async fn request_forms_are_like_curls() {
    same(
        whole,
        &[("f.txt", "one\r\ntwo\n"), ("g", "x"), ("a,b", "y"), ("p.png", "z")],
        &[
            &["-F", "a=b", "-F", "c=", "{}/"],
            &["-F", "a=@f.txt", "-F", "b=@g", "-F", "c=@p.png", "{}/"],
            &["-F", "a=<f.txt", "{}/"],
            &["-F", "a=@g;type=x/y;filename=n.txt", "{}/"],
            &["-F", "a=@g;filename=\"q;r.txt\"", "{}/"],
            &["-F", "a=@\"a,b\"", "{}/"],
            &["-F", "a=\"b;c\"", "-F", "d=e;type=text/html", "{}/"],
            &["-F", "a=b;type=text/plain;charset=utf-8", "{}/"],
            &["-F", "qu\"ote=1", "--form-string", "b=@f;type=x", "{}/"],
            &["-F", "a=@-", "{}/"],
            &["-F", "a=@none", "{}/"],
            &["-X", "PUT", "-F", "a=b", "{}/"],
        ],
        b"from a pipe",
    )
    .await;
}

/// Proves that files of arguments, of header fields and of formats are read as curl reads them.
#[tokio::test(flavor = "multi_thread")]
async fn request_reads_files_like_curl() {
    same(
        whole,
        &[
            ("w", "a%{http_code}\nb\r\n%{size_download}\n"),
            ("h", "# one\nX-A: 1\n\nX-B: 2\r\nX-D;\n"),
            ("K", "# more\nurl = \"{}/from-file\"\n-H \"X-A: \\\"1\\\"\"\nheader: X-B:2\nuser-agent = x # no\nget\ndata a=b\n"),
        ],
        &[
            &["-w", "@w", "{}/"],
            &["-H", "@h", "{}/"],
            &["-K", "K"],
            &["-K", "K", "{}/second"],
            &["--config", "K", "--next", "{}/second"],
            &["-K", "none", "{}/"],
        ],
        b"",
    )
    .await;
}
