//! Callers that leave.

use crate::support::{Caller, PLACES, Running, Setup};
use afield_testkit::{Origin, origin::Outcome};

/// How a caller leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Close,
    Reset,
    /// Only its sending side: whoever does that waits for no answer that may never come.
    HalfClose,
}

const WAYS: [Leaving; 3] = [Leaving::Close, Leaving::Reset, Leaving::HalfClose];

async fn leave(mut caller: Caller, how: Leaving) -> Option<Caller> {
    match how {
        Leaving::Close => drop(caller),
        Leaving::Reset => caller.reset(),
        Leaving::HalfClose => {
            caller.finish().await;
            return Some(caller);
        }
    }
    None
}

async fn case(gateway: &Running, origin: &Origin, request: &str, has_head: bool, how: Leaving) {
    let index = origin.received() as usize;
    let mut caller = gateway.caller().await;
    caller.send(request).await;
    let at_origin = origin.request(index).await;
    if has_head {
        caller.head().await;
    }
    let _kept = leave(caller, how).await;
    assert_eq!(at_origin.wait_ended().await, Outcome::Abandoned, "{how:?}: {request:?}");
}

/// Proves that a caller which leaves cancels at the origin: while the head is awaited, while a stream is silent, while one
/// flows; with a further request already sent, and with an upload that nobody reads.
#[tokio::test(flavor = "multi_thread")]
async fn case_116_a_caller_that_leaves_cancels_at_the_origin() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).route("r", origin.url("")).start().await;
        let get = |target: &str| format!("GET /r{target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        for how in WAYS {
            case(&gateway, &origin, &get("/slow-head"), false, how).await;
            case(&gateway, &origin, &get("/sse-open"), true, how).await;
            case(&gateway, &origin, &get("/endless"), true, how).await;
            let pipelined = get("/slow-head") + &get("/echo");
            case(&gateway, &origin, &pipelined, false, how).await;
            let pipelined = get("/sse-open") + &get("/echo");
            case(&gateway, &origin, &pipelined, true, how).await;
        }
        origin.wait_active(0).await;
    }
}

/// Proves that a caller which leaves in the middle of an upload never makes it look complete at the origin.
#[tokio::test(flavor = "multi_thread")]
async fn case_116_an_upload_that_breaks_off_is_never_complete() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).route("r", origin.url("/upload")).start().await;
        for head in ["content-length: 100000", "content-length: 10", "transfer-encoding: chunked"] {
            let mut caller = gateway.caller().await;
            caller.send(format!("POST /r HTTP/1.1\r\nhost: localhost\r\n{head}\r\n\r\n5\r\nab")).await;
            drop(caller);
        }
        // What a complete request after them shows: nothing of theirs was taken for one.
        assert_eq!(gateway.ask("POST /r HTTP/1.1\r\nhost: localhost\r\n\r\n").await.status(), 200);
        for request in origin.requests() {
            let complete = request.body().is_some_and(|(length, _)| length > 0);
            assert!(!complete, "{place:?}");
        }
    }
}
