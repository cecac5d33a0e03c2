//! Requests that lead back to the gateway.

use crate::support::{PLACES, Setup};
use afield_gateway::{Config, Route};

/// Proves that the gateway asks nothing of itself, whoever performs its requests and however its address is written, by a route
/// as by the proxy.
#[tokio::test(flavor = "multi_thread")]
async fn case_26_a_request_that_leads_back_is_refused() {
    for place in PLACES {
        // A port that is free now, so that a route can name it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let gateway = Setup::at(place)
            .start_with(|client, config| {
                let url = format!("http://127.1:{port}/loop");
                let route = Route::new("loop", url, client.clone()).unwrap();
                Config { listen: ([127, 0, 0, 1], port).into(), routes: vec![route], ..config }
            })
            .await;
        for target in [
            "/loop".to_owned(),
            format!("http://127.0.0.1:{port}/loop"),
            format!("http://localhost:{port}/"),
            format!("http://0x7f.1:{port}/readyz"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://x@2130706433:{port}/"),
        ] {
            let got = gateway.get(&target).await;
            assert_eq!((got.status(), got.error()), (403, Some("policy_denied")), "{place:?} {target}");
            assert_eq!(got.json()["error"]["detail"], "self", "{place:?} {target}");
        }
    }
}
