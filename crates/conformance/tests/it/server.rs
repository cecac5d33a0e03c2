//! The server that gateways are tested with.

use crate::support::{Server, assert_identical};
use afield_conformance::{Check, REVISIONS, Results, Suite};
use afield_testkit::require_or_skip;

/// Proves that the server implements all the suite asks for in both revisions, so that whatever a relay breaks is seen,
/// and that the results of a run can be compared at all: a second one is identical.
#[tokio::test]
async fn the_conformance_server_passes_every_check() {
    let suite = require_or_skip!(Suite::install());
    for (revision, checks) in REVISIONS.into_iter().zip([83, 153]) {
        let server = Server::start().await;
        let results = suite.server(&server.url, revision).await;
        for status in ["FAILURE", "WARNING"] {
            assert_eq!(results.of(status), Vec::<&Check>::new(), "{revision}");
        }
        assert_eq!(results.count("SUCCESS"), checks, "{revision}");
        assert_identical(revision, &suite.server(&server.url, revision).await, &results);
    }
}

/// Proves that equality, not a total, is what tells a server from none.
#[tokio::test]
async fn a_server_that_is_not_there_passes_checks_but_is_told() {
    let suite = require_or_skip!(Suite::install());
    let server = Server::start().await;
    let there = suite.server(&server.url, REVISIONS[0]).await;
    let nobody = afield_testkit::dead::Refusing::on("127.0.0.1");
    let gone: Results = suite.server(&format!("http://{}/mcp", nobody.address()), REVISIONS[0]).await;
    assert!(gone.count("SUCCESS") > 0);
    assert!(!there.differences(&gone).is_empty());
}
