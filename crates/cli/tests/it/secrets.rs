//! Secrets stay where they belong.

use crate::support::{Place, afield, code, file, run, text};
use afield_testkit::Origin;

/// Proves that `-v`, errors and a log at its most talkative show no header value, cookie, token, userinfo, query value
/// or body that may be a secret, wherever the request leaves from, while the origin gets them all.
#[tokio::test(flavor = "multi_thread")]
async fn case_117_verbose_shows_no_secrets() {
    let (_directory, headers) = file(b"X-Api-Key: canary-1\nMcp-Session-Id: canary-2\n");
    let headers = format!("@{}", headers.display());
    for place in Place::both().await {
        let origin = Origin::start().await;
        let url =
            origin.url("/headers?set-cookie=id%3Dcanary-3&location=/next%3Fcode%3Dcanary-4&api_key=canary-5");
        let url = url.replace("http://", "http://canary-6:canary-7@");
        let arguments = ["-v", "--log", "trace", "-H", &headers, "-b", "id=canary-8", "-d", "canary-9", &url];
        let got = run(place.request(&arguments)).await;
        let told = text(&got.stderr);
        assert_eq!(code(&got), 0, "{told}");
        assert!(told.contains("> X-Api-Key: <8 bytes, not shown>"), "{told}");
        assert!(told.contains("< set-cookie: <"), "{told}");
        assert!(!told.contains("canary"), "from {}: {told}", place.name());
        let request = origin.request(0).await;
        assert_eq!(request.header("x-api-key").as_deref(), Some("canary-1"));
        assert_eq!(request.header("mcp-session-id").as_deref(), Some("canary-2"));
        assert!(request.header("authorization").is_some());
    }
}

/// Proves that no error repeats a secret of the command line, also when the request cannot be sent.
#[tokio::test(flavor = "multi_thread")]
async fn errors_repeat_no_secrets() {
    for arguments in [
        ["http://canary:canary@127.0.0.1:1/?canary", "-v"],
        ["http://canary:canary@name.invalid/?canary", "-v"],
        ["http://canary:canary@a b/?canary", "-v"],
        ["ftp://canary:canary@127.0.0.1/?canary", "-v"],
    ] {
        let got = run(afield(&[&["request"], arguments.as_slice()].concat())).await;
        assert_ne!(code(&got), 0);
        assert!(!text(&got.stderr).contains("canary"), "{}", text(&got.stderr));
    }
}
