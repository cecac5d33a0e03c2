//! The forward proxy.

use crate::support::{PLACES, Place, Setup};
use afield_gateway::Config;
use afield_testkit::Origin;

/// Proves that a URL in absolute form is asked for as it is, with the `Host` that is its own and without what is the proxy's.
#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_url_is_asked_for_as_it_is() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place).start().await;
        let port = origin.port();
        for (url, reached, authorization) in [
            (format!("http://127.0.0.1:{port}/a/%2F?q=%20&"), "/a/%2F?q=%20&", None),
            (format!("HTTP://LocalHost:{port}"), "/", None),
            (format!("http://user:pass@127.0.0.1:{port}/x"), "/x", Some("Basic dXNlcjpwYXNz")),
        ] {
            let index = origin.received() as usize;
            let head = "host: other.test\r\nproxy-connection: keep-alive\r\nproxy-authorization: Basic eDp5";
            gateway.ask(&format!("GET {url} HTTP/1.1\r\n{head}\r\n\r\n")).await;
            let request = origin.request(index).await;
            assert_eq!(request.target(), reached, "{place:?}");
            assert_eq!(request.header("authorization").as_deref(), authorization, "{place:?}");
            let host = request.header("host").unwrap();
            assert!(["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}")), "{host}");
            assert!(!request.headers().iter().any(|(name, _)| name.starts_with("proxy-")), "{place:?}");
        }
    }
}

/// Proves that an `https:` URL in absolute form is asked for over TLS.
#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_https_url_is_asked_for_over_tls() {
    use afield_egress::{CaPolicy, EgressConfig};
    let ca = afield_testkit::tls::Ca::new();
    let tls = ca.issue(&["127.0.0.1"]).server().alpn(["http/1.1"]).build();
    let origin = Origin::builder().tls(tls).start().await.unwrap();
    for place in PLACES {
        let egress =
            EgressConfig { ca: CaPolicy::Pem(ca.pem().into_bytes().into()), ..EgressConfig::default() };
        let gateway = Setup::at(place).egress(egress).start().await;
        assert_eq!(gateway.get(&origin.url("/status/201")).await.status(), 201, "{place:?}");
    }
}

/// Proves that a gateway which is no proxy says so.
#[tokio::test]
async fn a_gateway_without_a_proxy_says_so() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here).start_with(|_, config| Config { proxy: None, ..config }).await;
    let got = gateway.get(&origin.url("/echo")).await;
    assert_eq!((got.status(), got.error()), (403, Some("policy_denied")));
    assert_eq!(origin.received(), 0);
}
