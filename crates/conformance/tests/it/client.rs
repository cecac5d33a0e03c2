//! The client suite by every route.

use crate::support::assert_identical;
use afield_conformance::{Check, REVISIONS, Suite};
use afield_executor::{Config, Executor, Listen};
use afield_testkit::require_or_skip;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const CLIENT: &str = env!("CARGO_BIN_EXE_conformance-client");

/// Proves that the same client gets the same result of every check, in both revisions, on the transport from here and
/// through an executor as on rmcp's own HTTP client: sessions, streams, retries, logins.
#[tokio::test(flavor = "multi_thread")]
async fn conformance_client_suite_is_identical_on_our_transport() {
    let suite = require_or_skip!(Suite::install());
    let config = Config { listen: Listen::Ws(([127, 0, 0, 1], 0).into()), ..Config::default() };
    let executor = Executor::bind(config).await.unwrap();
    let remote = format!("ws://{}", executor.local_addr().unwrap());
    let mut running = JoinSet::new();
    running.spawn(executor.run(CancellationToken::new()));

    for (revision, checks) in REVISIONS.into_iter().zip([268, 410]) {
        let expected = suite.client(&[CLIENT, "reqwest"], revision).await;
        // Else the client could do nothing, in the same way by every route.
        for status in ["FAILURE", "WARNING"] {
            assert_eq!(expected.of(status), Vec::<&Check>::new(), "{revision}");
        }
        assert_eq!(expected.count("SUCCESS"), checks, "{revision}");
        for route in ["local", remote.as_str()] {
            assert_identical(route, &suite.client(&[CLIENT, route], revision).await, &expected);
        }
    }
}

/// Proves that afield's own logins, and what it does when a server refuses a token, pass every check of the suite in both
/// revisions: none fails, none warns.
#[tokio::test(flavor = "multi_thread")]
async fn conformance_client_suite_passes_with_our_logins() {
    let suite = require_or_skip!(Suite::install());
    for (revision, checks) in REVISIONS.into_iter().zip([270, 439]) {
        let results = suite.client(&[CLIENT, "login"], revision).await;
        for status in ["FAILURE", "WARNING"] {
            assert_eq!(results.of(status), Vec::<&Check>::new(), "{revision}");
        }
        assert_eq!(results.count("SUCCESS"), checks, "{revision}");
    }
}
