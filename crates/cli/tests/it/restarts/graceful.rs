//! A gateway that is replaced, again and again, under hosts that call all the time.

use super::parts::{Gateways, Host, Sdk, started};
use afield_testkit::{Process, require_or_skip};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const RESTARTS: usize = 20;

/// Connects all the time, until it is told to stop, and says how often it was refused.
async fn knock(address: SocketAddr, stop: CancellationToken) -> usize {
    let mut refused = 0;
    while !stop.is_cancelled() {
        match TcpStream::connect(address).await {
            Ok(stream) => drop(stream),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => refused += 1,
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    refused
}

/// Has hosts call without a pause while `restarts` goes on, and looks whether a call was lost or somebody refused.
async fn nothing_is_lost(
    sdk: &Sdk,
    gateways: &Gateways,
    hosts: &mut [Host],
    restarts: impl Future<Output = ()>,
) {
    for host in &mut *hosts {
        assert_eq!(host.does("steady").await, "steady");
    }
    let stop = CancellationToken::new();
    let knocking = tokio::spawn(knock(gateways.address, stop.clone()));
    restarts.await;
    stop.cancel();
    for host in &mut *hosts {
        let said = host.does("stop").await;
        eprintln!("{said}");
        assert!(said.contains(" failed=0 "), "{said}");
    }
    assert_eq!(knocking.await.unwrap(), 0, "the port is never refused");
    // server-everything answers `Last-Event-ID` with events of other streams, too: its next stream is one of those.
    if matches!(sdk, Sdk::Python { .. }) {
        for host in &mut *hosts {
            host.does("tell").await;
        }
    }
}

/// Hosts at the gateway: on the SDK itself, and `afield mcp connect` under it.
async fn hosts(sdk: &Sdk, gateways: &Gateways) -> Vec<Host> {
    vec![sdk.host(&gateways.url()).await, sdk.host_of(&gateways.connect(&gateways.url())).await]
}

/// Proves that a gateway which is replaced by one that listens on the same socket, as systemd hands it on, loses no call of hosts
/// that call all the time, refuses nobody, and lets the server's own stream come back (case 201).
async fn nothing_is_lost_where_the_socket_is_handed_on(sdk: Sdk) {
    let (_server, url) = sdk.server().await;
    let gateways = Gateways::to(&url).await;
    let socket = TcpListener::bind(gateways.address).unwrap();
    let mut gateway = gateways.start_on(&socket).await;
    let mut hosts = hosts(&sdk, &gateways).await;
    let restarts = async {
        for _ in 0..RESTARTS {
            crate::support::signal(&gateway, rustix::process::Signal::TERM);
            assert_eq!(crate::support::end(&mut gateway).await, Some(0));
            gateway = gateways.start_on(&socket).await;
        }
    };
    nothing_is_lost(&sdk, &gateways, &mut hosts, restarts).await;
}

/// Proves the same where the next gateway listens beside the last one, which is stopped then (case 201).
async fn nothing_is_lost_where_the_port_is_shared(sdk: Sdk) {
    let (_server, url) = sdk.server().await;
    let gateways = Gateways::to(&url).await;
    let next = async || {
        let mut command = gateways.command();
        command.arg("--reuse-port");
        started(command).await
    };
    let mut gateway: Process = next().await;
    let mut hosts = hosts(&sdk, &gateways).await;
    let restarts = async {
        for _ in 0..RESTARTS {
            let after = next().await;
            let mut before = std::mem::replace(&mut gateway, after);
            before.terminate();
            assert!(before.wait_exit().await.success());
        }
    };
    nothing_is_lost(&sdk, &gateways, &mut hosts, restarts).await;
}

/// With the Python SDK: [`nothing_is_lost_where_the_socket_is_handed_on`] (case 201).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_with_a_socket_handed_on_loses_no_call_of_python_hosts() {
    nothing_is_lost_where_the_socket_is_handed_on(require_or_skip!(Sdk::python())).await;
}

/// With the TypeScript SDK: [`nothing_is_lost_where_the_socket_is_handed_on`] (case 201).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_with_a_socket_handed_on_loses_no_call_of_typescript_hosts() {
    nothing_is_lost_where_the_socket_is_handed_on(require_or_skip!(Sdk::typescript())).await;
}

/// With the Python SDK: [`nothing_is_lost_where_the_port_is_shared`] (case 201).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_beside_the_last_one_loses_no_call_of_python_hosts() {
    nothing_is_lost_where_the_port_is_shared(require_or_skip!(Sdk::python())).await;
}

/// With the TypeScript SDK: [`nothing_is_lost_where_the_port_is_shared`] (case 201).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_beside_the_last_one_loses_no_call_of_typescript_hosts() {
    nothing_is_lost_where_the_port_is_shared(require_or_skip!(Sdk::typescript())).await;
}
