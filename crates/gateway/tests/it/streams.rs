//! Bodies as they come.

use crate::support::{PLACES, Setup};
use afield_testkit::{Gate, Origin, RawOrigin, Script};

/// Proves that each event reaches the caller before the origin has sent the next: the origin sends one only when the caller
/// has the one before.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_before_the_next_is_sent() {
    const EVENT: &str = "data: 0123456789\n\n";
    for place in PLACES {
        let gate = Gate::new();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let script = Script::new().expect_head().send(head).drip_by(&gate, EVENT.repeat(20), EVENT.len());
        let origin = RawOrigin::always(script).await;
        let gateway = Setup::at(place).route("r", origin.url("/")).start().await;
        let mut caller = gateway.caller().await;
        caller.send("GET /r HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        // The head, before any event.
        assert!(caller.head().await.contains("text/event-stream"), "{place:?}");
        for _ in 0..20 {
            gate.pass(1);
            assert_eq!(caller.until(EVENT).await, format!("{:X}\r\n{EVENT}", EVENT.len()).as_bytes());
            caller.until("\r\n").await;
        }
        assert_eq!(caller.until("0\r\n\r\n").await, b"0\r\n\r\n", "{place:?}");
    }
}

/// Proves that two streams and a call go on side by side over one gateway.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_holds_up_nothing() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).route("r", origin.url("")).start().await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut caller = gateway.caller().await;
            caller.send("GET /r/sse-open HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            caller.head().await;
            streams.push(caller);
        }
        assert_eq!(gateway.get("/r/bytes/10").await.body.len(), 10, "{place:?}");
    }
}

/// Proves that an upload without a known length arrives whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_upload_arrives_whole() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).route("r", origin.url("/upload")).start().await;
        let mut caller = gateway.caller().await;
        caller.send("POST /r HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..10 {
            caller.send("4\r\nabcd\r\n").await;
        }
        caller.send("0\r\nx-trailer: 1\r\n\r\n").await;
        assert_eq!(caller.answer().await.json()["bytes"], 40, "{place:?}");
    }
}

/// Proves that uploads with a known length arrive whole and with that length, short and long.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_known_length_keeps_its_length() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).route("r", origin.url("/upload")).start().await;
        for (index, length) in [0, 1, 64 * 1024, 64 * 1024 + 1, 3_000_000].into_iter().enumerate() {
            let mut caller = gateway.caller().await;
            let head = format!(
                "POST /r HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
            );
            caller.send(head).await;
            if length > 0 {
                assert_eq!(caller.head().await, "HTTP/1.1 100 Continue");
            }
            caller.send(vec![b'x'; length]).await;
            assert_eq!(caller.answer().await.json()["bytes"], length, "{place:?}");
            let request = origin.request(index).await;
            assert_eq!(request.values("content-length"), [length.to_string().as_bytes()], "{place:?}");
        }
    }
}
