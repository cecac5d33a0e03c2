//! The end of a gateway.

use crate::support::{Ending, Place, Setup};
use afield_gateway::Config;
use afield_testkit::Origin;
use std::time::Duration;

/// Proves that a gateway which is told to stop closes idle connections, accepts none, and lets an active request finish.
#[tokio::test]
async fn case_108_an_active_request_may_finish() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .route("r", origin.url(""))
        .start_with(|_, config| Config { grace: Duration::from_secs(3600), ..config })
        .await;
    let mut idle = gateway.caller().await;
    idle.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    idle.answer().await;
    let mut active = gateway.caller().await;
    active.send("GET /r/half/10?then=gate HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    active.head().await;
    gateway.stop.cancel();
    assert_eq!(idle.rest().await, (Vec::new(), Ending::Closed));
    assert!(tokio::net::TcpStream::connect(gateway.address).await.is_err());
    origin.open_gate("gate");
    let (body, ending) = active.rest().await;
    assert_eq!((body.len(), ending), (10, Ending::Closed));
    gateway.ended().await;
}

/// Proves that what is still active when the grace is over is broken off, at the caller as at the origin.
#[tokio::test]
async fn case_108_after_the_grace_everything_ends() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .route("r", origin.url(""))
        .start_with(|_, config| Config { grace: Duration::ZERO, ..config })
        .await;
    let mut active = gateway.caller().await;
    active.send("GET /r/sse-open HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    active.head().await;
    gateway.stop.cancel();
    assert_eq!(active.rest().await, (Vec::new(), Ending::Reset));
    origin.wait_active(0).await;
    gateway.ended().await;
}
