//! The suite through the gateway: a relay that changes anything a client or a server can notice loses checks.

mod servers;

use crate::support::assert_identical;
use afield_client::{HttpClient, Remote, RemoteConfig};
use afield_conformance::{Check, REVISIONS, Suite};
use afield_executor::{Executor, Listen};
use afield_gateway::{Config, Gateway, Route};
use afield_testkit::require_or_skip;
use servers::Server;
use std::{net::SocketAddr, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A gateway whose requests leave from an executor, both ended on drop.
struct Through {
    address: SocketAddr,
    _running: JoinSet<()>,
}

impl Through {
    /// With these servers as routes, and a forward proxy.
    async fn start(servers: &[(&str, &str)]) -> Self {
        let mut running = JoinSet::new();
        let listen = Listen::Ws(([127, 0, 0, 1], 0).into());
        let config = afield_executor::Config { listen, ..afield_executor::Config::default() };
        let executor = Executor::bind(config).await.unwrap();
        let url = format!("ws://{}", executor.local_addr().unwrap());
        running.spawn(executor.run(CancellationToken::new()));
        let client: Arc<dyn HttpClient> = Arc::new(Remote::connect(RemoteConfig::new(url)).await.unwrap());
        let route = |(name, url): &(&str, &str)| Route::new(*name, *url, client.clone()).unwrap();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            routes: servers.iter().map(route).collect(),
            proxy: Some(client.clone()),
            ..Config::default()
        };
        let gateway = Gateway::bind(config).await.unwrap();
        let address = gateway.local_addr();
        running.spawn(gateway.run(CancellationToken::new()));
        Self { address, _running: running }
    }
}

/// Runs the server suite directly and through the gateway, each time on a fresh server, and compares check by check. `least` is
/// how many checks succeed directly at least, in each revision: else an absent server would be equal to itself.
async fn compare(suite: &Suite, start: impl AsyncFn() -> Server, least: [usize; 2]) {
    for (revision, least) in REVISIONS.into_iter().zip(least) {
        let direct = start().await;
        let expected = suite.server(&direct.url, revision).await;
        assert!(expected.count("SUCCESS") >= least, "{revision}: {}", expected.count("SUCCESS"));
        let behind = start().await;
        let through = Through::start(&[("server", &behind.url)]).await;
        let results = suite.server(&format!("http://{}/server", through.address), revision).await;
        let differences = expected.differences(&results);
        assert!(differences.is_empty() || differences == BETTER, "{revision}:\n{}", differences.join("\n"));
    }
}

/// The one difference that is wanted: the gateway refuses a `Host` that is not its own, whether or not the server behind it
/// would.
const BETTER: [&str; 2] = [
    "- dns-rebinding-protection: localhost-host-rebinding-rejected FAILURE (1 times)",
    "+ dns-rebinding-protection: localhost-host-rebinding-rejected SUCCESS (1 times)",
];

/// Proves that a server which implements all the suite asks for has the same result of every check through the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn a_complete_server_is_the_same_through_the_gateway() {
    let suite = require_or_skip!(Suite::install());
    compare(&suite, Server::complete, [83, 153]).await;
}

/// Proves the same of a server that others have written on the official TypeScript SDK.
#[tokio::test(flavor = "multi_thread")]
async fn a_typescript_server_is_the_same_through_the_gateway() {
    let suite = require_or_skip!(Suite::install());
    let program = require_or_skip!(servers::everything());
    compare(&suite, async || Server::everything(&program).await, [47, 11]).await;
}

/// Proves the same of a server on the official Python SDK.
#[tokio::test(flavor = "multi_thread")]
async fn a_python_server_is_the_same_through_the_gateway() {
    let suite = require_or_skip!(Suite::install());
    let python = require_or_skip!(servers::python());
    compare(&suite, async || Server::python(&python).await, [60, 110]).await;
}

/// Proves that a client which knows of nothing but `HTTP_PROXY` gets the same result of every check when its requests leave from
/// an executor: sessions, streams, retries, and logins, whose URLs must not change.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_suite_is_the_same_through_the_forward_proxy() {
    const CLIENT: &str = env!("CARGO_BIN_EXE_conformance-client");
    let suite = require_or_skip!(Suite::install());
    let through = Through::start(&[]).await;
    let proxy = format!("HTTP_PROXY=http://{}", through.address);
    for (revision, checks) in REVISIONS.into_iter().zip([268, 410]) {
        let expected = suite.client(&["env", "NO_PROXY=", "HTTP_PROXY=", CLIENT, "reqwest"], revision).await;
        assert_eq!(expected.of("FAILURE"), Vec::<&Check>::new(), "{revision}");
        assert_eq!(expected.count("SUCCESS"), checks, "{revision}");
        let results = suite.client(&["env", "NO_PROXY=", &proxy, CLIENT, "reqwest"], revision).await;
        assert_identical(revision, &results, &expected);
    }
}
