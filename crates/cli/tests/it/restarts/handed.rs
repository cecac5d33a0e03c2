//! An executor whose socket belongs to somebody else.

use super::parts::start_on;
use crate::support::{afield, code, end, run, signal, text};
use afield_testkit::{Origin, within};
use rustix::process::Signal;
use std::net::TcpListener;

/// Proves that `afield serve` listens on a socket that is handed on to it (`LISTEN_FDS`) instead of one of its own, that it leaves the
/// socket to the next one, and that who comes between two of them is served and not refused.
#[tokio::test(flavor = "multi_thread")]
async fn executor_with_a_socket_handed_on_refuses_nobody_between_two() {
    let origin = Origin::start().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("ws://{}", socket.local_addr().unwrap());
    let serve = afield(&["serve", "--log", "off", "--listen", &at]);
    let asking = || {
        let url = origin.url("/status/200");
        run(afield(&["request", "-s", "-S", "--connect-timeout", "30", "--executor", &at, &url]))
    };
    let mut last = None;
    for round in 0..3 {
        let early = tokio::spawn(asking());
        if round > 0 {
            // It waits in the socket's queue, where nobody takes it yet.
            tokio::task::yield_now().await;
            assert!(!early.is_finished());
        }
        let (mut executor, said) = start_on(&serve, &socket).await;
        assert_eq!(said, at, "it listens there, and nowhere else");
        let got = within("who came first is served", early).await.unwrap();
        assert_eq!(code(&got), 0, "{}", text(&got.stderr));
        assert_eq!(code(&asking().await), 0);
        signal(&executor, Signal::TERM);
        assert_eq!(end(&mut executor).await, Some(0));
        last = Some(executor);
    }
    drop(last);
    assert_eq!(origin.requests().len(), 6);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_executor, said) =
        start_on(&afield(&["serve", "--log", "off", "--listen", "ws://127.0.0.1:0"]), &other).await;
    assert_ne!(
        said,
        format!("ws://{}", other.local_addr().unwrap()),
        "a socket at another address is not used"
    );
}
