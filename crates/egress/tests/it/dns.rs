//! Section B: names, answers, and what is dialled.

use crate::support::{World, public_only};
use afield_egress::{Policy, Preset, Resolve, Rule, SystemResolver};
use afield_exchange::{Blame, Kind, Phase, Request, Retry, detail};
use afield_testkit::dead::Refusing;
use afield_testkit::names::NameError;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::{Origin, within};
use std::time::Duration;

const CLOSING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// Proves that each hop resolves once, that a pooled connection resolves nothing, and that a new connection is vetted anew.
#[tokio::test]
async fn case_027_a_rebound_name_is_vetted_anew() {
    let origin = RawOrigin::builder()
        .ip([127, 1, 0, 1])
        .script(
            Script::new()
                .expect_request()
                .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .expect_request()
                .send(CLOSING),
        )
        .start()
        .await
        .unwrap();
    let world = World::under(public_only());
    world.names.host("rebound.test", ["127.1.0.1"]);
    world.names.host("rebound.test", ["127.66.0.1"]);
    let url = origin.url_as("rebound.test", "/");
    world.get(&url).await.unwrap();
    assert_eq!(world.names.calls("rebound.test"), 1);
    world.get(&url).await.unwrap();
    assert_eq!(world.names.calls("rebound.test"), 1, "the pooled connection needs no answer");
    let error = world.refused(&url).await;
    assert_eq!((error.kind(), error.hop()), (Kind::PolicyDenied, Some(0)));
    assert_eq!(world.names.calls("rebound.test"), 2);
}

/// Proves that a redirect to a name is a hop of its own with an answer of its own.
#[tokio::test]
async fn case_027_a_redirect_is_resolved_and_vetted_by_itself() {
    let origin = Origin::on("127.1.0.1").await;
    let world = World::under(public_only());
    world.names.host("first.test", ["127.1.0.1"]);
    world.names.host("second.test", ["127.66.0.1"]);
    let second = origin.url_as("second.test", "/echo");
    let error = world.refused(origin.url_as("first.test", &format!("/redirect?to={second}"))).await;
    assert_eq!((error.kind(), error.hop()), (Kind::PolicyDenied, Some(1)));
    assert_eq!(world.names.asked(), ["first.test", "second.test"]);
    assert_eq!(origin.received(), 1);
}

/// Proves that one denied answer denies the whole name, that the log says which, and that the caller is not told.
#[tokio::test]
async fn case_028_029_one_denied_answer_denies_the_name() {
    let world = World::under(public_only());
    let origin = Origin::on("127.1.0.1").await;
    for (name, answers) in [
        ("mixed.test", ["127.1.0.1", "127.66.0.1"]),
        ("reverse.test", ["127.66.0.1", "127.1.0.1"]),
        ("aaaa.test", ["127.1.0.1", "::1"]),
        ("mapped.test", ["127.1.0.1", "::ffff:127.66.0.1"]),
    ] {
        world.names.host(name, answers);
        let error = world.refused(origin.url_as(name, "/")).await;
        assert_eq!((error.kind(), error.blame()), (Kind::PolicyDenied, Blame::Operator), "{name}");
        assert!(!error.message().contains("127.") && !error.message().contains("::1"), "{}", error.message());
        let log = error.log().unwrap();
        assert!(log.contains("public-only/loopback") && log.contains(name), "{log}");
        assert!(log.contains("127.66.0.1") || log.contains("::1"), "{log}");
    }
    assert_eq!(origin.accepted(), 0);
}

/// Proves that a name without an address is a DNS failure that is safe to retry, without the resolver's own text.
#[tokio::test]
async fn case_030_unresolved_names_are_dns_failures() {
    let world = World::new();
    world.names.fails("server.test", NameError::ServerFailure);
    world.names.fails("empty.test", NameError::Empty);
    world.names.host("none.test", []);
    for name in
        ["missing.test", "server.test", "empty.test", "none.test", "name.invalid", "invalid", "a.INVALID."]
    {
        let error = world.refused(format!("http://{name}/?canary")).await;
        assert_eq!((error.kind(), error.phase()), (Kind::Dns, Some(Phase::Dns)), "{name}");
        assert_eq!((error.retry(), error.hop()), (Retry::Safe, Some(0)), "{name}");
        assert!(!error.message().contains("10.9.8.7"), "{}", error.message());
        assert!(error.log().is_some_and(|log| log.contains(&name.to_lowercase()) && !log.contains("canary")));
    }
    assert!(!world.names.asked().iter().any(|name| name.ends_with("invalid")), "never asked for");
    let origin = Origin::start().await;
    let error = world.refused(origin.url("/redirect?to=http://missing.test/")).await;
    assert_eq!((error.kind(), error.retry(), error.hop()), (Kind::Dns, Retry::Unknown, Some(1)));
}

/// Proves that a resolver that hangs ends at the DNS deadline, or at the caller's if that comes first, safe to retry.
#[tokio::test]
async fn case_031_a_hanging_resolver_ends_at_the_deadline() {
    let world = World::with(|config| config.limits.dns = Duration::from_millis(20));
    world.names.hangs("hang.test");
    let error = world.refused("http://hang.test/").await;
    assert_eq!((error.kind(), error.phase(), error.retry()), (Kind::Timeout, Some(Phase::Dns), Retry::Safe));
    assert_eq!(error.detail(), None);

    let world = World::new();
    world.names.hangs("hang.test");
    let mut request = Request::get("http://hang.test/");
    request.timeout = Some(Duration::from_millis(20));
    let error = world.call(request).await.unwrap_err();
    assert_eq!((error.kind(), error.phase(), error.retry()), (Kind::Timeout, Some(Phase::Dns), Retry::Safe));
    assert_eq!(error.detail(), Some(detail::TOTAL));

    let world = World::with(|config| config.limits.connect = Duration::from_millis(20));
    world.names.hangs("hang.test");
    let error = world.refused("http://hang.test/").await;
    assert_eq!((error.kind(), error.phase(), error.retry()), (Kind::Timeout, Some(Phase::Dns), Retry::Safe));
}

/// Proves that of many answers the first 16 are tried, and no more.
#[tokio::test]
async fn case_032_sixteen_answers_are_tried() {
    let origin = Origin::on("127.1.0.99").await;
    let world = World::under(public_only());
    let dead: Vec<String> = (1..=16).map(|last| format!("127.1.0.{last}")).collect();
    let answers = |count: usize| {
        dead[..count]
            .iter()
            .map(String::as_str)
            .chain(std::iter::repeat_n("127.1.0.99", 1000))
            .collect::<Vec<_>>()
    };
    world.names.host("fifteen.test", answers(15));
    assert_eq!(world.get(origin.url_as("fifteen.test", "/echo")).await.unwrap().head.status, 200);
    world.names.host("sixteen.test", answers(16));
    let error = world.refused(origin.url_as("sixteen.test", "/echo")).await;
    assert_eq!((error.kind(), error.retry()), (Kind::Connect, Retry::Safe));
    assert_eq!(origin.accepted(), 1);
}

/// Proves that the vetted address is the one that is dialled.
#[tokio::test]
async fn case_033_the_vetted_address_is_dialled() {
    let right = Origin::on("127.1.0.1").await;
    let wrong = Origin::builder().address(([127, 1, 0, 2], right.port()).into()).start().await.unwrap();
    let world = World::under(public_only());
    world.names.host("name.test", ["127.1.0.1"]);
    world.get(right.url_as("name.test", "/echo")).await.unwrap();
    assert_eq!((right.accepted(), wrong.accepted()), (1, 0));
}

/// Proves that a dead first address gives way to the second.
#[tokio::test]
async fn case_034_a_refusing_address_gives_way_to_the_next() {
    let origin = Origin::on("127.1.0.2").await;
    let world = World::under(public_only());
    world.names.host("two.test", ["127.1.0.1", "127.1.0.2"]);
    assert_eq!(world.get(origin.url_as("two.test", "/echo")).await.unwrap().head.status, 200);
    let refusing = Refusing::on("127.1.0.3");
    world.names.host("none.test", ["127.1.0.3"]);
    let url = format!("http://none.test:{}/", refusing.address().port());
    let error = world.refused(url).await;
    assert_eq!((error.kind(), error.blame(), error.retry()), (Kind::Connect, Blame::Origin, Retry::Safe));
    assert!(!error.message().contains("127."), "{}", error.message());
}

/// Proves that a new policy takes no connection over, closes the idle ones, and lets what is running go on.
#[tokio::test]
async fn case_035_a_new_policy_takes_no_connection_over() {
    let origin = Origin::on("127.1.0.1").await;
    let world = World::under(public_only());
    world.get(origin.url("/echo")).await.unwrap();
    let mut running = world.egress.send(Request::get(origin.url("/half/100?then=rest"))).await.unwrap();
    assert_eq!(origin.accepted(), 1, "the connection is reused within a generation");
    world.get(origin.url("/echo")).await.unwrap();
    assert_eq!(origin.accepted(), 2);

    world.reload(Policy::new(Preset::PublicOnly, [Rule::deny().network("127.1.0.0/16").unwrap()]));
    assert_eq!(world.refused(origin.url("/echo")).await.kind(), Kind::PolicyDenied);
    origin.connection(1).await.wait_closed().await;
    origin.open_gate("rest");
    let mut length = 0;
    while let Some(bytes) = within("the body goes on", running.body.next()).await {
        length += bytes.unwrap().len();
    }
    assert_eq!(length, 100);

    world.reload(public_only());
    world.get(origin.url("/echo")).await.unwrap();
    assert_eq!(origin.accepted(), 3);
}

/// Proves that the system's resolver knows this machine and reports what it does not know.
#[tokio::test]
async fn the_systems_resolver_answers() {
    let resolver = SystemResolver::default();
    let found = resolver.resolve("localhost", None).await.unwrap();
    assert!(!found.is_empty() && found.iter().all(std::net::IpAddr::is_loopback), "{found:?}");
    assert!(resolver.resolve("not a name", None).await.is_err());
}
