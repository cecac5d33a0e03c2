use super::{Behaviour, Bench, differs, encode, same, sum_up};
use afield_testkit::Origin;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

pub fn behaviours() -> Vec<Behaviour> {
    vec![
        same("a redirect", "followed", async |bench: &Bench| {
            bench
                .echo(json!({ "url": bench.origin.url(&to("/echo", 302)) }))
                .await
                .or_error(|_| "followed".to_owned())
        }),
        same("`redirectPolicy: stop`", "status 302", async |bench: &Bench| {
            bench.outcome(bench.get(&to("/echo", 302), json!({ "redirectPolicy": "stop" }))).await
        }),
        same("10 redirects", "followed", async |bench: &Bench| chain(bench, 10).await),
        same("11 redirects", "-32603 `http/request failed:`", async |bench: &Bench| chain(bench, 11).await),
        same("301, 302 and 303 on a `POST`", "GET with 0 bytes", async |bench: &Bench| {
            post(bench, &[301, 302, 303]).await
        }),
        same("307 and 308 on a `POST`", "POST with 4 bytes", async |bench: &Bench| {
            post(bench, &[307, 308]).await
        }),
        same("300 and 304", "the answer itself", async |bench: &Bench| {
            for status in [300, 304] {
                let outcome = bench.outcome(bench.get(&to("/echo", status), json!({}))).await;
                assert_eq!(outcome, format!("status {status}"));
            }
            "the answer itself".to_owned()
        }),
        same("`Authorization` and `Cookie` to another origin", "neither arrives", async |bench: &Bench| {
            match across(bench, "authorization").await.starts_with("no ")
                && across(bench, "cookie").await.starts_with("no ")
            {
                true => "neither arrives",
                false => "they arrive",
            }
            .to_owned()
        }),
        same(
            "`Content-Type`, `Accept`, `User-Agent` and `Mcp-Protocol-Version` to another origin",
            "all arrive",
            async |bench: &Bench| {
                for name in ["content-type", "accept", "user-agent", "mcp-protocol-version"] {
                    let arrived = across(bench, name).await;
                    if arrived != format!("{name}: sent") {
                        return arrived;
                    }
                }
                "all arrive".to_owned()
            },
        ),
        differs(
            "`X-Api-Key` to another origin",
            "no x-api-key goes out",
            "x-api-key: sent",
            "what was meant for one origin is a secret to the next",
            async |bench: &Bench| across(bench, "x-api-key").await,
        ),
        differs(
            "`Mcp-Session-Id` to another origin",
            "no mcp-session-id goes out",
            "mcp-session-id: sent",
            "what was meant for one origin is a secret to the next",
            async |bench: &Bench| across(bench, "mcp-session-id").await,
        ),
        differs(
            "the caller's `Host` to another origin",
            "the origin's own",
            "host: sent",
            "it named the first origin",
            async |bench: &Bench| {
                let host = across(bench, "host").await;
                if host.starts_with("host: 127.0.0.1:") { "the origin's own".to_owned() } else { host }
            },
        ),
        differs(
            "`Referer` on a redirect",
            "no referer goes out",
            "added",
            "the caller did not ask for it, and it carries the first URL's path",
            async |bench: &Bench| {
                let sent =
                    bench.echo(json!({ "url": bench.origin.url(&to("/echo", 302)) })).await.header("referer");
                if sent.starts_with("referer: http://") { "added".to_owned() } else { sent }
            },
        ),
        differs(
            "a redirect to another scheme",
            "status 302",
            "-32603 `http/request failed:`",
            "the caller may know what to do with it",
            async |bench: &Bench| bench.outcome(bench.get(&to("ftp://127.0.0.1/", 302), json!({}))).await,
        ),
        differs(
            "an empty `Location`",
            "status 302",
            "-32603 `http/request failed:`",
            "it names no place; the reference asks the same URL until its hops are used up",
            async |bench: &Bench| bench.outcome(bench.get(&to("", 302), json!({}))).await,
        ),
    ]
}

fn to(target: &str, code: u16) -> String {
    format!("/redirect?code={code}&to={}", byte_serialize(target.as_bytes()).collect::<String>())
}

async fn chain(bench: &Bench, hops: usize) -> String {
    let route = (0..hops).fold("/echo".to_owned(), |route, _| to(&route, 302));
    bench.echo(json!({ "url": bench.origin.url(&route) })).await.or_error(|_| "followed".to_owned())
}

async fn post(bench: &Bench, codes: &[u16]) -> String {
    let mut outcomes = Vec::new();
    for code in codes {
        let changes = json!({ "method": "POST", "url": bench.origin.url(&to("/echo", *code)), "bodyBase64": encode("body") });
        let echo = bench.echo(changes).await;
        outcomes.push(echo.or_error(|echo| {
            format!("{} with {} bytes", echo["method"].as_str().unwrap(), echo["bodyLength"])
        }));
    }
    outcomes.dedup();
    outcomes.join(", ")
}

/// What became of one header field on a redirect to another origin.
async fn across(bench: &Bench, name: &str) -> String {
    let other = Origin::start().await;
    let target = format!("http://{}/echo", other.address());
    let headers = json!([{ "name": name, "value": "sent" }]);
    let url = bench.origin.url(&to(&target, 307));
    let changes: Value =
        json!({ "method": "POST", "url": url, "bodyBase64": encode("body"), "headers": headers });
    let answer = bench.dial().await.call("http/request", bench.get("", changes)).await;
    if answer["result"].is_null() {
        return sum_up(&answer);
    }
    let values: Vec<_> = other
        .request(0)
        .await
        .values(name)
        .into_iter()
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    match values.is_empty() {
        true => format!("no {name} goes out"),
        false => format!("{name}: {}", values.join(", ")),
    }
}
