//! Which paths mean which URLs.

use crate::support::{PLACES, Place, Setup};
use afield_client::Local;
use afield_egress::EgressConfig;
use afield_exchange::Header;
use afield_gateway::{Config, Gateway, Route, StartError, TokenDigest};
use afield_testkit::Origin;
use std::sync::Arc;

/// Proves that a path means the route's URL and what follows it, and that `Host` is the server's.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_the_servers_url_and_what_lies_below() {
    for place in PLACES {
        let origin = Origin::start().await;
        let gateway = Setup::at(place)
            .route("one", origin.url("/echo"))
            .route("one/two", origin.url("/echo?own=1"))
            .start()
            .await;
        for (target, reached) in [
            ("/one", "/echo"),
            ("/one?a=%2f", "/echo?a=%2f"),
            ("/one/two", "/echo?own=1"),
            ("/one/two?b", "/echo?own=1&b"),
            ("/one/twofold", "/echo/twofold"),
            ("/one/", "/echo/"),
        ] {
            let index = origin.received() as usize;
            gateway.get(target).await;
            let request = origin.request(index).await;
            assert_eq!(request.target(), reached, "{place:?}");
            assert_eq!(request.values("host"), [origin.address().to_string().as_bytes()], "{place:?}");
        }
    }
}

/// Proves that a path without a route is told from the origin's 404, and that the routes there are are named.
#[tokio::test]
async fn an_unknown_route_lists_those_there_are() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here).route("one", origin.url("/status/404")).start().await;
    let unknown = gateway.get("/two").await;
    assert_eq!((unknown.status(), unknown.error()), (404, Some("invalid_request")));
    assert_eq!(unknown.json()["error"]["routes"], serde_json::json!(["/one"]));
    let known = gateway.get("/one").await;
    assert_eq!((known.status(), known.error()), (404, None));
}

/// Proves that `/` shows the routes and no secret of theirs, and that `/readyz` says that the gateway is there.
#[tokio::test]
async fn the_index_shows_the_routes_and_no_secret() {
    let gateway = Setup::at(Place::Here).route("one", "http://u:canary@h/mcp?canary").start().await;
    let index = gateway.get("/").await;
    assert!(index.text().contains("/one  http://h/mcp\n"), "{}", index.text());
    assert!(!index.text().contains("canary"));
    assert_eq!(gateway.get("/readyz").await.status(), 200);
    let unknown = gateway.get("/x").await;
    assert!(!unknown.text().contains("canary"));
}

/// Proves that a path which would leave the server's URL, or be rewritten on the way, is refused.
#[tokio::test]
async fn a_path_that_climbs_is_refused() {
    let origin = Origin::start().await;
    let gateway = Setup::at(Place::Here).route("r", origin.url("/mcp")).start().await;
    for target in ["/r/../echo", "/r/%2e%2E/echo", "/r/./x", "/r/a\\..\\b"] {
        let got = gateway.get(target).await;
        assert_eq!((got.status(), got.error()), (400, Some("invalid_request")), "{target}");
    }
    assert_eq!(origin.received(), 0);
}

/// Proves that a route's own fields are added where the caller has none of that name, and only there.
#[tokio::test]
async fn a_routes_fields_are_added_where_the_caller_has_none() {
    let origin = Origin::start().await;
    let url = origin.url("/echo");
    let gateway = Setup::at(Place::Here)
        .start_with(|client, config| {
            let route = Route::new("r", url, client.clone()).unwrap();
            let route = route.header(Header::new("X-Key", "own")).header(Header::new("x-other", "own"));
            Config { routes: vec![route], ..config }
        })
        .await;
    gateway.ask("GET /r HTTP/1.1\r\nhost: localhost\r\nx-key: mine\r\n\r\n").await;
    let request = origin.request(0).await;
    assert_eq!(request.values("x-key"), [b"mine"]);
    assert_eq!(request.values("x-other"), [b"own"]);
}

/// Proves that an address which others can reach is refused, unless it is wanted and there is a token.
#[tokio::test]
async fn an_exposed_address_needs_a_token_and_a_word() {
    let token = || Some(TokenDigest::of("t"));
    for (exposed, token, fine) in
        [(false, None, false), (true, None, false), (false, token(), false), (true, token(), true)]
    {
        let client = Arc::new(Local::new(EgressConfig::default()).unwrap());
        let config = Config {
            listen: ([0, 0, 0, 0], 0).into(),
            exposed,
            token,
            routes: vec![Route::new("r", "http://h/", client).unwrap()],
            ..Config::default()
        };
        let bound = Gateway::bind(config).await;
        assert_eq!(!matches!(bound, Err(StartError::Exposed(_))), fine);
    }
}
