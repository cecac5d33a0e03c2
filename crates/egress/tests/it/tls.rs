//! TLS: whom it trusts, what its failures say, and that they are never ignored.

use crate::support::{World, public_only};
use afield_egress::{CaPolicy, Egress, EgressConfig, tls_client_config};
use afield_exchange::{Blame, Error, Kind, Phase, Request, Retry};
use afield_testkit::Origin;
use afield_testkit::origin::Ending;
use afield_testkit::raw::{RawOrigin, Script};
use afield_testkit::tls::{ALERT_PROTOCOL_VERSION, Ca, Identity, Version, server_hello_tls10};
use std::sync::Arc;

fn trusting(ca: &Ca) -> World {
    World::with(|config| config.ca = CaPolicy::Pem(ca.pem().into_bytes().into()))
}

async fn origin(identity: &Identity) -> Origin {
    Origin::builder().tls(identity.server().alpn(["http/1.1"]).build()).start().await.unwrap()
}

fn failed(error: &Error, word: &str) {
    assert_eq!(
        (error.kind(), error.phase(), error.detail()),
        (Kind::Tls, Some(Phase::Tls), Some(word)),
        "{error:?}"
    );
    assert_eq!(
        (error.retry(), error.blame(), error.hop()),
        (Retry::Safe, Blame::Origin, Some(0)),
        "{error:?}"
    );
    assert!(error.log().is_some_and(|log| !log.is_empty()));
}

/// Proves that a sound certificate of a trusted authority is accepted, for names and addresses, under both versions.
#[tokio::test]
async fn sound_certificates_are_accepted() {
    let ca = Ca::new();
    let identity = ca.issue(&["127.0.0.1", "good.test"]);
    for version in [Version::Tls12, Version::Tls13] {
        let origin = Origin::builder().tls(identity.server().only(version).build()).start().await.unwrap();
        let world = trusting(&ca);
        world.names.host("good.test", ["127.0.0.1"]);
        assert_eq!(world.get(origin.url("/echo")).await.unwrap().head.status, 200);
        assert_eq!(world.get(origin.url_as("good.test", "/echo")).await.unwrap().head.status, 200);
        let tls = origin.connection(1).await.tls().unwrap();
        assert_eq!(tls.server_name.as_deref(), Some("good.test"));
    }
}

/// Proves that every kind of bad certificate is refused with a word of its own, and nothing is sent.
#[tokio::test]
async fn case_075_bad_certificates_are_refused_by_class() {
    let (ca, other) = (Ca::new(), Ca::new());
    let name = &["127.0.0.1"];
    for (identity, word) in [
        (ca.issue_expired(name), "expired"),
        (ca.issue_not_yet_valid(name), "not_yet_valid"),
        (ca.issue(&["other.test"]), "wrong_name"),
        (other.issue(name), "unknown_issuer"),
        (Identity::self_signed(name), "unknown_issuer"),
    ] {
        let origin = origin(&identity).await;
        failed(&trusting(&ca).refused(origin.url("/")).await, word);
        assert!(matches!(origin.connection(0).await.wait_closed().await, Ending::TlsFailed(_)), "{word}");
        assert_eq!(origin.received(), 0, "{word}");
    }
    let origin = origin(&ca.issue(name)).await;
    assert_eq!(
        World::with(|config| config.ca = CaPolicy::File(ca.pem_file().into()))
            .get(origin.url("/"))
            .await
            .unwrap()
            .head
            .status,
        404
    );
}

/// Proves that an origin which speaks no TLS, or only versions that are no longer any good, is refused, and never spoken to in
/// plain.
#[tokio::test]
async fn case_075_there_is_no_fallback() {
    let world = trusting(&Ca::new());
    for (hello, word) in [
        (ALERT_PROTOCOL_VERSION.to_vec(), "incompatible"),
        (server_hello_tls10(), "incompatible"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "protocol"),
    ] {
        let origin = RawOrigin::always(Script::new().expect_bytes(5).send(hello).hang()).await;
        failed(&world.refused(format!("https://{}/", origin.address())).await, word);
        let connection = origin.connection(0).await;
        connection.wait_closed().await;
        assert_eq!(connection.received()[0], 22, "a handshake record and no HTTP");
        assert_eq!(origin.accepted(), 1);
    }
    let closing = RawOrigin::always(Script::new().expect_bytes(5).close()).await;
    let error = world.refused(format!("https://{}/", closing.address())).await;
    assert_eq!(
        (error.kind(), error.phase(), error.retry()),
        (Kind::Connect, Some(Phase::Connect), Retry::Safe)
    );
}

/// Proves that an end without `close_notify` does not pass for the end of a body that only the end delimits.
#[tokio::test]
async fn case_075_truncation_is_detected() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().build();
    let start = async |script: Script| {
        RawOrigin::builder().otherwise(script).tls(Arc::clone(&tls)).start().await.unwrap()
    };
    let until_end = Script::new().expect_head().send("HTTP/1.1 200 OK\r\n\r\npart");
    let cut = start(until_end.clone().truncate()).await;
    let error = trusting(&ca).refused(cut.url("/")).await;
    assert_eq!((error.kind(), error.phase()), (Kind::OriginProtocol, Some(Phase::Body)));
    let whole = start(until_end.close()).await;
    assert_eq!(trusting(&ca).get(whole.url("/")).await.unwrap().body, "part");
}

/// Proves that an origin which demands a client certificate fails the exchange, with nothing answered.
#[tokio::test]
async fn case_077_a_demanded_client_certificate_is_an_error() {
    let ca = Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().demand_client_certificate(&ca).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    let error = trusting(&ca).refused(origin.url("/")).await;
    // In TLS 1.3 the alert may be lost: the system throws it away where the request is still unread at the other end.
    assert!(matches!(error.kind(), Kind::Tls | Kind::OriginProtocol), "{error:?}");
    assert!(error.kind() != Kind::Tls || error.detail() == Some("client_certificate"), "{error:?}");
    assert_eq!(origin.received(), 0);
    let tls = ca.issue(&["127.0.0.1"]).server().demand_client_certificate(&ca).only(Version::Tls12).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    let error = trusting(&ca).refused(origin.url("/")).await;
    assert_eq!((error.kind(), error.detail()), (Kind::Tls, Some("client_certificate")), "{error:?}");
}

/// Proves that connections to different names are never shared, though they lead to one address.
#[tokio::test]
async fn case_077_connections_belong_to_one_name() {
    let ca = Ca::new();
    let tls = ca.issue(&["a.test", "b.test"]).server().alpn(["h2", "http/1.1"]).build();
    let origin = Origin::builder().ip([127, 1, 0, 1]).tls(tls).start().await.unwrap();
    let world = World::with(|config| {
        config.policy = public_only();
        config.ca = CaPolicy::Pem(ca.pem().into_bytes().into());
    });
    for name in ["a.test", "b.test"] {
        world.names.host(name, ["127.1.0.1"]);
        for _ in 0..2 {
            world.get(origin.url_as(name, "/echo")).await.unwrap();
        }
    }
    assert_eq!(origin.accepted(), 2);
}

/// Proves that an unusable CA file fails at the start and says which file.
#[test]
fn an_unusable_ca_file_is_named() {
    let missing = CaPolicy::File("/nonexistent/authorities.pem".into());
    let error = tls_client_config(&missing).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/authorities.pem"), "{error}");
    let config = EgressConfig { ca: missing, ..EgressConfig::default() };
    assert!(Egress::new(config).is_err());
    assert!(tls_client_config(&CaPolicy::Pem(Arc::from(&b"no certificate"[..]))).is_err());
}

/// Proves that the configuration for other uses offers no protocol, and that both ends' versions are TLS 1.2 and 1.3.
#[test]
fn the_shared_configuration_offers_no_alpn() {
    let ca = Ca::new();
    let config = tls_client_config(&CaPolicy::File(ca.pem_file().into())).unwrap();
    assert!(config.alpn_protocols.is_empty());
    let platform = tls_client_config(&CaPolicy::Platform).unwrap();
    assert!(platform.alpn_protocols.is_empty());
}

/// Proves that an authority which is not the platform's is not trusted by default.
#[tokio::test]
async fn the_platform_does_not_trust_strangers() {
    let origin = origin(&Ca::new().issue(&["127.0.0.1"])).await;
    let error = World::new().call(Request::get(origin.url("/"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(matches!(error.detail(), Some("unknown_issuer" | "roots")), "{error:?}");
}
