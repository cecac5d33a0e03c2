//! Rules that could never match, and rules that could be slipped past by writing.

use crate::support::World;
use afield_egress::{
    Destination, HostPattern, Place, Policy, Preset, Rule, RuleError, Scheme, Upstream, UpstreamError,
    Upstreams,
};
use afield_exchange::{Kind, Request};
use afield_testkit::Origin;

/// Proves that a rule which denies a method denies it in any case, and sends others as they are written (case 158).
#[tokio::test]
async fn case_158_a_denied_method_is_denied_in_any_case() {
    let origin = Origin::start().await;
    for written in ["DELETE", "delete", "Delete"] {
        let deny = Rule::deny().host("localhost").unwrap().methods([written]).unwrap();
        let world = World::under(Policy::new(Preset::Standard, [deny]));
        for method in ["DELETE", "delete", "DeLeTe"] {
            let url = origin.url_as("LOCALHOST.", "/echo");
            let error = world.call(Request::new(method, url)).await.unwrap_err();
            assert_eq!(error.kind(), Kind::PolicyDenied, "{written} {method}");
        }
        world.call(Request::new("dElEtEd", origin.url_as("localhost", "/echo"))).await.unwrap();
        assert_eq!(origin.requests().pop().unwrap().method(), "dElEtEd");
    }
}

/// Proves that what no request can have for its host or method is refused in a rule, with how to write it (case 182).
#[test]
fn case_182_what_no_rule_can_match_is_refused_with_its_spelling() {
    for (host, why) in [
        ("https://api.test", "write `api.test`, and put \"https\" into scheme"),
        ("https://api.test:8443/v1", "write `api.test`, and put \"https\" into scheme and 8443 into ports"),
        ("api.test:443", "write `api.test`, and put 443 into ports"),
        ("[::1]:80", "write `[::1]`, and put 80 into ports"),
        ("api.test/v1", "write `api.test`: rules are for hosts"),
        (".api.test", "write `*.api.test` for every name below it"),
        (" api.test", "write `api.test`, without the space"),
        ("user:canary@api.test", "a user name means nothing here"),
        ("10.0.0.0/8", "this is a network: networks is the key"),
        ("*", "leave hosts out to mean every host"),
        ("ht!tp", "invalid character"),
        ("a..test", "empty label"),
        ("a b.test", "invalid"),
        ("*.10.0.0.1", "give a CIDR"),
        ("api.*.test", "only for whole labels at the start"),
        ("*api.test", "only for whole labels at the start"),
        ("", "only for whole labels at the start"),
    ] {
        let error = Rule::deny().host(host).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RuleError::Host { .. }) && said.contains(why), "{host}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    assert!(Rule::deny().host(&"a".repeat(64)).is_err());
    for (place, why) in [
        ("https://api.test/v1", "write `api.test:443`, without the scheme"),
        ("http://api.test", "write `api.test:80`, without the scheme"),
        ("https://api.test:1", "write `api.test:1`, without the scheme"),
        (".api.test", "write `*.api.test`"),
        ("api.test:https", "not a number from 1 to 65535"),
        ("ht!tp:80", "invalid character"),
    ] {
        let said = Place::parse(place).unwrap_err().to_string();
        assert!(said.contains(why), "{place}: {said}");
    }
    for method in ["", "G T", "GET,POST", "*", "TRACE", "connect", "d\u{e9}lete"] {
        let error = Rule::deny().methods([method]).unwrap_err();
        assert!(matches!(error, RuleError::Method { .. }), "{method}: {error}");
    }
    assert!(matches!(Rule::deny().methods([] as [&str; 0]), Err(RuleError::Method { .. })));
}

/// Proves that a rule which says what is always denied, or contradicts itself, says so, and that its neighbours do not
/// (case 182).
#[test]
fn case_182_a_rule_that_is_always_overruled_says_so() {
    let allow = Rule::allow;
    let network = |network: &str| allow().network(network).unwrap();
    let named = |host: &str, network: &str| allow().host(host).unwrap().network(network).unwrap();
    for (rule, moot) in [
        (network("0.0.0.0/8"), true),
        (network("0.1.2.3"), true),
        (network("::"), true),
        (network("::ffff:0.0.0.0"), true),
        (network("0.0.0.0/0"), false),
        (network("::/0"), false),
        (network("169.254.169.254"), true),
        (network("169.254.169.254").ports(80..=81).unwrap(), true),
        (network("169.254.169.254").port(80).unwrap(), false),
        (network("169.254.0.0/16"), false),
        (allow().host("metadata.google.internal.").unwrap(), true),
        (allow().host("Metadata.Google.Internal").unwrap().port(80).unwrap(), false),
        (allow().host("*.google.internal").unwrap(), false),
        (named("localhost", "10.0.0.0/8"), true),
        (named("*.localhost", "10.0.0.0/8"), true),
        (named("localhost", "127.0.0.0/8"), false),
        (named("localhost", "::1"), false),
        (named("api.test", "10.0.0.0/8"), false),
        (Rule::deny().network("0.0.0.0/8").unwrap(), false),
        (Rule::deny().host("localhost").unwrap().network("10.0.0.0/8").unwrap(), true),
    ] {
        assert_eq!(rule.is_moot().is_some(), moot, "{rule}: {:?}", rule.is_moot());
    }
}

/// Proves that an upstream which another takes everything from is refused, and one that keeps something is not (case 182).
#[test]
fn case_182_an_upstream_in_anothers_shadow_is_refused() {
    let rule = |name: &str, places: &[&str], principals: &[&str]| {
        Upstream::new(name, places.iter().copied()).unwrap().principals(principals.iter().copied())
    };
    for (first, second, shadowed) in [
        (rule("a", &["*"], &[]), rule("b", &["api.test"], &[]), true),
        (rule("a", &["*.test", "10.0.0.1"], &[]), rule("b", &["api.test:1", "10.0.0.1:2"], &["ci"]), true),
        (rule("a", &["*"], &["ci"]), rule("b", &["api.test"], &["ci"]), true),
        (rule("a", &["*"], &["ci"]), rule("b", &["api.test"], &[]), false),
        (rule("a", &["*"], &["ci"]), rule("b", &["api.test"], &["ci", "ops"]), false),
        (rule("a", &["*:80"], &[]), rule("b", &["api.test"], &[]), false),
        (rule("a", &["*.test"], &[]), rule("b", &["api.test", "b.example"], &[]), false),
        (rule("a", &["*.test"], &[]), rule("b", &["test"], &[]), false),
    ] {
        let made = Upstreams::new([first, second]);
        assert_eq!(matches!(made, Err(UpstreamError::Shadowed { .. })), shadowed, "{made:?}");
    }
}

/// Proves that a destination is judged alike however its host is written (case 158).
#[test]
fn case_158_the_writing_of_a_host_changes_no_verdict() {
    let deny = Rule::deny().host("Fa\u{df}.de.").unwrap();
    assert_eq!(deny.to_string(), "deny host xn--fa-hia.de");
    let below = HostPattern::Below("test".to_owned());
    let policy = Policy::new(Preset::Standard, [deny]);
    for host in ["xn--fa-hia.de", "XN--FA-HIA.DE", "xn--fa-hia.de."] {
        let destination = Destination { scheme: Scheme::Http, host, port: 80, method: "GET" };
        assert!(policy.decide_name(&destination).is_some(), "{host}");
    }
    assert!(below.matches("A.TEST.") && !below.matches("test.") && !below.matches("atest"));
}
