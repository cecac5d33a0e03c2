//! What is written, where, and when.

use crate::support::{Place, code, end, file, run, text};
use afield_testkit::{Origin, RawOrigin, Script, pattern, within};
use std::process::Stdio;
use tokio::io::AsyncReadExt;

/// Proves that body bytes appear on standard output while the origin still holds back the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_written_as_it_comes() {
    for place in Place::both().await {
        let origin = Origin::start().await;
        let mut command = place.request(&["-s", &origin.url("/half/1000?then=rest")]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut half = vec![0; 500];
        within("the first half", stdout.read_exact(&mut half)).await.unwrap();
        origin.open_gate("rest");
        within("the second half", stdout.read_to_end(&mut half)).await.unwrap();
        assert_eq!(half, pattern::bytes(0, 1000), "{}", place.name());
        assert_eq!(end(&mut child).await, Some(0));
    }
}

/// Proves that `-i`, `-I` and `-D` print the head, with every field, and `-o` and `-O` write files.
#[tokio::test(flavor = "multi_thread")]
async fn heads_and_files_are_written() {
    let script = Script::answering(
        b"HTTP/1.1 201 Whatever\r\nX-A: 1\r\nx-a: \xff\r\ncontent-length: 5\r\n\r\nhello".as_slice(),
    );
    let origin = RawOrigin::always(script).await;
    let url = origin.url("/dir/name.txt?q");
    let (directory, path) = file(b"old");
    for place in Place::both().await {
        let got = run(place.request(&["-i", &url])).await;
        let printed = text(&got.stdout);
        assert!(printed.starts_with("HTTP/1.1 201 Whatever\r\nx-a: 1\r\nx-a: "), "{printed}");
        assert!(printed.ends_with("\r\n\r\nhello"), "{printed}");

        let head = directory.path().join("head");
        let mut command =
            place.request(&["-s", "-D", head.to_str().unwrap(), "-o", path.to_str().unwrap(), &url]);
        command.current_dir(directory.path());
        let got = run(command).await;
        assert_eq!((code(&got), got.stdout.as_slice()), (0, &b""[..]));
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert!(std::fs::read(&head).unwrap().starts_with(b"HTTP/1.1 201 Whatever\r\n"));

        let mut command = place.request(&["-O", &url]);
        command.current_dir(directory.path());
        assert_eq!(code(&run(command).await), 0);
        assert_eq!(std::fs::read(directory.path().join("name.txt")).unwrap(), b"hello");
    }
}

/// Proves that what came before a body broke off is written, and that a request that failed leaves no file.
#[tokio::test(flavor = "multi_thread")]
async fn a_partial_file_is_kept_and_a_failed_one_is_not_made() {
    let cut = RawOrigin::always(
        Script::new().expect_request().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").close(),
    )
    .await;
    let missing = Origin::start().await;
    for place in Place::both().await {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let target = path.to_str().unwrap();
        assert_eq!(code(&run(place.request(&["-s", "-o", target, &cut.url("/")])).await), 18);
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(code(&run(place.request(&["-sf", "-o", target, &missing.url("/none")])).await), 22);
        assert!(!path.exists());
        assert_eq!(code(&run(place.request(&["-s", "-o", target, &missing.url("/bytes/0")])).await), 0);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        let nowhere = directory.path().join("no/such/directory");
        let got =
            run(place.request(&["-sS", "-o", nowhere.to_str().unwrap(), &missing.url("/bytes/10")])).await;
        assert_eq!(code(&got), 23, "{}", text(&got.stderr));
    }
}

/// Proves that a body which decodes to more than `--max-decoded` is stopped with curl's code for it.
#[tokio::test(flavor = "multi_thread")]
async fn case_74_decoding_stops_at_the_limit() {
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", GZIP.len());
    let origin = RawOrigin::always(Script::answering([head.as_bytes(), GZIP].concat())).await;
    for place in Place::both().await {
        for (limit, expected) in [("5", 63), ("6", 0)] {
            let got =
                run(place.request(&["-sS", "--compressed", "--max-decoded", limit, &origin.url("/")])).await;
            assert_eq!(code(&got), expected, "{}", text(&got.stderr));
        }
    }
}
