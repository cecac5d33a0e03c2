use crate::{
    behaviours::{self, Bench},
    own::Own,
};
use afield_testkit::{Origin, require_or_skip, tools};
use std::net::SocketAddr;

/// Proves that afield's executor keeps every promise of the list.
#[tokio::test(flavor = "multi_thread")]
async fn afield_behaves_as_listed() {
    let own = Own::start().await;
    assert_behaves(own.address, |behaviour| behaviour.afield).await;
}

/// Proves that the reference does what the list says of it: that the differences are those that are documented, no
/// fewer and no more.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_behaves_as_listed() {
    let codex = require_or_skip!(tools::codex());
    let reference = require_or_skip!(codex.exec_server().await);
    assert_behaves(reference.address(), |behaviour| {
        behaviour.difference.as_ref().map_or(behaviour.afield, |difference| difference.reference)
    })
    .await;
}

async fn assert_behaves(executor: SocketAddr, expected: impl Fn(&behaviours::Behaviour) -> &'static str) {
    let bench = Bench { executor, origin: Origin::start().await };
    let mut wrong = Vec::new();
    for behaviour in behaviours::all().iter().flat_map(|(_, behaviours)| behaviours) {
        let seen = behaviour.observe.observe(&bench).await;
        if seen != expected(behaviour) {
            wrong.push(format!(
                "{}\n  expected: {}\n  seen:     {seen}",
                behaviour.when,
                expected(behaviour)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} behaviours are not as listed:\n{}", wrong.len(), wrong.join("\n"));
}
