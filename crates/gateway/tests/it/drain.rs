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

/// Proves that a stream on which a server speaks of its own accord does not hold up the end of a gateway: it ends as whole, through to
/// the origin; and that another program's stream is broken off as ever (case 201).
#[tokio::test]
async fn stream_of_a_session_ends_with_the_gateway() {
    for (field, expected) in [
        ("mcp-session-id: s", (b"0\r\n\r\n".to_vec(), Ending::Closed)),
        ("x-other: s", (Vec::new(), Ending::Reset)),
    ] {
        let origin = Origin::start().await;
        let grace = if expected.1 == Ending::Closed { Duration::from_secs(3600) } else { Duration::ZERO };
        let gateway = Setup::at(Place::Here)
            .route("r", origin.url(""))
            .start_with(|_, config| Config { grace, ..config })
            .await;
        let mut caller = gateway.caller().await;
        let accept = "accept: text/event-stream";
        caller
            .send(format!("GET /r/sse-open HTTP/1.1\r\nhost: localhost\r\n{accept}\r\n{field}\r\n\r\n"))
            .await;
        caller.head().await;
        gateway.stop.cancel();
        assert_eq!(caller.rest().await, expected, "{field}");
        origin.wait_active(0).await;
        gateway.ended().await;
    }
}

/// Proves that a gateway whose port is another's by now answers what comes over a connection that was idle, and says that it is the
/// last answer there; that one which asks for nothing is closed; and that new connections are not accepted (case 201).
#[tokio::test]
async fn idle_connection_may_ask_once_more() {
    let gateway = Setup::at(Place::Here)
        .start_with(|_, config| Config { linger: Duration::from_secs(3600), ..config })
        .await;
    let mut idle = gateway.caller().await;
    let asked = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (is_last, expected) in [(false, None), (true, Some("close"))] {
        if is_last {
            gateway.stop.cancel();
            while tokio::net::TcpStream::connect(gateway.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        idle.send(asked).await;
        let answer = idle.answer().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.values("connection").first().copied(), expected);
    }
    assert_eq!(idle.rest().await, (Vec::new(), Ending::Closed));
    gateway.ended().await;
}

/// Proves that a gateway with a socket that was there before it goes on accepting until what it had begun is over, and leaves who comes
/// after that to the next one (case 201).
#[tokio::test]
async fn inherited_socket_is_left_to_the_next_gateway() {
    let origin = Origin::start().await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = socket.local_addr().unwrap();
    let start = async || {
        let inherited = vec![socket.try_clone().unwrap()];
        let grace = Duration::from_secs(3600);
        let setup = Setup::at(Place::Here).route("r", origin.url(""));
        setup.start_with(|_, config| Config { listen, inherited, grace, ..config }).await
    };
    let gateway = start().await;
    let mut active = gateway.caller().await;
    active.send("GET /r/half/10?then=gate HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    active.head().await;
    gateway.stop.cancel();
    assert_eq!(gateway.get("/readyz").await.status(), 200, "it is served meanwhile");
    origin.open_gate("gate");
    assert_eq!(active.rest().await.1, Ending::Closed);
    gateway.ended().await;
    let mut waiting = crate::support::Caller::connect(listen).await;
    waiting.send("GET /r/echo HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let _next = start().await;
    assert_eq!(waiting.answer().await.status(), 200);
}
