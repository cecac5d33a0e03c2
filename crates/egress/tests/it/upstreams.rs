//! As whom, and by which way, origins are met.

use crate::proxies::{Speaks, TestProxy};
use crate::support::{World, sent};
use afield_egress::{
    CaPolicy, ClientCertificate, OwnListeners, Policy, Preset, Proxy, Rule, SecretSource, TlsVersion,
    Upstream, UpstreamCa, UpstreamError, Upstreams,
};
use afield_exchange::{Blame, Kind, Phase, Request, Retry, detail};
use afield_testkit::Origin;
use afield_testkit::dead::Refusing;
use afield_testkit::tls::{Ca, Version};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

fn upstream(name: &str, places: &[&str]) -> Upstream {
    Upstream::new(name, places.iter().copied()).unwrap()
}

fn world(ca: &Ca, upstreams: impl IntoIterator<Item = Upstream>) -> World {
    let upstreams = Upstreams::new(upstreams).unwrap().check_every(Duration::ZERO);
    World::with(|config| {
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
        config.upstreams = upstreams;
        // A network that no packet may go to: what would be sent there directly is not sent at all.
        config.policy = Policy::new(Preset::Standard, [Rule::allow().network("192.0.2.0/24").unwrap()]);
    })
}

/// A client certificate of this authority, in files of its own.
fn certificate(ca: &Ca, name: &str, directory: &Path) -> ClientCertificate {
    let (certificate, key) = ca.issue_client(name).write_to(directory).unwrap();
    ClientCertificate { certificate, key }
}

async fn demanding(ca: &Ca, clients: &Ca) -> Origin {
    let tls = ca.issue(&["127.0.0.1", "far.test"]).server().demand_client_certificate(clients);
    Origin::builder().tls(tls.alpn(["h2", "http/1.1"]).build()).start().await.unwrap()
}

/// Proves that two identities never share a connection to one origin, nor does either with requests that have none, while
/// requests of one identity do share.
#[tokio::test]
async fn case_077_identities_share_no_connection() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let origin = demanding(&ca, &clients).await;
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let rule = |name: &'static str, directory: &TempDir| {
        let certificate = certificate(&clients, name, directory.path());
        upstream(name, &["127.0.0.1"]).principals([name]).certificate(certificate)
    };
    let world = world(&ca, [rule("one", &directories[0]), rule("two", &directories[1])]);
    for round in 1..=3 {
        for principal in ["one", "two"] {
            let egress = world.egress.for_principal(principal);
            egress.call(Request::get(origin.url("/echo"))).await.unwrap();
        }
        let connections = origin.connections();
        let served: Vec<_> = connections.iter().filter(|connection| connection.requests() > 0).collect();
        assert_eq!(served.len(), 2, "one connection for each identity");
        assert!(served.iter().all(|connection| connection.requests() == round));
        assert!(served.iter().all(|connection| connection.tls().unwrap().client_certificates == 1));
        let without = world.refused(origin.url("/echo")).await;
        assert!(matches!(without.kind(), Kind::Tls | Kind::OriginProtocol), "{without:?}");
    }
}

/// Proves that a certificate whose files change is another identity: the next request meets the origin with it, over another
/// connection; and that files which have become unusable leave the last one in use, while unusable ones from the start are
/// the operator's error.
#[tokio::test]
async fn case_077_a_replaced_certificate_is_another_identity() {
    let (ca, clients, strangers) = (Ca::new(), Ca::new(), Ca::new());
    let origin = demanding(&ca, &clients).await;
    let directory = TempDir::new().unwrap();
    let files = certificate(&strangers, "stranger", directory.path());
    let world = world(&ca, [upstream("mine", &["127.0.0.1"]).certificate(files.clone())]);
    assert!(world.get(origin.url("/echo")).await.is_err());
    certificate(&clients, "a longer name than before", directory.path());
    world.get(origin.url("/echo")).await.unwrap();
    let before = origin.accepted();
    world.get(origin.url("/echo")).await.unwrap();
    assert_eq!(origin.accepted(), before);
    std::fs::write(&files.key, "half a key").unwrap();
    world.get(origin.url("/echo")).await.unwrap();
    assert_eq!(origin.accepted(), before, "a broken file changes nothing");
    certificate(&clients, "another name that is longer still", directory.path());
    world.get(origin.url("/echo")).await.unwrap();
    assert_eq!(origin.accepted(), before + 1);

    std::fs::write(&files.key, "canary, not a key").unwrap();
    let rules = Upstreams::new([upstream("mine", &["*"]).certificate(files)]).unwrap();
    let problems = rules.problems();
    assert!(problems.len() == 1 && problems[0].starts_with("upstream `mine`: "), "{problems:?}");
    assert!(problems[0].contains("key.pem") && !problems[0].contains("canary"), "{problems:?}");
    let broken = self::world(&ca, rules.rules().cloned());
    let error = broken.refused(origin.url("/echo")).await;
    assert_eq!((error.kind(), error.blame()), (Kind::InvalidRequest, Blame::Operator));
    assert_eq!(error.message(), "the operator's settings for upstream `mine` cannot be used");
    assert!(!error.log().unwrap().contains("canary"));
}

/// Proves that authorities of a rule count in addition to the general ones or alone, as it says, and for its places only.
#[tokio::test]
async fn authorities_hold_for_their_places() {
    let (general, own) = (Ca::new(), Ca::new());
    let of = async |ca: &Ca, address: &str| {
        let tls = ca.issue(&[address]).server().build();
        Origin::builder().ip(address.parse::<std::net::IpAddr>().unwrap()).tls(tls).start().await.unwrap()
    };
    let by_general = of(&general, "127.0.0.1").await;
    let by_own = of(&own, "127.0.0.1").await;
    let elsewhere = of(&own, "127.0.0.2").await;
    for only in [false, true] {
        let ca = UpstreamCa { file: own.pem_file().into(), only };
        let world = world(&general, [upstream("private", &["127.0.0.1"]).ca(ca)]);
        world.get(by_own.url("/echo")).await.unwrap();
        assert_eq!(world.get(by_general.url("/echo")).await.is_ok(), !only);
        assert_eq!(world.refused(elsewhere.url("/echo")).await.detail(), Some("unknown_issuer"));
    }
}

/// Proves that a rule's lowest version of TLS is kept.
#[tokio::test]
async fn the_lowest_version_of_tls_is_kept() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().only(Version::Tls12).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    world(&ca, []).get(origin.url("/echo")).await.unwrap();
    let strict = world(&ca, [upstream("strict", &["127.0.0.1"]).min_tls(TlsVersion::Tls13)]);
    let error = strict.refused(origin.url("/echo")).await;
    assert_eq!((error.kind(), error.detail()), (Kind::Tls, Some("incompatible")));
}

/// Proves that a proxy is asked for the origin in every dialect, with the name, or with the address that was vetted here, and
/// that TLS ends at the origin.
#[tokio::test]
async fn origins_are_met_through_a_proxy() {
    let ca = Ca::new();
    let tls = ca.issue(&["far.test"]).server().alpn(["h2", "http/1.1"]).build();
    let secure = Origin::builder().tls(tls).start().await.unwrap();
    let plain = Origin::start().await;
    for (scheme, speaks, tunnel, line) in [
        ("http", Speaks::Http, "CONNECT far.test:443 HTTP/1.1", "GET http://far.test/echo HTTP/1.1"),
        ("socks5", Speaks::Socks5, "192.0.2.7:443", "192.0.2.7:80"),
        ("socks5h", Speaks::Socks5, "far.test:443", "far.test:80"),
    ] {
        for (origin, url, asked) in
            [(&secure, "https://far.test/echo", tunnel), (&plain, "http://far.test/echo", line)]
        {
            let proxy = TestProxy::start(speaks, origin.address()).await;
            let rule = Proxy::new(&format!("{scheme}://{}", proxy.address)).unwrap();
            let world = world(&ca, [upstream("far", &["*.test"]).proxy(rule)]);
            world.names.host("far.test", ["192.0.2.7"]);
            for _ in 0..2 {
                assert_eq!(world.get(url).await.unwrap().head.status, 200, "{scheme} {url}");
            }
            assert_eq!(proxy.asked(), [asked], "{scheme} {url}");
            assert_eq!(sent(&origin.requests().pop().unwrap(), "host").as_deref(), Some("far.test"));
            assert_eq!(world.names.calls("far.test"), if scheme == "socks5h" { 0 } else { 2 }, "{scheme}");
        }
    }
}

/// Proves that a proxy inside TLS is checked with the authorities of its rule, and carries both kinds of URL.
#[tokio::test]
async fn a_proxy_inside_tls_is_checked_by_its_rule() {
    let (ca, proxys, stranger) = (Ca::new(), Ca::new(), Ca::new());
    let tls = ca.issue(&["far.test"]).server().alpn(["h2", "http/1.1"]).build();
    let secure = Origin::builder().tls(tls).start().await.unwrap();
    let plain = Origin::start().await;
    for (origin, url, asked) in [
        (&secure, "https://far.test/echo", "CONNECT far.test:443 HTTP/1.1"),
        (&plain, "http://far.test/echo", "GET http://far.test/echo HTTP/1.1"),
    ] {
        let proxy =
            TestProxy::start_tls(origin.address(), proxys.issue(&["proxy.test"]).server().build()).await;
        let through = |trusted: &Ca| {
            let rule = Proxy::new(&format!("https://proxy.test:{}", proxy.address.port())).unwrap();
            let authorities = UpstreamCa { file: trusted.pem_file().into(), only: false };
            let world = world(&ca, [upstream("far", &["far.test"]).ca(authorities).proxy(rule)]);
            world.names.host("far.test", ["192.0.2.7"]);
            world.names.host("proxy.test", ["127.0.0.1"]);
            world
        };
        assert_eq!(through(&proxys).get(url).await.unwrap().head.status, 200, "{url}");
        assert_eq!(proxy.asked(), [asked]);
        let error = through(&stranger).refused(url).await;
        assert_eq!((error.kind(), error.retry()), (Kind::Tls, Retry::Safe));
        assert_eq!(proxy.asked().len(), 1);
    }
}

/// Proves that a proxy is given the credentials that are declared for it, as they are now, and that a name may stand for it.
#[tokio::test]
async fn a_proxy_is_given_its_credentials() {
    let ca = Ca::new();
    let origin = Origin::start().await;
    let password = tempfile::NamedTempFile::new().unwrap();
    for (scheme, speaks, asked) in [
        (
            "http",
            Speaks::Http,
            "GET http://far.test/echo HTTP/1.1 proxy-authorization: Basic dXNlcjpjYW5hcnk=",
        ),
        ("socks5", Speaks::Socks5WithPassword, "192.0.2.7:80 user canary"),
    ] {
        std::fs::write(password.path(), "canary\n").unwrap();
        let proxy = TestProxy::start(speaks, origin.address()).await;
        let rule = Proxy::new(&format!("{scheme}://proxy.test:{}", proxy.address.port())).unwrap();
        let rule = rule.credentials("user", SecretSource::File(password.path().to_owned()));
        assert!(!format!("{rule:?}").contains("user"));
        let world = world(&ca, [upstream("far", &["far.test"]).proxy(rule)]);
        world.names.host("far.test", ["192.0.2.7"]);
        world.names.host("proxy.test", ["127.0.0.1"]);
        world.get("http://far.test/echo").await.unwrap();
        assert_eq!(proxy.asked(), [asked]);
        std::fs::write(password.path(), "other canary").unwrap();
        world.get("http://far.test/echo").await.unwrap();
        assert_eq!(proxy.asked().len(), 2, "another password is another identity");
        assert_ne!(proxy.asked()[1], asked);
    }
}

/// Proves that the door stands before the proxy: what is denied, by literal or by any address behind a name, is never asked of
/// it; that loopback, in every form, is met directly; and that the proxy's own address needs no rule.
#[tokio::test]
async fn the_door_stands_before_the_proxy() {
    let ca = Ca::new();
    let origin = Origin::start().await;
    let proxy = TestProxy::start(Speaks::Http, origin.address()).await;
    let rule = || upstream("all", &["*"]).proxy(Proxy::new(&format!("http://{}", proxy.address)).unwrap());
    let strict = World::with(|config| {
        config.upstreams = Upstreams::new([rule()]).unwrap();
        config.policy = Policy::new(Preset::AllowList, [Rule::allow().network("192.0.2.7").unwrap()]);
    });
    strict.names.host("mixed.test", ["192.0.2.7", "192.0.2.8"]);
    strict.names.host("far.test", ["192.0.2.7"]);
    for url in ["http://192.0.2.8/", "http://mixed.test/", "http://127.0.0.1/", "http://localhost/"] {
        assert_eq!(strict.refused(url).await.kind(), Kind::PolicyDenied, "{url}");
    }
    assert_eq!(proxy.asked(), Vec::<String>::new());
    strict.get("http://192.0.2.7/echo").await.unwrap();
    strict.get("http://far.test/echo").await.unwrap();
    assert_eq!(proxy.asked().len(), 2);

    let world = world(&ca, [rule()]);
    world.names.host("here.test", ["127.0.0.1"]);
    let port = origin.port();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "here.test"] {
        world.get(format!("http://{host}:{port}/echo")).await.unwrap();
    }
    assert_eq!(proxy.asked().len(), 2, "loopback is never asked of a proxy");
    assert_eq!(world.names.calls("here.test"), 1, "resolved once within the hop");
}

/// Proves that failures of a proxy are told apart from the origin's, are the operator's to mend, and are safe to retry; that a
/// name behind it which leads nowhere fails as a name; and that a proxy which is this process itself is refused.
#[tokio::test]
async fn a_failing_proxy_is_the_operators() {
    let ca = Ca::new();
    let origin = Origin::start().await;
    let proxy = TestProxy::start(Speaks::Http, origin.address()).await;
    let through = |url: String| world(&ca, [upstream("all", &["*"]).proxy(Proxy::new(&url).unwrap())]);
    let working = || through(format!("http://{}", proxy.address));
    let refusing = Refusing::on("127.0.0.1");
    for (world, host, message) in [
        (working(), "refused.test", "the operator's proxy made no connection to the origin"),
        (working(), "demanding.test", "the operator's proxy demands other credentials"),
        (
            through(format!("http://{}", refusing.address())),
            "far.test",
            "the operator's proxy refused the connection",
        ),
    ] {
        world.names.host(host, ["192.0.2.7"]);
        let error = world.refused(format!("https://{host}/")).await;
        assert_eq!(
            (error.kind(), error.blame(), error.retry()),
            (Kind::Connect, Blame::Operator, Retry::Safe)
        );
        assert_eq!((error.message(), error.phase()), (message, Some(Phase::Connect)));
    }
    let error = working().refused("https://missing.test/").await;
    assert_eq!((error.kind(), error.blame(), error.phase()), (Kind::Dns, Blame::Network, Some(Phase::Dns)));
    let nameless = through("http://missing.test:3128".to_owned());
    nameless.names.host("far.test", ["192.0.2.7"]);
    let error = nameless.refused("https://far.test/").await;
    assert_eq!((error.kind(), error.blame()), (Kind::Dns, Blame::Operator));
    assert_eq!(error.message(), "the operator's proxy cannot be resolved");

    let own = OwnListeners::default();
    own.insert(proxy.address);
    let asked = proxy.asked().len();
    for host in ["127.0.0.1", "proxy.test"] {
        let rule = Proxy::new(&format!("http://{host}:{}", proxy.address.port())).unwrap();
        let world = World::with(|config| {
            config.own_listeners = own.clone();
            config.upstreams = Upstreams::new([upstream("loop", &["*"]).proxy(rule)]).unwrap();
            config.policy = Policy::new(Preset::Standard, [Rule::allow().network("192.0.2.7").unwrap()]);
        });
        world.names.host("proxy.test", ["127.0.0.1"]);
        let error = world.refused("http://192.0.2.7/").await;
        assert_eq!((error.kind(), error.detail()), (Kind::PolicyDenied, Some(detail::SELF)), "{host}");
    }
    assert_eq!(proxy.asked().len(), asked);
}

/// Proves that the first rule which applies is taken, and that rules which cannot be meant so are refused.
#[tokio::test]
async fn the_first_rule_that_applies_is_taken() {
    let world = World::with(|config| {
        let rules = [
            upstream("ops", &["*.far.test"]).principals(["ops"]),
            upstream("port", &["a.far.test:8443"]),
            upstream("rest", &["*"]),
        ];
        config.upstreams = Upstreams::new(rules).unwrap();
    });
    for (principal, url, name) in [
        ("ops", "https://a.far.test:8443/", "ops"),
        ("ci", "https://a.far.test:8443/", "port"),
        ("ci", "https://a.far.test/", "rest"),
        ("ops", "https://10.0.0.1/", "rest"),
    ] {
        let said = world.egress.for_principal(principal).explain("GET", url, false).await.unwrap();
        assert_eq!(said.upstream.as_deref(), Some(name), "{principal} {url}");
    }
    assert!(matches!(Upstream::new("", ["*"]), Err(UpstreamError::Name)));
    assert!(matches!(Upstream::new("a", []), Err(UpstreamError::Places(_))));
    assert!(matches!(Upstream::new("a", ["a b"]), Err(UpstreamError::Place { .. })));
    let twice = Upstreams::new([upstream("a", &["*"]), upstream("a", &["a.test"])]);
    assert!(matches!(twice, Err(UpstreamError::Twice(_))));
}
