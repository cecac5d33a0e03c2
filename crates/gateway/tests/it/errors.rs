//! Answers of the gateway's own.

use crate::support::{PLACES, Setup};
use afield_egress::{EgressConfig, Policy, Preset, Rule};
use afield_exchange::Limits;
use afield_testkit::{
    RawOrigin, Script,
    dead::{Blackhole, Refusing},
};
use std::time::Duration;

fn egress() -> EgressConfig {
    EgressConfig {
        policy: Policy::new(Preset::Standard, [Rule::deny().network("127.77.0.0/16").unwrap()]),
        limits: Limits { connect: Duration::from_millis(300), url_bytes: 300, ..Limits::default() },
        ..EgressConfig::default()
    }
}

/// Proves that each way to fail before the head has its status, is marked, and says what, who and whether to retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_before_the_head_says_what_and_who() {
    for place in PLACES {
        let refusing = Refusing::on("127.0.0.1");
        let blackhole = Blackhole::on("127.0.0.1").await;
        let garbage = RawOrigin::always(Script::new().expect_head().send("nonsense\r\n\r\n")).await;
        let plain = RawOrigin::always(Script::new().send("nonsense\r\n\r\n")).await;
        let silent = RawOrigin::always(Script::new().expect_head().close()).await;
        let gateway = Setup::at(place)
            .egress(egress())
            .route("refused", format!("http://{}/", refusing.address()))
            .route("swallowed", format!("http://{}/", blackhole.address()))
            .route("denied", "http://127.77.0.1/")
            .route("unknown", "http://nowhere.invalid/")
            .route("garbage", garbage.url("/"))
            .route("silent", silent.url("/"))
            .route("no-tls", plain.url("/").replace("http:", "https:"))
            .start()
            .await;
        for (target, status, kind, retry) in [
            ("/refused", 502, "connect", "safe"),
            ("/swallowed", 504, "timeout", "safe"),
            ("/denied", 403, "policy_denied", "no"),
            ("/unknown", 502, "dns", "safe"),
            ("/garbage", 502, "origin_protocol", "unknown"),
            ("/silent", 502, "origin_protocol", "unknown"),
            ("/no-tls", 502, "tls", "safe"),
            (&format!("/refused/{}", "x".repeat(300)), 414, "too_large", "no"),
        ] {
            let got = gateway.get(target).await;
            let error = &got.json()["error"];
            assert_eq!((got.status(), got.error()), (status, Some(kind)), "{place:?} {target}: {error}");
            assert_eq!(error["retry"], retry, "{place:?} {target}: {error}");
            assert!(error["message"].is_string() && error["blame"].is_string(), "{error}");
            assert_eq!(got.values("content-type"), ["application/json"]);
        }
        let traced = gateway.ask("TRACE /denied HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert_eq!((traced.status(), traced.error()), (400, Some("invalid_request")), "{place:?}");
    }
}

/// Proves that an error of the gateway's leaves the connection in use.
#[tokio::test]
async fn an_error_leaves_the_connection_in_use() {
    let refusing = Refusing::on("127.0.0.1");
    let gateway = Setup::at(PLACES[0]).route("r", format!("http://{}/", refusing.address())).start().await;
    let mut caller = gateway.caller().await;
    for _ in 0..3 {
        caller.send("POST /r HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nab").await;
        assert_eq!(caller.answer().await.status(), 502);
    }
    caller.send("HEAD /r HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(caller.head().await.contains("afield-error: connect"));
    caller.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(caller.answer().await.text(), "ok\n");
}
