//! HAProxy and nginx as balancers, and nginx before the gateway.

use super::{
    before, certify, client,
    executor::{Executor, NAME, Pair},
    kind::{Kind, replaced},
    proxy::Proxy,
};
use crate::support::{gateway::gateway, serve};
use afield_client::{ConnectionState, HttpClient, Local, Remote};
use afield_egress::{CaPolicy, EgressConfig};
use afield_exchange::{Request, Response};
use afield_testkit::{
    Origin, Toxic, Upgrade, pattern, require_or_skip, tls::Ca, tools::Unavailable, toxic::Cut, within,
};
use futures_util::future::join_all;
use std::time::Duration;

const BYTES: u64 = 1_000_000;

/// A body of which the beginning has come.
async fn under_way(remote: &Remote, origin: &Origin) -> (Vec<u8>, Response) {
    let url = origin.url(&format!("/half/{BYTES}?then=rest"));
    let mut response = remote.stream(Request::get(url)).await.unwrap();
    (response.body.next().await.unwrap().unwrap().to_vec(), response)
}

/// Reads the rest.
async fn comes_whole((mut read, mut response): (Vec<u8>, Response)) {
    while let Some(bytes) = within("the body goes on", response.body.next()).await {
        read.extend_from_slice(&bytes.unwrap());
    }
    assert!(read == pattern::bytes(0, usize::try_from(BYTES).unwrap()), "{} bytes", read.len());
}

/// Waits until the executor drains.
async fn drains(executor: &Executor) {
    let ready = || Upgrade::to(executor.address).path("/readyz").open();
    within("the executor drains", async {
        while ready().await.unwrap_err().status() != Some(503) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// One of two executors drains while a body comes from it: new sessions go to the other one, and when the connection is cut the
/// session comes back to the one that drains, which then ends.
async fn leads_back(kind: Kind, says: Option<&str>) -> Result<(), Unavailable> {
    let (ca, mut pair) = (Ca::new(), Pair::start(&["--grace", "60"]).await);
    let proxy = before(kind, &pair, &ca, |_, text| text.replace("inter 2s", "inter 200ms")).await?;
    let (origin, toxic) = tokio::join!(Origin::start(), Toxic::start(proxy.address));
    let remote = Remote::connect(client(toxic.address(), &ca, &pair.token)).await.unwrap();
    let body = under_way(&remote, &origin).await;
    let used = pair.used().await;
    pair.executors[used].process.terminate();
    drains(&pair.executors[used]).await;
    if let Some(says) = says {
        proxy.says(says).await;
    }

    for _ in 0..6 {
        let new = Remote::connect(client(proxy.address, &ca, &pair.token)).await.unwrap();
        assert_eq!(new.call(Request::get(origin.url("/status/204"))).await.unwrap().head.status, 204);
        // What it notes may be read a little later.
        within("the other one has it", async {
            while !pair.executors[1 - used].is_in_use() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    toxic.cut(Cut::Reset);
    let again = |state: &ConnectionState| matches!(state, ConnectionState::Connected { resumed: 1.., .. });
    within("the session is there again", remote.watch().wait_for(again)).await.unwrap();
    origin.open_gate("rest");
    comes_whole(body).await;
    remote.close().await;
    assert_eq!(pair.executors[used].process.wait_exit().await.code(), Some(0));
    Ok(())
}

/// Proves that a session whose connection is cut while its executor drains comes back to it through HAProxy, which takes that
/// executor for DOWN and leads everybody else to the other one (case 150).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_leads_back_to_draining_executor() {
    require_or_skip!(leads_back(Kind::Haproxy, Some("is DOWN")).await);
}

/// Proves the same of nginx, which leads new sessions to the draining executor too: it refuses them, and they go to the other
/// one (case 150).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_leads_back_to_draining_executor() {
    require_or_skip!(leads_back(Kind::Nginx, None).await);
}

/// Proves the same of Caddy by the same hash, and of Envoy (case 150).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_and_envoy_lead_back_to_draining_executor() {
    require_or_skip!(leads_back(Kind::Caddy, None).await);
    require_or_skip!(leads_back(Kind::Envoy, None).await);
}

/// Proves the same of Traefik, by its cookie (case 150).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traefik_leads_back_to_draining_executor() {
    require_or_skip!(leads_back(Kind::Traefik, None).await);
}

/// Proves that all of twelve sessions come back to their executors when an HAProxy that knows nothing of sessions is killed, and
/// that no request is executed twice (case 149).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_found_behind_haproxy_without_stickiness() {
    let (ca, pair) = (Ca::new(), Pair::start(&[]).await);
    let forgetful = |_: &str, text: String| {
        let changes = [
            ("balance leastconn", "balance roundrobin"),
            ("cookie AFIELD insert indirect nocache", ""),
            ("option persist ", "no option persist "),
            ("cookie a", ""),
            ("cookie b", ""),
        ];
        replaced(text, &changes.map(|(old, new)| (old, new.to_owned())))
    };
    let mut proxy = require_or_skip!(before(Kind::Haproxy, &pair, &ca, forgetful).await);
    let origin = Origin::start().await;
    let sessions = (0..12).map(async |_| {
        let remote = Remote::connect(client(proxy.address, &ca, &pair.token)).await.unwrap();
        let body = under_way(&remote, &origin).await;
        (remote, body)
    });
    let sessions = join_all(sessions).await;
    proxy.kill_and_start().await;
    origin.open_gate("rest");
    join_all(sessions.into_iter().map(async |(_remote, body)| comes_whole(body).await)).await;
    assert_eq!(origin.received(), 12);
}

/// Proves that HAProxy's `send-proxy` and `send-proxy-v2` tell the executor who connects, that its checks are answered all the
/// same, and that the audit names the client (case 144).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_tells_clients_address_by_proxy_protocol() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let (ca, pair) = (Ca::new(), Pair::start(&["--proxy-protocol", "127.0.0.9"]).await);
        let change = |_: &str, text: String| {
            let server = format!("check inter 100ms {version} source 127.0.0.9");
            replaced(text, &[("    option forwardfor\n", String::new()), ("check inter 2s", server)])
        };
        let proxy = require_or_skip!(before(Kind::Haproxy, &pair, &ca, change).await);
        let upgrade = Upgrade::to(proxy.address).from([127, 9, 9, 9]).replace("Host", NAME);
        let upgrade = upgrade.tls(ca.client_config(["http/1.1"]), NAME);
        let mut open = Vec::new();
        for _ in 0..2 {
            assert_eq!(upgrade.clone().open().await.unwrap_err().status(), Some(401));
        }
        for _ in 0..2 {
            open.push(upgrade.clone().bearer(&pair.token).open().await.unwrap());
        }
        for executor in &pair.executors {
            for event in ["refused", "admitted"] {
                executor.notes(event, "127.9.9.9:").await;
            }
            assert!(!executor.process.stderr().text().contains("proxy_header"));
        }
    }
}

/// Proves that an event stream comes through nginx and the gateway as it is sent, and not when it ends: the next event is an hour
/// away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_at_once_through_nginx_and_gateway() {
    let (ca, home, origin) = (Ca::new(), tempfile::tempdir().unwrap(), Origin::start().await);
    let (_executor, executor) = serve(&[]).await;
    let route = format!("docs={}", origin.url("/sse"));
    let (_gateway, base, _) =
        gateway(home.path(), &["--executor", &executor, "--route", &route, "--allow-host", NAME], 2).await;
    let mut proxy = Proxy::new(Kind::NginxGateway);
    certify(&ca, proxy.directory(), &[&proxy.address.ip().to_string()]);
    let target = base.strip_prefix("http://").unwrap().parse().unwrap();
    require_or_skip!(proxy.start(&[target], |_, text| text).await);
    let client = Local::new(EgressConfig {
        ca: CaPolicy::Pem(ca.pem().into_bytes().into()),
        ..EgressConfig::default()
    })
    .unwrap();
    let url = format!("https://{}/docs?every_ms=3600000", proxy.address);
    let response = within("the head comes", client.stream(Request::get(url))).await;
    let mut response = response.unwrap();
    assert_eq!(response.head.status, 200);
    let event = within("the first event comes", response.body.next()).await.unwrap().unwrap();
    assert_eq!(event, "id: 1\ndata: event 1\n\n");
}
