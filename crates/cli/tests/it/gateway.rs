//! `afield gateway`.

use crate::support::{
    afield, code, end, file,
    gateway::gateway,
    home::{log_in, works},
    run, serve, signal, text,
};
use afield_testkit::{Origin, oauth::Site};
use rustix::process::Signal;
use tempfile::TempDir;

/// The body, and the status before it.
async fn get(url: &str) -> (String, String) {
    let got = run(afield(&["request", "-s", "-w", "\n%{http_code}", url])).await;
    assert_eq!(code(&got), 0, "{}", text(&got.stderr));
    let said = text(&got.stdout);
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

/// Proves that without any configuration a route leads to its server by way of the executor, that its URL is printed, and that
/// SIGTERM ends the gateway with 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_needs_no_configuration() {
    let home = TempDir::new().unwrap();
    let origin = Origin::start().await;
    let (_executor, executor) = serve(&[]).await;
    let route = format!("docs={}", origin.url("/echo"));
    let (mut child, base, lines) =
        gateway(home.path(), &["--executor", &executor, "--route", &route], 2).await;
    assert_eq!(lines[0], format!("{base}/docs  {}  from {executor}", origin.url("/echo")));
    assert!(lines[1].starts_with(&format!("HTTP_PROXY={base} ")), "{lines:?}");
    let (status, body) = get(&format!("{base}/docs/below?q=%20")).await;
    assert_eq!(status, "200", "{body}");
    assert_eq!(origin.request(0).await.target(), "/echo/below?q=%20");
    assert_eq!(get(&format!("{base}/docs")).await.0, "200");
    signal(&child, Signal::TERM);
    assert_eq!(end(&mut child).await, Some(0));
}

/// Proves that the servers of the configuration are routes, each from its own environment and with its own fields; that one whose
/// environment does not exist fails alone and never leaves from here; and that a disabled one is none.
#[tokio::test(flavor = "multi_thread")]
async fn case_114_each_server_leaves_from_its_own_environment() {
    let home = TempDir::new().unwrap();
    let origin = Origin::start().await;
    let (_executor, executor) = serve(&[]).await;
    let url = origin.url("/echo");
    let config = format!(
        r#"
        [executors.there]
        url = "{executor}"
        [mcp_servers.near]
        url = "{url}"
        [mcp_servers.far]
        url = "{url}"
        environment = "there"
        headers = {{ X-Key = "of the route" }}
        [mcp_servers.lost]
        url = "{url}"
        environment = "nowhere"
        [mcp_servers.off]
        url = "{url}"
        enabled = false
        [gateway]
        executor = "there"
        routes = {{ extra = "{url}" }}
        "#
    );
    let (_directory, path) = file(config.as_bytes());
    let path = path.with_extension("toml");
    std::fs::write(&path, config).unwrap();
    let (_child, base, lines) =
        gateway(home.path(), &["--config", path.to_str().unwrap(), "--no-proxy"], 4).await;
    let places: Vec<_> = lines.iter().map(|line| line.rsplit_once("  from ").unwrap().1).collect();
    assert_eq!(places, ["there", "there", "nowhere: it cannot be used", "here"], "{lines:?}");
    let (status, body) = get(&format!("{base}/far")).await;
    assert!(status == "200" && body.contains("of the route"), "{body}");
    assert_eq!(get(&format!("{base}/near")).await.0, "200");
    assert_eq!(get(&format!("{base}/extra")).await.0, "200");
    let asked = origin.received();
    let (status, body) = get(&format!("{base}/lost")).await;
    assert!(status == "502" && body.contains("nowhere"), "{status} {body}");
    assert_eq!(get(&format!("{base}/off")).await.0, "404");
    assert_eq!(origin.received(), asked);
}

/// Proves that a route carries the token of its server's login, and that one which the server refuses is renewed unseen.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_carries_the_login_of_its_server() {
    let site = Site::start().await;
    let home = TempDir::new().unwrap();
    let home = home.path();
    works(home, &["mcp", "add", "docs", &site.url()]).await;
    let (_child, base, _) = gateway(home, &[], 1).await;
    let (status, _) = get(&format!("{base}/docs")).await;
    assert_eq!(status, "401");
    log_in(home, &["mcp", "login", "docs", "--headless"]).await;
    let (_child, base, _) = gateway(home, &[], 1).await;
    assert_eq!(get(&format!("{base}/docs")).await.0, "200");
    site.expire();
    assert_eq!(get(&format!("{base}/docs")).await.0, "200");
    assert_eq!(site.refreshes(), 1);
}

/// Proves that what makes no sense, or would let others in, is refused with a reason and a code of its own.
#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let taken = Origin::start().await;
    let taken = taken.address().to_string();
    for (arguments, expected, why) in [
        (&["--listen", "0.0.0.0:0"][..], 64, "other machines"),
        (&["--listen", "0.0.0.0:0", "--expose"], 64, "token"),
        (&["--listen", "nonsense"], 64, "address"),
        (&["--listen", &taken], 69, "cannot listen"),
        (&["--route", "docs"], 64, "name and a URL"),
        (&["--listen", "127.0.0.1:0", "--route", "readyz=http://h/"], 64, "readyz"),
        (&["--listen", "127.0.0.1:0", "--route", "a=ftp://u:canary@h/?canary"], 64, "http"),
        (&["--executor", "nobody"], 2, "nobody"),
    ] {
        let home = TempDir::new().unwrap();
        let mut command = afield(&["gateway"]);
        command.env("HOME", home.path()).args(arguments);
        let got = run(command).await;
        let said = text(&got.stderr);
        assert_eq!(code(&got), expected, "{arguments:?}: {said}");
        assert!(said.contains(why) && !said.contains("canary"), "{arguments:?}: {said}");
    }
}
