//! A gateway that is killed.

use super::parts::{Gateways, Sdk};
use crate::support::{end, signal};
use afield_testkit::{require_or_skip, within};
use rustix::process::Signal;
use std::{net::TcpListener, time::Duration};

/// Proves that a host whose gateway was killed, and is there again, soon hears what its server says on its own: the stream that the
/// gateway had open keeps nobody out, at servers that allow one for a session, and hosts give up after two refusals (case 200).
async fn host_hears_its_server_again(sdk: Sdk) {
    let (_server, url) = sdk.server().await;
    let gateways = Gateways::to(&url).await;
    // Hosts give up after two attempts, however soon the next gateway is there: the socket outlives it.
    let socket = TcpListener::bind(gateways.address).unwrap();
    let mut gateway = gateways.start_on(&socket).await;
    let mut host = sdk.host(&gateways.url()).await;
    host.does("tell").await;
    signal(&gateway, Signal::KILL);
    end(&mut gateway).await;
    let _gateway = gateways.start_on(&socket).await;
    // A minute goes by where the executor keeps the stream.
    let told = tokio::time::timeout(Duration::from_secs(15), host.does("tell")).await;
    eprintln!("{}", told.expect("the stream is there again"));
    within("the host goes on", host.does("call")).await;
}

/// With the Python SDK: [`host_hears_its_server_again`] (case 200).
#[tokio::test(flavor = "multi_thread")]
async fn killed_gateway_leaves_no_stream_behind_at_a_python_server() {
    host_hears_its_server_again(require_or_skip!(Sdk::python())).await;
}

/// With the TypeScript SDK: [`host_hears_its_server_again`] (case 200).
#[tokio::test(flavor = "multi_thread")]
async fn killed_gateway_leaves_no_stream_behind_at_a_typescript_server() {
    host_hears_its_server_again(require_or_skip!(Sdk::typescript())).await;
}
