//! What callers are told, and what is for the operator's log alone.

use crate::support::{World, public_only};
use afield_egress::{CaPolicy, Policy, Preset, Rule};
use afield_exchange::Kind;
use afield_testkit::Origin;
use afield_testkit::dead::Refusing;
use afield_testkit::names::NameError;
use afield_testkit::tls::Ca;

/// Proves that a caller's text is one of a fixed table, without an address, a rule, a host or a detail of TLS that the caller
/// did not give, while the log has them.
#[tokio::test]
async fn case_120_the_caller_is_told_no_more_than_the_table_says() {
    let (ca, other) = (Ca::new(), Ca::new());
    let tls = other.issue(&["very-internal.test"]).server().build();
    let stranger = Origin::builder().ip([127, 1, 0, 1]).tls(tls).start().await.unwrap();
    let refusing = Refusing::on("127.1.0.1");
    let (preset, mut rules) = (Preset::PublicOnly, public_only().parts().1.to_vec());
    rules.push(Rule::deny().host("*.rule.test").unwrap().named("the-secret-project").unwrap());
    let world = World::with(|config| {
        config.policy = Policy::new(preset, rules);
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
    });
    world.names.host("inside.test", ["127.66.0.1"]);
    world.names.host("closed.test", ["127.1.0.1"]);
    world.names.host("tls.test", ["127.1.0.1"]);
    world.names.fails("broken.test", NameError::ServerFailure);
    let redirecting = Origin::on("127.1.0.1").await;
    let to_inside = redirecting.url("/redirect?to=http://inside.test/");
    for (url, kind, text, log) in [
        (
            "http://inside.test/".to_owned(),
            Kind::PolicyDenied,
            "the operator's policy denies this destination",
            "127.66.0.1",
        ),
        (
            to_inside,
            Kind::PolicyDenied,
            "the operator's policy denies the destination of a redirect",
            "127.66.0.1",
        ),
        (
            "http://a.rule.test/".to_owned(),
            Kind::PolicyDenied,
            "the operator's policy denies this destination",
            "the-secret-project",
        ),
        ("http://broken.test/".to_owned(), Kind::Dns, "the host name cannot be resolved", "10.9.8.7"),
        (
            format!("http://closed.test:{}/", refusing.address().port()),
            Kind::Connect,
            "the origin refused the connection",
            "refused",
        ),
        (
            stranger.url_as("tls.test", "/"),
            Kind::Tls,
            "the origin's certificate was issued by nobody this executor trusts",
            "UnknownIssuer",
        ),
    ] {
        let error = world.refused(url.clone()).await;
        assert_eq!((error.kind(), error.message()), (kind, text), "{url}");
        let logged = error.log().unwrap();
        assert!(logged.contains(log), "{url}: {logged}");
        let shown = format!("{error} {error:?}");
        for hidden in ["127.", "10.9", "very-internal", "inside.test", "the-secret-project", "rule.test"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
