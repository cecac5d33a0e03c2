//! Who is let in, for how long, and how many.

use crate::support::{Base, Running, get, kind};
use afield_executor::{Config, Executor, Listen, StartError};
use afield_testkit::{Origin, Upgrade, peer::End, within};
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Proves that a connection on which `initialize` does not come, or does not succeed, in time is closed and told why.
#[tokio::test]
async fn a_connection_that_does_not_initialize_in_time_is_closed() {
    let executor = Running::limited(|limits| limits.handshake = Duration::from_millis(200)).await;
    let late = End::Closed(1008, "initialize did not come in time".to_owned());
    assert_eq!(executor.open().await.end().await, late);
    let mut failing = executor.open().await;
    let refused = failing.call("initialize", json!({ "clientName": "t", "resumeSessionId": "none" })).await;
    assert_eq!(refused["error"]["message"], "unknown session id none");
    assert_eq!(failing.end().await, late);
}

/// Proves that the deadline does not touch a connection that has initialized, idle though it is.
#[tokio::test]
async fn a_connection_that_has_initialized_may_idle() {
    let executor = Running::start().await;
    let mut peer = executor.connect().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(12)).await;
    tokio::time::resume();
    assert_eq!(peer.call("environment/status", json!({})).await["result"]["status"], "ready");
}

/// Proves that a peer that does not finish its upgrade in time is closed.
#[tokio::test]
async fn case_083_a_slow_upgrade_is_closed() {
    let executor = Running::limited(|limits| limits.handshake = Duration::from_millis(100)).await;
    let mut socket = TcpStream::connect(executor.address).await.unwrap();
    socket.try_write(b"GET / HTTP/1.1\r\nhost: x").unwrap();
    let mut rest = Vec::new();
    within("the connection is closed", socket.read_to_end(&mut rest)).await.ok();
}

/// Proves that connections beyond those that may be unauthenticated drive out those that have said nothing for longest,
/// that whoever says who it is gets in meanwhile, and that those let in already do not notice.
#[tokio::test]
async fn case_083_unauthenticated_connections_are_limited() {
    let executor = Running::limited(|limits| limits.unauthenticated = 2).await;
    let mut inside = executor.connect().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(executor.address).await.unwrap());
        executor.open().await;
    }
    for socket in &mut silent[..19] {
        let mut rest = Vec::new();
        within("it is closed", socket.read_to_end(&mut rest)).await.ok();
        assert!(rest.is_empty());
    }
    assert_eq!(inside.call("environment/status", json!({})).await["result"]["status"], "ready");
}

/// Proves that one connection more than the limit is turned away with 503, that the others go on, and that a place comes
/// back when one of them ends.
#[tokio::test]
async fn case_085_one_connection_too_many_is_turned_away() {
    let executor = Running::limited(|limits| limits.connections = 2).await;
    let origin = Origin::start().await;
    let (mut first, second) = (executor.connect().await, executor.connect().await);
    let refused = Upgrade::to(executor.address).open().await.unwrap_err();
    assert_eq!((refused.status(), refused.header("retry-after")), (Some(503), Some("1")));
    assert_eq!(first.request(get(origin.url("/echo"))).await["result"]["status"], 200);
    second.close(1000, "").await;
    let mut third = within("a place comes back", async {
        loop {
            if let Ok(peer) = Upgrade::to(executor.address).open().await {
                return peer;
            }
        }
    })
    .await;
    third.initialize(json!({ "clientName": "test" })).await;
    assert_eq!(third.request(get(origin.url("/echo"))).await["result"]["status"], 200);
}

/// Proves that what browsers send, other paths, foreign names and missing tokens are refused at the executor's own door.
#[tokio::test]
async fn case_079_080_081_the_door_is_guarded() {
    let executor = Running::with(|config| {
        config.authentication = std::sync::Arc::new(afield_transport::TokenDigest::of("secret"));
        config.allowed_hosts = vec!["executor.test".to_owned()];
    })
    .await;
    let ask = || Upgrade::to(executor.address);
    for (upgrade, status) in [
        (ask().bearer("secret").header("Origin", "null"), 403),
        (ask().bearer("secret").replace("Host", "evil.test"), 403),
        (ask().bearer("secret").path("/other"), 404),
        (ask(), 401),
        (ask().bearer("secre"), 401),
        (ask().path("/?token=secret"), 401),
    ] {
        assert_eq!(upgrade.open().await.unwrap_err().status(), Some(status));
    }
    assert!(ask().bearer("secret").replace("Host", "executor.test:1").open().await.is_ok());
    assert_eq!(executor.readyz().await, 200, "exempt from the token");
}

/// Proves that an executor does not start where others could reach it without saying who they are.
#[tokio::test]
async fn case_082_an_exposed_listener_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let config = Config { listen: Listen::Ws(address), ..Config::default() };
        let Err(StartError::Exposed { address: refused, lacks }) = Executor::bind(config).await else {
            panic!("{address}")
        };
        assert_eq!((refused, lacks), (address, "neither authentication nor TLS"));
    }
}

/// Proves that an address that is taken is named.
#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let executor = Running::start().await;
    let config = Config { listen: Listen::Ws(executor.address), ..Config::default() };
    let error = Executor::bind(config).await.err().unwrap();
    assert!(error.to_string().contains(&executor.address.to_string()), "{error}");
}

/// Proves that nothing an executor publishes grows with the hosts and paths that were asked for: there are no metrics, and
/// what it says of its readiness stays as it is.
#[tokio::test]
async fn case_119_nothing_published_grows_with_what_was_asked() {
    let executor = Running::start().await;
    let mut peer = executor.connect().await;
    for host in 1..=100 {
        let answer = peer.request(get(format!("http://127.0.0.{host}:1/{host}?{host}"))).await;
        assert_eq!(kind(&answer), "connect", "{answer}");
    }
    for path in ["/metrics", "/metrics/", "/stats", "/debug"] {
        let probe = Upgrade::to(executor.address).path(path).without("upgrade").without("connection");
        assert_eq!(probe.open().await.unwrap_err().status(), Some(404), "{path}");
    }
    assert_eq!(executor.readyz().await, 200);
}
