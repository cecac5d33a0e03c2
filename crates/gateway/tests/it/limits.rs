//! What one caller can take from the others.

use crate::support::{Place, Setup};
use afield_gateway::Config;
use afield_testkit::Origin;
use std::time::Duration;

/// Proves that a connection beyond the limit is turned away, that the others do not notice, and that a place that is free again
/// can be had.
#[tokio::test]
async fn case_85_a_connection_too_many_is_turned_away() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .route("r", origin.url(""))
        .start_with(|_, config| Config { connections: 2, ..config })
        .await;
    let mut first = gateway.caller().await;
    first.send("GET /r/sse-open HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    first.head().await;
    let mut second = gateway.caller().await;
    second.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(second.answer().await.status(), 200);
    let (said, _) = gateway.caller().await.rest().await;
    assert!(said.starts_with(b"HTTP/1.1 503 "), "{}", said.escape_ascii());
    drop(first);
    origin.request(0).await.wait_ended().await;
    afield_testkit::within("a place is free", async {
        loop {
            let mut caller = gateway.caller().await;
            caller.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            if caller.rest_or_head().await.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    })
    .await;
    second.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(second.answer().await.status(), 200);
}

/// Proves that a head which never ends ends the connection, that one which is too large is refused, and what is not HTTP too.
#[tokio::test]
async fn case_83_a_head_that_never_ends_ends_the_connection() {
    let gateway = Setup::at(Place::Here)
        .start_with(|_, config| Config {
            head_timeout: Duration::from_millis(200),
            head_bytes: 10_000,
            ..config
        })
        .await;
    let mut caller = gateway.caller().await;
    caller.send("GET /readyz HTTP/1.1\r\nhost:").await;
    assert!(caller.rest().await.0.is_empty());
    let mut caller = gateway.caller().await;
    let head = format!("GET /readyz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(10_000));
    caller.send(head).await;
    assert!(caller.rest().await.0.starts_with(b"HTTP/1.1 431 "));
    let mut caller = gateway.caller().await;
    caller.send("nonsense\r\n\r\n").await;
    assert!(caller.rest().await.0.starts_with(b"HTTP/1.1 400 "));
}
