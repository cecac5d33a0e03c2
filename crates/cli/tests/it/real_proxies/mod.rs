//! Proxies that others wrote between orchestrators and executors, with the configuration of `docs/how-to/proxies.md`: loaded
//! again and killed in the middle of everything, they lose nothing and have nothing repeated.

mod balancing;
mod executor;
mod kind;
mod load;
mod proxy;

use afield_client::{Remote, RemoteConfig};
use afield_testkit::{Origin, Upgrade, require_or_skip, tls::Ca, tools::Unavailable, within};
use executor::{Executor, NAME, Pair, certify, client};
use kind::Kind;
use load::Load;
use proxy::Proxy;
pub use proxy::own_address;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

/// A reload leaves connections where they are.
const STAYS: RangeInclusive<u32> = 0..=0;
/// They are cut: once, or again by what is about to end.
const CUT: RangeInclusive<u32> = 1..=3;

/// One session through the proxy, in the middle of which it is loaded again, then killed and started again.
async fn carry(proxy: &mut Proxy, config: RemoteConfig, reload: RangeInclusive<u32>) {
    let origin = Arc::new(Origin::start().await);
    let remote = Remote::connect(config).await.unwrap();
    assert_eq!(remote.connected().unwrap().dialect.as_deref(), Some("afield/1"));
    let mut load = Load::start(&remote, &origin).await;
    load.meanwhile(reload, proxy.reload()).await;
    load.meanwhile(CUT, proxy.kill_and_start()).await;
    load.end().await;
}

/// A reverse proxy before two executors, with a certificate of this authority.
async fn before(
    kind: Kind,
    pair: &Pair,
    ca: &Ca,
    change: impl Fn(&str, String) -> String,
) -> Result<Proxy, Unavailable> {
    let mut proxy = Proxy::new(kind);
    certify(ca, proxy.directory(), &[&proxy.address.ip().to_string(), "127.0.0.1"]);
    proxy.start(&pair.addresses(), change).await?;
    within("executors are reached through the proxy", async {
        let ready = Upgrade::to(proxy.address).path("/readyz").tls(ca.client_config(["http/1.1"]), NAME);
        while ready.clone().open().await.unwrap_err().status() != Some(200) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    Ok(proxy)
}

/// What a reverse proxy has to keep: the name that the client asks for arrives, and the client's address; a session stays whole.
async fn keeps(kind: Kind, reload: RangeInclusive<u32>) -> Result<(), Unavailable> {
    let (ca, pair) = (Ca::new(), Pair::start(&["--trusted-proxy", "127.0.0.1"]).await);
    let mut proxy = before(kind, &pair, &ca, |_, text| text).await?;
    let upgrade = Upgrade::to(proxy.address).from([127, 9, 9, 9]).replace("Host", NAME);
    let upgrade = upgrade.tls(ca.client_config(["http/1.1"]), NAME);
    assert_eq!(upgrade.clone().open().await.unwrap_err().status(), Some(401));
    upgrade.bearer(&pair.token).open().await.unwrap().close(1000, "").await;
    let [one, other] = &pair.executors;
    for event in ["refused", "admitted"] {
        tokio::select! { _ = one.notes(event, "127.9.9.9") => {}, _ = other.notes(event, "127.9.9.9") => {} }
    }
    let config = client(proxy.address, &ca, &pair.token);
    carry(&mut proxy, config, reload).await;
    Ok(())
}

/// Proves that a session through HAProxy loses and repeats nothing when HAProxy is loaded again, which leaves connections with the
/// old worker, and when it is killed (cases 106 and 148).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_loses_and_repeats_nothing() {
    require_or_skip!(keeps(Kind::Haproxy, STAYS).await);
}

/// Proves the same of nginx, whose old worker keeps connections too (cases 106 and 148).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_loses_and_repeats_nothing() {
    require_or_skip!(keeps(Kind::Nginx, STAYS).await);
}

/// Proves the same of Caddy, which closes WebSockets with 1001 when it is loaded again (cases 106 and 148).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_loses_and_repeats_nothing() {
    require_or_skip!(keeps(Kind::Caddy, CUT).await);
}

/// Proves the same of Envoy, which does not read such a file again: another one takes its place in a hot restart, and the first
/// cuts what it has when its time is over (cases 106 and 148).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_loses_and_repeats_nothing() {
    require_or_skip!(keeps(Kind::Envoy, CUT).await);
}

/// Proves the same of Traefik, which keeps connections when its dynamic file changes (cases 106 and 148).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traefik_loses_and_repeats_nothing() {
    require_or_skip!(keeps(Kind::Traefik, STAYS).await);
}

/// A session by CONNECT through a forward proxy, with an executor that speaks TLS itself.
async fn connects(kind: Kind) -> Result<(), Unavailable> {
    let (ca, mut proxy) = (Ca::new(), Proxy::new(kind));
    certify(&ca, proxy.directory(), &["127.0.0.1"]);
    let (token, line) = crate::access::new_token("ci").await;
    let at = |name: &str| proxy.directory().join(name).display().to_string();
    let (digest, certificate, key) = (line.replacen(' ', "=", 1), at("executor.crt"), at("executor.key"));
    let arguments = [
        "--token-sha256",
        &digest,
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
        "--allow-host",
        NAME,
    ];
    let executor = Executor::start("wss://127.0.0.1:0", &arguments).await;
    proxy.start(&[executor.address], |_, text| text).await?;
    let mut config = client(executor.address, &ca, &token);
    config.proxy = Some(afield_transport::Proxy::parse(&format!("http://{}", proxy.address)).unwrap());
    carry(&mut proxy, config, STAYS).await;
    Ok(())
}

/// Proves the same of squid, through which the executor is reached by CONNECT (cases 106 and 147).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn squid_loses_and_repeats_nothing() {
    require_or_skip!(connects(Kind::Squid).await);
}

/// Proves the same of tinyproxy (cases 106 and 147).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tinyproxy_loses_and_repeats_nothing() {
    require_or_skip!(connects(Kind::Tinyproxy).await);
}

/// Proves that every file of the page is one that a test starts a proxy with, and that the page shows them all.
#[test]
fn every_file_of_page_is_tested() {
    let mut there: Vec<String> = std::fs::read_dir(kind::pages())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut tested: Vec<&str> = kind::ALL.iter().flat_map(|kind| kind.files()).copied().collect();
    there.sort();
    tested.sort_unstable();
    assert_eq!(there, tested);
    let page = std::fs::read_to_string(kind::pages().with_extension("md")).unwrap();
    for file in tested {
        assert!(page.contains(&format!("(proxies/{file})")), "the page does not link {file}");
    }
}
