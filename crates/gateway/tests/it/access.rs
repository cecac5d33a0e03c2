//! Who gets in.

use crate::support::{Place, Running, Setup};
use afield_gateway::{Config, TokenDigest};
use afield_testkit::Origin;

async fn gateway(origin: &Origin) -> Running {
    Setup::at(Place::Here).route("r", origin.url("/echo")).start().await
}

/// Proves that no web page gets in but those of this machine, by a route as by the proxy, and that those do.
#[tokio::test]
async fn case_115_only_pages_of_this_machine_get_in() {
    let origin = Origin::start().await;
    let gateway = gateway(&origin).await;
    let proxied = origin.url("/echo");
    for target in ["/r", "/", "/readyz", &proxied] {
        for page in ["https://evil.test", "null", "http://localhost.evil.test", "http://10.0.0.1", ""] {
            let got = gateway
                .ask(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\norigin: {page}\r\n\r\n"))
                .await;
            assert_eq!((got.status(), got.error()), (403, Some("policy_denied")), "{target} {page}");
        }
        for page in ["http://localhost:6274", "https://127.0.0.1", "http://[::1]:1"] {
            let got = gateway
                .ask(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\norigin: {page}\r\n\r\n"))
                .await;
            assert_eq!(got.status(), 200, "{target} {page}");
        }
        let two = "origin: http://localhost\r\norigin: http://evil.test";
        let got = gateway.ask(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{two}\r\n\r\n")).await;
        assert_eq!(got.status(), 403, "{target}");
    }
}

/// Proves that a name which was made to lead here does not get in, nor a request without a host.
#[tokio::test]
async fn case_115_a_foreign_host_does_not_get_in() {
    let origin = Origin::start().await;
    let gateway = gateway(&origin).await;
    for (host, status) in [
        ("host: evil.test\r\n", 403),
        ("host: localhost.evil.test:7412\r\n", 403),
        ("host: 10.0.0.1\r\n", 403),
        ("host: localhost@evil.test\r\n", 400),
        ("host: \r\n", 400),
        ("host: localhost\r\nhost: localhost\r\n", 400),
        ("", 400),
        ("host: LOCALHOST:1\r\n", 200),
        ("host: [::1]:7412\r\n", 200),
        ("host: 127.0.0.1\r\n", 200),
    ] {
        let got = gateway.ask(&format!("GET /r HTTP/1.1\r\n{host}\r\n")).await;
        assert_eq!(got.status(), status, "{host:?}");
        assert_eq!(got.error().is_some(), status != 200, "{host:?}");
    }
    assert_eq!(origin.received(), 3);
}

/// Proves that `CONNECT` is answered with what to do instead, and makes no tunnel.
#[tokio::test]
async fn case_115_connect_is_explained() {
    let origin = Origin::start().await;
    let gateway = gateway(&origin).await;
    let got = gateway.ask(&format!("CONNECT {0} HTTP/1.1\r\nhost: {0}\r\n\r\n", origin.address())).await;
    assert_eq!((got.status(), got.error()), (405, Some("invalid_request")));
    assert!(!got.values("allow").is_empty());
    assert!(got.text().contains("route"), "{}", got.text());
    assert_eq!(origin.accepted(), 0);
}

/// Proves that names and origins can be allowed.
#[tokio::test]
async fn names_and_origins_can_be_allowed() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .route("r", origin.url("/echo"))
        .start_with(|_, config| Config {
            allowed_hosts: vec!["Gateway.Test".to_owned()],
            allowed_origins: vec!["https://App.Test/".to_owned()],
            ..config
        })
        .await;
    let ask = async |host: &str, page: &str| {
        gateway.ask(&format!("GET /r HTTP/1.1\r\nhost: {host}\r\norigin: {page}\r\n\r\n")).await.status()
    };
    assert_eq!(ask("gateway.test:1", "https://app.test").await, 200);
    assert_eq!(ask("gateway.test.", "http://localhost").await, 200);
    assert_eq!(ask("gateway.test", "http://app.test").await, 403);
    assert_eq!(ask("gateway.test.evil.test", "https://app.test").await, 403);
}

/// Proves that with a token nobody gets in without it, by whatever way it may be presented, that it does not reach the origin,
/// and that `Authorization` stays the origin's.
#[tokio::test]
async fn a_token_is_asked_for_and_stays_here() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .route("r", origin.url("/echo"))
        .start_with(|_, config| Config { token: Some(TokenDigest::of("canary")), ..config })
        .await;
    let proxied = origin.url("/echo");
    for target in ["/r", &proxied] {
        let ask = async |field: &str| {
            let head =
                format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer theirs\r\n");
            gateway.ask(&format!("{head}{field}\r\n")).await
        };
        for wrong in [
            "",
            "afield-gateway-token: canar\r\n",
            "afield-gateway-token: canary2\r\n",
            "proxy-authorization: Bearer nope\r\n",
            "proxy-authorization: Basic bm9wZTpub3Bl\r\n",
            "proxy-authorization: Basic !\r\n",
            "authorization: Bearer canary\r\n",
        ] {
            let got = ask(wrong).await;
            assert_eq!((got.status(), got.error()), (407, Some("unauthorized")), "{wrong}");
            assert_eq!(got.values("proxy-authenticate").len(), 1);
            assert!(!got.text().contains("canar\""));
        }
        for right in [
            "afield-gateway-token: canary\r\n",
            "proxy-authorization: Bearer canary\r\n",
            // any:canary, canary:, canary
            "proxy-authorization: Basic YW55OmNhbmFyeQ==\r\n",
            "proxy-authorization: basic Y2FuYXJ5Og==\r\n",
            "proxy-authorization: Basic Y2FuYXJ5\r\n",
        ] {
            let got = ask(right).await;
            assert_eq!(got.status(), 200, "{right}");
            assert!(!got.text().contains("canary") && !got.text().contains("proxy"), "{}", got.text());
            assert!(got.text().contains("Bearer theirs"), "{}", got.text());
        }
    }
    assert_eq!(gateway.get("/").await.status(), 407);
    assert_eq!(gateway.get("/readyz").await.status(), 200);
}
