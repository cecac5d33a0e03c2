//! A `Host` of the caller's own: judged as a second name, and kept apart from what is the operator's.

use crate::proxies::{Speaks, TestProxy};
use crate::support::{World, public_only, sent};
use afield_egress::{
    Attachment, CaPolicy, ClientCertificate, OwnListeners, Policy, Preset, Proxy, Rule, Secret, SecretSource,
    Secrets, Upstream, Upstreams, Verdict,
};
use afield_exchange::{Blame, Error, Header, Kind, Request, Retry, detail};
use afield_testkit::Origin;
use afield_testkit::tls::Ca;

/// A request with this `Host`.
fn with(url: impl Into<String>, host: &str) -> Request {
    Request::get(url).header("Host", host.to_owned())
}

fn denied(error: &Error) {
    assert_eq!(
        (error.kind(), error.blame(), error.retry()),
        (Kind::PolicyDenied, Blame::Operator, Retry::No),
        "{error:?}"
    );
    assert_eq!(error.message(), "the operator's policy denies the host that the request's Host names");
}

/// Proves that a `Host` of the caller's own is judged as a second name by every rule that denies, in any writing, under the
/// port it names and the one that is connected to, and that nothing is sent (case 155).
#[tokio::test]
async fn case_155_a_host_that_a_rule_denies_is_refused() {
    let deny = |host: &str| Rule::deny().host(host).unwrap();
    let rules = [
        deny("admin.test"),
        deny("*.internal"),
        deny("port.test").port(8080).unwrap(),
        deny("reads.test").methods(["POST"]).unwrap(),
        Rule::deny().network("10.0.0.0/8").unwrap(),
    ];
    let world = World::under(Policy::new(Preset::Standard, rules)).sealed();
    for host in [
        "admin.test",
        "ADMIN.test.",
        "admin.test:1",
        "a.b.internal",
        "port.test:8080",
        "10.1.2.3",
        "0x0a.1",
        "[::ffff:10.0.0.1]:80",
    ] {
        denied(&world.call(with("http://open.test/", host)).await.unwrap_err());
    }
    denied(&world.call(with("http://open.test:8080/", "port.test")).await.unwrap_err());
    let post = Request::new("post", "http://open.test/").header("Host", "reads.test");
    denied(&world.call(post).await.unwrap_err());
    for host in ["", "a b", "a..b", "ht!tp", "u@admin.test", "admin.test:x", "1.2.3.256", "fa\u{df}.de"] {
        let error = world.call(with("http://open.test/", host)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::InvalidRequest, Some(detail::HEADER_VALUE)),
            "{host}"
        );
    }
    assert_eq!((world.dials(), world.names.total_calls()), (0, 0));

    let origin = Origin::start().await;
    let world = World::under(Policy::new(Preset::Standard, [deny("admin.test")]));
    for host in ["other.test", "internal", "port.test", "192.168.0.1", "localhost:3000"] {
        world.call(with(origin.url("/echo"), host)).await.unwrap();
        assert_eq!(sent(&origin.requests().pop().unwrap(), "host").as_deref(), Some(host));
    }
}

/// Proves that metadata services are denied as a `Host` too, by name and by address, and that under a preset which opens less
/// a `Host` may name no more than a URL may (case 155).
#[tokio::test]
async fn case_155_a_host_opens_no_more_than_a_url() {
    let origin = Origin::on("127.1.0.1").await;
    let port = |rule: Rule, port| rule.port(port).unwrap();
    let listed = [
        port(Rule::allow().host("listed.test").unwrap(), origin.port()),
        port(Rule::allow().host("listed.test").unwrap(), 8443),
    ];
    let allow_list = Policy::new(Preset::AllowList, listed);
    for (policy, host, allowed) in [
        (public_only(), "metadata.google.internal", false),
        (public_only(), "METADATA.goog.", false),
        (public_only(), "169.254.169.254", false),
        (public_only(), "[fd00:ec2::254]", false),
        (public_only(), "0.0.0.0", false),
        (public_only(), "10.0.0.1", false),
        (public_only(), "[::1]", false),
        (public_only(), "other.test", true),
        (public_only(), "8.8.8.8", true),
        (allow_list.clone(), "other.test", false),
        (allow_list.clone(), "listed.test", true),
        (allow_list.clone(), "listed.test:8443", true),
        (allow_list.clone(), "LISTED.test.", true),
        (allow_list.clone(), "listed.test:1", true),
        (allow_list, "127.1.0.1", false),
    ] {
        let world = World::under(policy);
        world.names.host("listed.test", ["127.1.0.1"]);
        let answer = world.call(with(origin.url_as("listed.test", "/echo"), host)).await;
        assert_eq!(answer.is_ok(), allowed, "{host}: {answer:?}");
        if let Err(error) = answer {
            denied(&error);
        }
    }
    let own = OwnListeners::default();
    own.insert("127.0.0.1:7411".parse().unwrap());
    let world = World::with(|config| config.own_listeners = own);
    denied(&world.call(with(origin.url("/echo"), "127.0.0.1:7411")).await.unwrap_err());
    world.call(with(origin.url("/echo"), "127.0.0.1:7412")).await.unwrap();
}

/// Proves that a request which carries a secret, named, attached or a variable of the executor's, or which goes by an upstream
/// with a client certificate, has its URL's own `Host` or is refused before anything is sent (case 154).
#[tokio::test]
async fn case_154_what_is_the_operators_goes_along_with_no_other_host() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "canary").unwrap();
    let directory = tempfile::TempDir::new().unwrap();
    let (certificate, key) = clients.issue_client("executor").write_to(directory.path()).unwrap();
    let secret = |name: &str, place: &str| {
        let source = SecretSource::File(file.path().to_owned());
        Secret::new(name, source, [place]).unwrap().headers(["X-Key"]).unwrap().allow_plain_http()
    };
    let secrets = Secrets::new(
        [secret("named", "127.1.0.1"), secret("attached", "127.1.0.2")],
        [Attachment::new("attached", "X-Key").unwrap()],
    );
    let certificate = ClientCertificate { certificate, key };
    let upstream = Upstream::new("ours", ["127.1.0.3"]).unwrap().certificate(certificate);
    let upstreams = Upstreams::new([upstream]).unwrap();
    let world = World::with(|config| {
        config.policy = public_only();
        config.secrets = secrets.unwrap();
        config.upstreams = upstreams;
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
    });
    let named = |url: &str, host: &str| {
        let mut request = with(url, host);
        request.headers.push(Header::secret("X-Key", "named"));
        request
    };
    let sealed = world.clone().sealed();
    for (request, what) in [
        (named("http://127.1.0.1/", "other.test"), "a secret of the executor's"),
        (named("http://127.1.0.1/", "127.1.0.1:81"), "a secret of the executor's"),
        (with("http://127.1.0.2/", "127.1.0.1"), "a secret of the executor's"),
        (with("https://127.1.0.3/", "other.test"), "a client certificate of the operator's"),
    ] {
        let error = sealed.call(request).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), (Kind::InvalidRequest, Blame::Caller), "{error:?}");
        assert_eq!(error.message(), format!("host: another than the URL's does not go along with {what}"));
    }
    assert_eq!(sealed.dials(), 0);
    for (method, url, host, rule) in [
        ("GET", "http://127.1.0.2/", "other.test", "host/secret"),
        ("GET", "https://127.1.0.3/", "other.test", "host/certificate"),
    ] {
        let said = sealed.egress.explain_with_host(method, url, Some(host), false).await.unwrap();
        assert_eq!(said.verdict, Verdict::Denied(rule.to_owned()));
    }

    let origin = Origin::on("127.1.0.1").await;
    let world = World::with(|config| {
        config.policy = public_only();
        let secrets = Secrets::new([secret("named", "127.1.0.1")], []);
        config.secrets = secrets.unwrap();
    });
    let own = origin.address().to_string();
    world.call(named(&origin.url("/echo"), &own)).await.unwrap();
    assert_eq!(sent(&origin.request(0).await, "x-key").as_deref(), Some("canary"));
}

/// Proves that a `Host` of the caller's own goes through no proxy unless the upstream says that it may, and that `explain` says
/// the same as the request (case 155).
#[tokio::test]
async fn case_155_a_host_goes_through_no_proxy_unasked() {
    let origin = Origin::start().await;
    let proxy = TestProxy::start(Speaks::Http, origin.address()).await;
    for allowed in [false, true] {
        let through = Proxy::new(&format!("http://{}", proxy.address)).unwrap();
        let upstream = Upstream::new("way", ["*"]).unwrap().proxy(through);
        let upstream = if allowed { upstream.allow_own_host() } else { upstream };
        let world = World::with(|config| {
            config.upstreams = Upstreams::new([upstream]).unwrap();
            config.policy = Policy::new(Preset::Standard, [Rule::allow().network("192.0.2.0/24").unwrap()]);
        });
        world.names.host("far.test", ["192.0.2.1"]);
        let answer = world.call(with("http://far.test/echo", "other.test")).await;
        assert_eq!(answer.is_ok(), allowed, "{answer:?}");
        if let Err(error) = answer {
            assert_eq!((error.kind(), error.blame()), (Kind::PolicyDenied, Blame::Operator));
            assert_eq!(
                error.message(),
                "a Host other than the URL's does not go through the operator's proxy"
            );
            assert!(proxy.asked().is_empty());
        }
        // What is near is met directly, and what is the URL's own goes by any way.
        world.call(with(origin.url("/echo"), "other.test")).await.unwrap();
        world.call(with("http://far.test/echo", "far.test")).await.unwrap();
        for (url, host) in [("http://far.test/", "other.test"), ("http://localhost/", "other.test")] {
            let said = world.egress.explain_with_host("GET", url, Some(host), false).await.unwrap();
            let is_denied = said.verdict == Verdict::Denied("host/proxy".to_owned());
            assert_eq!(is_denied, !allowed && url.contains("far"), "{said:?}");
        }
    }
}
