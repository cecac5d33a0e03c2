//! An executor does not call itself.

use crate::support::{Base, Running, get, kind};
use afield_testkit::Origin;
use serde_json::json;

/// Proves that the executor's own address is denied, however it is written and though a redirect leads there.
#[tokio::test]
async fn case_026_the_executor_s_own_address_is_denied_in_every_form() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let port = executor.address.port();
    let mut peer = executor.connect().await;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "%31%32%37.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
    ];
    let urls = hosts.iter().map(|host| (format!("http://{host}:{port}/readyz"), 0));
    let redirect = origin.url(&format!("/redirect?to=http://127.0.0.1:{port}/readyz"));
    for (url, hop) in urls.chain([(redirect, 1)]) {
        let answer = peer.request(get(url.clone())).await;
        assert_eq!(
            (&answer["error"]["code"], kind(&answer)),
            (&json!(-32021), "policy_denied"),
            "{url}: {answer}"
        );
        assert_eq!(
            (&answer["error"]["data"]["detail"], &answer["error"]["data"]["hop"]),
            (&json!("self"), &json!(hop))
        );
    }
    assert_eq!(
        peer.request(get(origin.url("/echo"))).await["result"]["status"],
        200,
        "other ports are others"
    );
}
