use afield_testkit::{Origin, Upgrade, pattern, require_or_skip, tools};
use serde_json::json;

/// Proves that the reference can be installed, started and spoken to in the base dialect.
#[tokio::test]
async fn the_reference_answers_a_base_call() {
    let codex = require_or_skip!(tools::codex());
    let server = require_or_skip!(codex.exec_server().await);
    let origin = Origin::start().await;
    let mut peer = Upgrade::to(server.address()).open().await.unwrap();
    let session = peer.initialize(json!({ "clientName": "testkit" })).await;
    assert!(session["sessionId"].is_string());
    let body =
        json!({ "method": "POST", "url": origin.url("/upload"), "requestId": "1", "bodyBase64": "aGVsbG8=" });
    let answer = peer.call("http/request", body).await;
    assert_eq!(answer["result"]["status"], 200, "{answer}");
    assert_eq!(origin.request(0).await.body(), Some((5, pattern::sha256_of("hello"))));
}

/// Proves that what cannot be installed is said to be unavailable, with the reason.
#[tokio::test]
async fn what_cannot_be_installed_is_unavailable() {
    let unavailable = tools::npm("./no-such-package", "1").unwrap_err();
    assert!(unavailable.to_string().contains("npm"), "{unavailable}");
}
