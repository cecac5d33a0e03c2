//! Ways to an executor.

use crate::support::{Running, config};
use afield_config::Variables;
use afield_exchange::{Kind, Request};
use afield_executor::Listen;
use afield_placement::Placements;
use afield_testkit::{Origin, within};

/// Proves that everything placed at one executor shares one connection to it, over a Unix socket too.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_has_one_client_over_a_unix_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("x.sock");
    let executor = Running::with(|executor| {
        executor.listen = Listen::Unix(socket.clone());
    })
    .await;
    let origin = Origin::start().await;
    let text = format!("[executors.box]\nurl = \"unix:{}\"\n", socket.display());
    let config = config(&text);
    let placements = Placements::new(Variables::of([("HOME", "/nowhere")]));
    let (one, other) = (placements.named(&config, "box").unwrap(), placements.named(&config, "box").unwrap());
    for client in [&one, &other] {
        let answer = within("the answer", client.call(Request::get(origin.url("/echo")))).await.unwrap();
        assert_eq!(answer.head.status, 200);
    }
    let first = placements.executor(&config.executors["box"]).remote().await.unwrap().connected().unwrap();
    let again = placements.executor(&config.executors["box"]).remote().await.unwrap().connected().unwrap();
    assert_eq!(first.session_id, again.session_id);
    assert!(placements.named(&config, "bxo").is_err());
    placements.close().await;
    drop(executor);
}

/// Proves that a token is read when it is needed, and that one that cannot be read is the error of who needs it, and
/// mends itself when the file is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_when_it_is_needed() {
    let executor = Running::with(|_| {}).await;
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let text = format!("[executors.box]\nurl = \"{}\"\ntoken_file = \"{}\"\n", executor.url, token.display());
    let config = config(&text);
    let placements = Placements::new(Variables::of([("HOME", "/nowhere")]));
    let client = placements.named(&config, "box").unwrap();
    let error = client.call(Request::get(origin.url("/echo"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(error.message().contains("box") && error.message().contains("token"), "{error}");
    assert_eq!(origin.accepted(), 0);
    std::fs::write(&token, "secret\n").unwrap();
    let answer = within("the answer", client.call(Request::get(origin.url("/echo")))).await.unwrap();
    assert_eq!(answer.head.status, 200);
}
