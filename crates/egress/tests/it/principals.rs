//! What holds for whom: rules and policies of principals, and what is said of them beforehand.

use crate::support::{World, decide, public_only};
use afield_egress::{Decision, Policy, Preset, Rule, Verdict};
use afield_exchange::{Buffered, Error, Kind, Request, detail};
use afield_testkit::{Origin, within};

async fn get_as(world: &World, principal: &str, url: String) -> Result<Buffered, Error> {
    within("the call ends", world.egress.for_principal(principal).call(Request::get(url))).await
}

/// Proves that a rule which names principals holds for them alone, also to allow, and that a policy of their own replaces the
/// general one.
#[tokio::test]
async fn rules_hold_for_the_principals_they_name() {
    let origin = Origin::on("127.1.0.1").await;
    let allow = || Rule::allow().network("127.1.0.1").unwrap();
    let general = Policy::new(
        Preset::AllowList,
        [
            allow().principals(["ci", "ops"]).unwrap(),
            Rule::deny().principals(["ops"]).unwrap().named("ops-may-not").unwrap(),
        ],
    );
    assert!(!decide(&general, "127.1.0.1", 80).allowed, "asked of nobody in particular");
    assert!(decide(&general.of(Some("ci")), "127.1.0.1", 80).allowed);
    assert!(!decide(&general.of(Some("stranger")), "127.1.0.1", 80).allowed);
    let own = Policy::new(Preset::PublicOnly, [allow(), Rule::deny().principals(["guest"]).unwrap()]);
    let world = World::under(
        general
            .with_principals(["tester", "guest"], own.clone())
            .with_principals(["guest"], Policy::default()),
    );
    let url = || origin.url("/echo");
    assert!(get_as(&world, "ci", url()).await.is_ok());
    assert!(get_as(&world, "tester", url()).await.is_ok(), "by its own policy");
    for (principal, rule) in [("ops", "ops-may-not"), ("guest", "deny"), ("stranger", "allow-list/unlisted")]
    {
        let error = get_as(&world, principal, url()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::PolicyDenied, "{principal}");
        assert!(error.log().unwrap().ends_with(&format!("denied by {rule}")), "{:?}", error.log());
        assert!(!error.message().contains(rule));
    }
    let nobody = world.refused(url()).await;
    assert_eq!(nobody.kind(), Kind::PolicyDenied, "a rule for principals is not for nobody in particular");
    assert_eq!(origin.received(), 2);
}

/// Proves that a connection which was allowed to one principal serves no other for whom the address behind the name is denied.
#[tokio::test]
async fn case_035_a_pooled_connection_serves_nobody_it_is_denied_to() {
    let origin = Origin::on("127.1.0.1").await;
    let closed = Rule::deny().network("127.1.0.0/16").unwrap().principals(["guest"]).unwrap();
    let (preset, mut rules) = (Preset::PublicOnly, public_only().parts().1.to_vec());
    rules.push(closed);
    let world = World::under(Policy::new(preset, rules));
    world.names.host("pooled.test", ["127.1.0.1"]);
    let url = || origin.url_as("pooled.test", "/echo");
    for principal in ["ci", "ops"] {
        get_as(&world, principal, url()).await.unwrap();
    }
    assert_eq!(origin.accepted(), 2, "each principal has connections of its own (case 122)");
    assert_eq!(get_as(&world, "guest", url()).await.unwrap_err().kind(), Kind::PolicyDenied);
    assert_eq!((origin.accepted(), origin.received()), (2, 2));
}

/// Proves that after a new policy a name whose connection is pooled is judged by its address anew, that its idle connection is
/// gone, and that an upload and a body which are under way go on to their ends.
#[tokio::test]
async fn case_035_a_reload_forgets_pooled_names_and_lets_streams_go_on() {
    let origin = Origin::on("127.1.0.1").await;
    let world = World::under(public_only());
    world.names.host("pooled.test", ["127.1.0.1"]);
    let url = |path| origin.url_as("pooled.test", path);
    world.get(url("/echo")).await.unwrap();
    let running = world.egress.send(Request::get(url("/half/100000?then=rest"))).await.unwrap();
    let call = tokio::spawn({
        let (world, url) = (world.clone(), url("/echo?gate=answer"));
        async move { world.get(url).await }
    });
    origin.request(2).await;

    world.reload(Policy::new(Preset::Standard, [Rule::deny().network("127.1.0.1").unwrap()]));
    assert_eq!(world.refused(url("/echo")).await.kind(), Kind::PolicyDenied);
    origin.open_gate("answer");
    assert_eq!(call.await.unwrap().unwrap().head.status, 200, "what waited for its head was answered");
    origin.open_gate("rest");
    assert_eq!(within("the body goes on", running.body.collect(100_000)).await.unwrap().len(), 100_000);
    for connection in origin.connections() {
        connection.wait_closed().await;
    }
}

/// Proves that an explanation says what the policy does, for whom, by which rule, and resolves nothing unless asked to.
#[tokio::test]
async fn a_destination_is_explained_before_anything_is_sent() {
    let policy = Policy::new(
        Preset::PublicOnly,
        [
            Rule::allow().host("open.test").unwrap().named("the-open-one").unwrap(),
            Rule::allow().network("10.0.0.0/8").unwrap().principals(["ops"]).unwrap(),
            Rule::deny().host("closed.test").unwrap(),
            Rule::deny().methods(["DELETE"]).unwrap().named("no-deletes").unwrap(),
        ],
    );
    let world = World::under(policy).sealed();
    world.names.host("open.test", ["127.0.0.1"]);
    world.names.host("mixed.test", ["8.8.8.8", "10.0.0.1"]);
    let explain = async |principal: &str, method: &str, url: &str, resolve: bool| {
        world.egress.for_principal(principal).explain(method, url, resolve).await.unwrap()
    };
    let allowed = |rule: &str| Verdict::Allowed(rule.to_owned());
    let denied = |rule: &str| Verdict::Denied(rule.to_owned());
    let depends =
        |allowed: bool, rule: &str| Verdict::DependsOnAddresses(Decision { allowed, rule: rule.to_owned() });
    for (principal, method, url, verdict) in [
        ("ci", "GET", "http://0x7f.1/", denied("public-only/loopback")),
        ("ci", "GET", "http://localhost/", denied("public-only/loopback")),
        ("ci", "GET", "http://8.8.8.8/", allowed("public-only/public")),
        ("ci", "GET", "http://10.1.2.3/", denied("public-only/private")),
        ("ops", "GET", "http://10.1.2.3/", allowed("allow network 10.0.0.0/8")),
        ("ci", "DELETE", "http://8.8.8.8/", denied("no-deletes")),
        ("ci", "GET", "https://closed.test/", denied("deny host closed.test")),
        ("ci", "GET", "https://metadata.google.internal/", denied("metadata")),
        ("ci", "GET", "https://open.test/", depends(true, "the-open-one")),
        ("ci", "GET", "https://mixed.test/", depends(true, "public-only/public")),
    ] {
        assert_eq!(
            explain(principal, method, url, false).await.verdict,
            verdict,
            "{principal} {method} {url}"
        );
    }
    assert_eq!(world.names.total_calls(), 0, "nothing was resolved");

    let open = explain("ci", "GET", "https://OPEN.test:8443/?q", true).await;
    assert_eq!((open.host.as_str(), open.port, open.verdict), ("open.test", 8443, allowed("the-open-one")));
    let mixed = explain("ci", "GET", "https://mixed.test/", true).await;
    assert_eq!(mixed.verdict, denied("public-only/private"));
    let said: Vec<_> =
        mixed.addresses.iter().map(|(address, said)| (address.to_string(), said.allowed)).collect();
    assert_eq!(said, [("8.8.8.8".to_owned(), true), ("10.0.0.1".to_owned(), false)]);
    assert_eq!(
        explain("ops", "GET", "https://mixed.test/", true).await.verdict,
        allowed("public-only/public")
    );
    assert_eq!(world.dials(), 0);

    let missing = world.egress.explain("GET", "https://missing.test/", true).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::Dns);
    let unsound = world.egress.explain("GET", "nonsense", false).await.unwrap_err();
    assert_eq!(unsound.detail(), Some(detail::URL));
}

/// Proves that a rule or a list of principals that would silently mean something else is refused.
#[test]
fn rules_without_sense_are_refused() {
    assert!(Rule::allow().named("").is_err());
    assert!(Rule::allow().named("a\nb").is_err());
    assert!(Rule::allow().principals(Vec::<String>::new()).is_err(), "for nobody would read as for anyone");
    assert!(Rule::allow().principals([""]).is_err());
    let shown = Rule::deny().port(22).unwrap().principals(["a", "b"]).unwrap().to_string();
    assert_eq!(shown, "deny port 22 principals a,b");
}
