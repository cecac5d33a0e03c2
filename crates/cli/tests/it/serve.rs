//! `afield serve`, as far as its flags go.

use crate::support::{afield, code, end, run, serve, signal, text};
use afield_testkit::Origin;
use rustix::process::Signal;

/// Proves that an address which others can reach, and what makes no sense, is refused with EX_USAGE and a reason.
#[tokio::test]
async fn case_82_an_exposed_address_is_refused() {
    for (arguments, why) in [
        (["--listen", "ws://0.0.0.0:0"], "other machines"),
        (["--listen", "ws://[::]:0"], "other machines"),
        (["--listen", "wss://127.0.0.1:0"], "TLS"),
        (["--listen", "tcp://127.0.0.1:0"], "ws://"),
        (["--limit", "windowByte=1M"], "windowBytes"),
    ] {
        let got = run(afield(&[&["serve"], arguments.as_slice()].concat())).await;
        assert_eq!(code(&got), 64, "{arguments:?}: {}", text(&got.stderr));
        assert!(text(&got.stderr).contains(why), "{arguments:?}: {}", text(&got.stderr));
    }
}

/// Proves that an address that is taken is told with a code of its own.
#[tokio::test]
async fn a_taken_address_is_told() {
    let taken = Origin::start().await;
    let got = run(afield(&["serve", "--listen", &format!("ws://{}", taken.address())])).await;
    assert_eq!(code(&got), 69, "{}", text(&got.stderr));
}

/// Proves that SIGTERM and Ctrl-C end an idle executor at once, with code 0.
#[tokio::test]
async fn case_108_a_signal_drains_and_ends_with_0() {
    for with in [Signal::TERM, Signal::INT] {
        let (mut child, _) = serve(&[]).await;
        signal(&child, with);
        assert_eq!(end(&mut child).await, Some(0));
    }
}

/// Proves that a second signal ends an executor that is still draining.
#[tokio::test(flavor = "multi_thread")]
async fn case_108_a_second_signal_ends_at_once() {
    let origin = Origin::start().await;
    let (mut child, url) = serve(&["--grace", "3600"]).await;
    let mut request =
        afield(&["request", "-s", "--executor", &url, &origin.url("/sse-open")]).spawn().unwrap();
    origin.request(0).await;
    signal(&child, Signal::TERM);
    let port = url.rsplit(':').next().unwrap().to_owned();
    // Draining has begun once readiness says so.
    afield_testkit::within("draining", async {
        loop {
            let got = run(afield(&[
                "request",
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                &format!("http://127.0.0.1:{port}/readyz"),
            ]))
            .await;
            if text(&got.stdout) != "200" {
                break;
            }
        }
    })
    .await;
    signal(&child, Signal::TERM);
    assert_eq!(end(&mut child).await, Some(143));
    request.kill().await.unwrap();
}

/// Proves that flags can come from the environment.
#[tokio::test]
async fn flags_come_from_the_environment_too() {
    let mut command = afield(&["serve"]);
    command.env("AFIELD_LISTEN", "ws://0.0.0.0:0");
    assert_eq!(code(&run(command).await), 64);
    let mut command = afield(&["serve", "--listen", "ws://127.0.0.1:0"]);
    command.env("AFIELD_LIMIT", "nonsense=1");
    assert_eq!(code(&run(command).await), 64);
}
