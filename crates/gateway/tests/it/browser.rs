//! What browsers send of themselves, routes that are origins of their own, and configurations that are replaced.

use crate::support::{Caller, Place, Running, Setup};
use afield_gateway::{Config, Gateway, Handle, Route, StartError};
use afield_testkit::Origin;
use std::{net::SocketAddr, sync::Arc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

async fn ask(address: SocketAddr, target: &str, fields: &str) -> (u16, Option<String>) {
    let mut caller = Caller::connect(address).await;
    caller.send(&format!("GET {target} HTTP/1.1\r\n{fields}\r\n")).await;
    let answer = caller.answer().await;
    (answer.status(), answer.error().map(str::to_owned))
}

/// Proves that what a browser does for a page without saying which is refused, that nothing of a route is opened as a page,
/// and that programs, allowed pages and the gateway's own two answers are not affected (case 160).
#[tokio::test]
async fn gateway_refuses_browsers_that_do_not_say_for_whom() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .route("r", origin.url("/echo"))
        .start_with(|_, config| Config { allowed_origins: vec!["https://app.test".into()], ..config })
        .await;
    for (target, site, mode, page, status) in [
        ("/r", "cross-site", "no-cors", "", 403),
        ("/r", "same-site", "no-cors", "", 403),
        ("/r", "CROSS-SITE", "no-cors", "", 403),
        ("/r", "unknown", "no-cors", "", 403),
        ("/r", "cross-site", "navigate", "", 403),
        ("/", "cross-site", "navigate", "", 403),
        ("/readyz", "cross-site", "no-cors", "", 403),
        ("/r", "none", "navigate", "", 403),
        ("/r", "same-origin", "navigate", "", 403),
        ("/r", "none", "nested-navigate", "", 403),
        ("/r", "cross-site", "navigate", "https://app.test", 403),
        ("/r", "cross-site", "cors", "https://evil.test", 403),
        ("/r", "cross-site", "cors", "https://app.test", 200),
        ("/r", "cross-site", "no-cors", "https://app.test", 200),
        ("/r", "same-site", "cors", "http://localhost:6274", 200),
        ("/r", "same-origin", "cors", "", 200),
        ("/r", "none", "no-cors", "", 200),
        ("/", "none", "navigate", "", 200),
        ("/readyz", "none", "navigate", "", 200),
    ] {
        let page = if page.is_empty() { String::new() } else { format!("origin: {page}\r\n") };
        let fields = format!("host: localhost\r\nsec-fetch-site: {site}\r\nsec-fetch-mode: {mode}\r\n{page}");
        let got = ask(gateway.address, target, &fields).await;
        let error = (status == 403).then(|| "policy_denied".to_owned());
        assert_eq!(got, (status, error), "{target} {site} {mode} {page}");
    }
    assert_eq!(origin.received(), 5);
}

/// Proves that a path which climbs in any spelling is refused before it is sent, by a path and by an origin of its own
/// (case 161).
#[tokio::test]
async fn gateway_refuses_paths_that_climb() {
    let origin = Origin::start().await;
    let (gateway, ..) = own(&origin).await;
    for rest in ["/..", "/%2e%2e%2fx", "/..;/x", "/..%5cx", "/%252e%252e%252fx", "/.%2e/x", "/..%00/x"] {
        let got = ask(gateway.address, &format!("/plain{rest}"), "host: localhost\r\n").await;
        assert_eq!(got, (400, Some("invalid_request".into())), "{rest}");
        let got = ask(gateway.address, rest, "host: docs.localhost\r\n").await;
        assert_eq!(got, (400, Some("invalid_request".into())), "{rest}");
    }
    assert_eq!(origin.received(), 0);
}

/// A gateway with the routes `plain`, `docs` with a host of its own, and `wiki` with a listener of its own, whose address
/// is told.
async fn own(origin: &Origin) -> (Running, SocketAddr) {
    let url = origin.url("/echo");
    let gateway = Setup::at(Place::Here)
        .route("plain", &url)
        .start_with(|client, mut config| {
            let route = |name: &str| Route::new(name, &*url, client.clone()).unwrap();
            config.routes.push(route("docs").host("Docs.localhost").unwrap());
            config.routes.push(route("wiki").listen(([127, 0, 0, 1], 0).into()));
            config
        })
        .await;
    let routes = gateway.handle.routes().await;
    let at = |name: &str| routes.iter().find(|route| route.name == name).unwrap().at.clone();
    assert_eq!(at("plain"), format!("http://{}/plain", gateway.address));
    assert_eq!(at("docs"), format!("http://docs.localhost:{}", gateway.address.port()));
    let wiki = at("wiki").strip_prefix("http://").unwrap().parse().unwrap();
    (gateway, wiki)
}

/// Proves that a route with an origin of its own is there and nowhere else, that its pages may be opened, and that they
/// reach no other route (case 160).
#[tokio::test]
async fn route_with_own_origin_is_apart() {
    let origin = Origin::start().await;
    let (gateway, wiki) = own(&origin).await;
    let main = gateway.address;
    let docs = "host: docs.localhost\r\n";
    for (address, target, fields, status) in [
        (main, "/", docs, 200),
        (main, "/x", docs, 200),
        (main, "/", "host: DOCS.localhost.:7412\r\n", 200),
        (wiki, "/x", "host: localhost\r\n", 200),
        (main, "/docs", "host: localhost\r\n", 404),
        (main, "/wiki", "host: localhost\r\n", 404),
        (wiki, "/plain", "host: other.localhost\r\n", 403),
        (main, "/", "host: other.localhost\r\n", 403),
        (main, "/", "host: docs.localhost\r\nsec-fetch-site: none\r\nsec-fetch-mode: navigate\r\n", 200),
        (wiki, "/", "host: localhost\r\nsec-fetch-site: same-origin\r\nsec-fetch-mode: navigate\r\n", 200),
        (
            main,
            "/",
            "host: docs.localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n",
            403,
        ),
    ] {
        assert_eq!(ask(address, target, fields).await.0, status, "{target} {fields}");
    }
    // Pages: those of docs reach docs, those of wiki reach wiki, those of other programs here reach both.
    let page = |host: &str, page: &str| format!("host: {host}\r\norigin: {page}\r\n");
    let (docs, at_wiki) = (format!("http://docs.localhost:{}", main.port()), format!("http://{wiki}"));
    for (address, target, fields, status) in [
        (main, "/", page("docs.localhost", &docs), 200),
        (main, "/plain", page("localhost", &docs), 403),
        (wiki, "/", page("localhost", &docs), 403),
        (wiki, "/", page("localhost", &at_wiki), 200),
        (wiki, "/", page("localhost", &format!("http://localhost:{}", wiki.port())), 200),
        (main, "/plain", page("localhost", &at_wiki), 403),
        (main, "/", page("docs.localhost", &at_wiki), 403),
        (main, "/plain", page("localhost", "http://localhost:6274"), 200),
        (main, "/", page("docs.localhost", "http://localhost:6274"), 200),
    ] {
        assert_eq!(ask(address, target, &fields).await.0, status, "{target} {fields}");
    }
    // Its listener is no proxy, and the gateway asks nothing of it.
    let got = ask(wiki, &origin.url("/"), "host: localhost\r\n").await;
    assert_eq!(got, (403, Some("policy_denied".into())));
    for url in [at_wiki, docs] {
        assert_eq!(
            ask(main, &url, "host: localhost\r\n").await,
            (403, Some("policy_denied".into())),
            "{url}"
        );
    }
}

/// Proves that hosts and listeners which cannot be a route's own are refused.
#[tokio::test]
async fn route_own_origin_that_cannot_be_is_refused() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here)
        .start_with(|client, config| {
            let route = |name: &str| Route::new(name, origin.url("/"), client.clone()).unwrap();
            for host in [
                "",
                "localhost",
                "LOCALHOST.",
                "127.0.0.1",
                "[::1]",
                "docs.localhost:80",
                "a b",
                "a/b",
                "u@h",
            ] {
                assert!(route("r").host(host).is_err(), "{host}");
            }
            config
        })
        .await;
    drop(gateway);
    let client: Arc<dyn afield_client::HttpClient> =
        Arc::new(afield_client::Local::new(afield_egress::EgressConfig::default()).unwrap());
    let route = |name: &str| Route::new(name, "http://h/", client.clone()).unwrap();
    let bind = |routes: Vec<Route>| {
        Gateway::bind(Config { listen: ([127, 0, 0, 1], 0).into(), routes, ..Config::default() })
    };
    let exposed = bind(vec![route("a").listen(([0, 0, 0, 0], 0).into())]).await;
    assert!(matches!(exposed, Err(StartError::Exposed(_))));
    let twice =
        bind(vec![route("a").host("x.localhost").unwrap(), route("b").host("x.localhost").unwrap()]).await;
    assert!(matches!(twice, Err(StartError::Route(_))));
}

struct Replaced {
    address: SocketAddr,
    handle: Handle,
    running: JoinHandle<()>,
}

impl Drop for Replaced {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Proves that another configuration is put in place while connections are kept: routes come and go, listeners too, and
/// what cannot be changes nothing (case 188).
#[tokio::test]
async fn gateway_replaces_its_configuration_and_keeps_connections() {
    let origin = Origin::start().await;
    let client: Arc<dyn afield_client::HttpClient> =
        Arc::new(afield_client::Local::new(afield_egress::EgressConfig::default()).unwrap());
    let own_listeners = afield_egress::OwnListeners::default();
    let route = |name: &str| Route::new(name, origin.url("/echo"), client.clone()).unwrap();
    let config = |routes: Vec<Route>| Config {
        listen: ([127, 0, 0, 1], 0).into(),
        routes,
        own_listeners: own_listeners.clone(),
        ..Config::default()
    };
    let gateway = Gateway::bind(config(vec![route("a")])).await.unwrap();
    let (address, handle) = (gateway.local_addr(), gateway.handle());
    let gateway = Replaced { address, handle, running: tokio::spawn(gateway.run(CancellationToken::new())) };
    let mut kept = Caller::connect(gateway.address).await;
    let mut status = async |target: &str| {
        kept.send(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        kept.answer().await.status()
    };
    assert_eq!((status("/a").await, status("/b").await), (200, 404));
    let own = route("c").listen(([127, 0, 0, 1], 0).into());
    gateway.handle.replace(config(vec![route("b"), own.clone()])).await.unwrap();
    assert_eq!((status("/a").await, status("/b").await), (404, 200), "the same connection");
    let at = gateway.handle.routes().await.into_iter().find(|route| route.name == "c").unwrap().at;
    let c: SocketAddr = at.strip_prefix("http://").unwrap().parse().unwrap();
    assert_eq!(ask(c, "/", "host: localhost\r\n").await.0, 200);
    assert!(own_listeners.contains(c.ip(), c.port()));
    // The listener that is still asked for is the same.
    gateway.handle.replace(config(vec![route("b"), own])).await.unwrap();
    assert_eq!(gateway.handle.routes().await.into_iter().find(|route| route.name == "c").unwrap().at, at);
    let taken = route("d").listen(origin.address());
    let failed = gateway.handle.replace(config(vec![route("a"), taken])).await;
    assert!(matches!(failed, Err(StartError::Bind { .. })), "{failed:?}");
    assert_eq!((status("/a").await, status("/b").await), (404, 200), "everything stays as it was");
    gateway.handle.replace(config(vec![route("a")])).await.unwrap();
    assert_eq!((status("/a").await, status("/b").await), (200, 404));
    let gone = async {
        while own_listeners.contains(c.ip(), c.port()) {
            tokio::task::yield_now().await;
        }
    };
    afield_testkit::within("the listener is gone", gone).await;
}
