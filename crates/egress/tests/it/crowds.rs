//! Many calls at once, over connections that come and go.

use crate::support::{World, public_only};
use afield_exchange::Request;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::{Origin, within};

const CLOSING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const STAYING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Proves that every new connection knows its hop, on whatever thread it is made: names are resolved and vetted while many
/// calls race each other for connections of which half are closed after one answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_connection_of_a_crowd_is_vetted() {
    let closing = Script::new().expect_request().send(CLOSING).close();
    let builder = (0..200).fold(RawOrigin::builder().ip([127, 1, 0, 1]), |builder, _| {
        builder.script(closing.clone()).script(Script::answering(STAYING))
    });
    let origin = builder.otherwise(Script::answering(STAYING)).start().await.unwrap();
    let world = World::under(public_only());
    world.names.host("crowd.test", ["127.1.0.1"]);
    let calls = (0..500).map(|_| {
        let (world, url) = (world.clone(), origin.url_as("crowd.test", "/"));
        tokio::spawn(async move { world.get(url).await.unwrap().body })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(within("a call of the crowd ends", call).await.unwrap(), "ok");
    }
    assert!(world.names.total_calls() >= origin.accepted());
}

/// Proves that one slow origin delays nobody: while as many calls as there could be wait for it, another is answered.
#[tokio::test]
async fn case_100_a_slow_origin_delays_nobody() {
    let (slow, fast) = (Origin::start().await, Origin::start().await);
    let world = World::new();
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let (world, url) = (world.clone(), slow.url("/slow-head"));
            tokio::spawn(async move { world.egress.call(Request::get(url)).await })
        })
        .collect();
    slow.request(199).await;
    assert_eq!(world.get(fast.url("/echo")).await.unwrap().head.status, 200);
    slow.open_gate("slow-head");
    for call in waiting {
        assert_eq!(within("a waiting call ends", call).await.unwrap().unwrap().head.status, 200);
    }
}
