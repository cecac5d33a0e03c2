//! Destinations that a request rules out for itself.

use crate::support::World;
use afield_exchange::{Blame, Kind, Request, Retry, RuledOut};
use afield_testkit::Origin;

fn ruling_out(url: impl Into<String>, ruled_out: RuledOut) -> Request {
    Request { ruled_out, ..Request::get(url) }
}

/// Proves that what a request rules out is refused where its name leads there too, before anything is sent and at every hop,
/// though the policy allows it and a connection is waiting; and that nothing else is refused (case 159).
#[tokio::test]
async fn case_159_a_request_rules_out_where_a_name_leads() {
    let origin = Origin::start().await;
    let world = World::new();
    world.names.host("near.test", ["127.0.0.1"]);
    let name = origin.url_as("near.test", "/echo");
    let loopback = RuledOut { loopback: true, ..RuledOut::default() };
    let link_local = RuledOut { link_local: true, ..RuledOut::default() };
    world.get(name.clone()).await.unwrap();
    let before = origin.received();
    for url in [
        name.clone(),
        origin.url_as("localhost", "/"),
        origin.url("/"),
        origin.url_as("[::ffff:127.0.0.1]", "/"),
    ] {
        for ruled_out in [loopback, RuledOut::NEAR] {
            let error = world.call(ruling_out(url.clone(), ruled_out)).await.unwrap_err();
            let said = (error.kind(), error.blame(), error.retry(), error.hop());
            assert_eq!(said, (Kind::PolicyDenied, Blame::Caller, Retry::No, Some(0)), "{url}: {error:?}");
            assert_eq!(error.message(), "the request itself rules out where this leads");
        }
    }
    assert_eq!(origin.received(), before);
    for ruled_out in [link_local, RuledOut::default()] {
        world.call(ruling_out(name.clone(), ruled_out)).await.unwrap();
    }
    for url in ["http://169.254.1.1/", "http://[fe80::1]/", "http://169.254.169.254/"] {
        let error = world.call(ruling_out(url, link_local)).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), (Kind::PolicyDenied, Blame::Caller), "{url}");
    }
    let error =
        world.call(ruling_out(origin.url("/redirect?to=http://169.254.1.1/"), link_local)).await.unwrap_err();
    assert_eq!((error.hop(), error.blame()), (Some(1), Blame::Caller), "{error:?}");
    assert_eq!(error.message(), "the request itself rules out where a redirect leads");
}
