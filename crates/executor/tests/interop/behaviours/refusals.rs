use super::{Behaviour, Bench, decode, differs, same};
use afield_testkit::{RawOrigin, Script};
use serde_json::{Value, json};

const FAILED: &str = "-32603 `http/request failed:`";
const CUT: &str = "-32603 `failed to read http/request response body:`";

pub fn behaviours() -> Vec<Behaviour> {
    let mut all = targets();
    all.extend(fields());
    all.extend(failures());
    all
}

fn targets() -> Vec<Behaviour> {
    const METHOD: &str = "-32602 `http/request method is invalid:`";
    const URL: &str = "-32602 `http/request url is invalid:`";
    vec![
        same("a method that is not a token", METHOD, async |bench: &Bench| {
            bench.outcome(bench.get("/echo", json!({ "method": "G ET" }))).await
        }),
        differs(
            "the method `CONNECT`",
            METHOD,
            "it is sent",
            "a tunnel is no request",
            async |bench: &Bench| sent(bench, "CONNECT").await,
        ),
        differs(
            "the method `TRACE`",
            METHOD,
            "it is sent",
            "it makes an origin repeat the request's secrets",
            async |bench: &Bench| sent(bench, "TRACE").await,
        ),
        same("a URL that is none", URL, async |bench: &Bench| url(bench, "nonsense").await),
        same("a URL without a host", URL, async |bench: &Bench| url(bench, "http:///").await),
        same("a port above 65535", URL, async |bench: &Bench| url(bench, "http://127.0.0.1:65536/").await),
        same(
            "another scheme",
            "-32602 `http/request only supports http and https URLs, got ftp`",
            async |bench: &Bench| url(bench, "ftp://127.0.0.1/").await,
        ),
        differs(
            "`http:host` without slashes",
            URL,
            "status 200",
            "what a URL means must not depend on who reads it",
            async |bench: &Bench| {
                let address = bench.origin.address();
                url(bench, &format!("http:{address}/echo")).await
            },
        ),
        differs("a URL of 9 KiB", URL, "status 200", "every length has a limit", async |bench: &Bench| {
            let long = bench.origin.url(&format!("/echo?{}", "q".repeat(9 * 1024)));
            url(bench, &long).await
        }),
    ]
}

fn fields() -> Vec<Behaviour> {
    const NAME: &str = "-32602 `http/request header name is invalid:`";
    const VALUE: &str = "-32602 `http/request header value is invalid for x-a:`";
    const VARIABLE: &str = "-32602 `http/request header x-a cannot use executor environment variable`";
    vec![
        same("a header name that is not a token", NAME, async |bench: &Bench| {
            header(bench, json!({ "name": "x a", "value": "1" })).await
        }),
        same("a header value with a line break", VALUE, async |bench: &Bench| {
            header(bench, json!({ "name": "x-a", "value": "1\r\nx-b: 2" })).await
        }),
        same("a header without `value`", "-32602", async |bench: &Bench| {
            header(bench, json!({ "name": "x-a" })).await
        }),
        differs(
            "101 request headers",
            "-32602 `http/request headers are too large:`",
            "status 200",
            "every count has a limit",
            async |bench: &Bench| {
                let headers = vec![json!({ "name": "x-a", "value": "1" }); 101];
                bench.outcome(bench.get("/echo", json!({ "headers": headers }))).await
            },
        ),
        differs(
            "`Transfer-Encoding` from the caller",
            "refused",
            "no transfer-encoding goes out",
            "framing is the executor's, and a caller who asks for another should know",
            async |bench: &Bench| {
                let headers = json!([{ "name": "Transfer-Encoding", "value": "chunked" }]);
                refused(&bench.echo(json!({ "headers": headers })).await.header("transfer-encoding"))
            },
        ),
        differs(
            "two `Host`s",
            "refused",
            "host: a.test, b.test",
            "RFC 9112, section 3.2: an origin must refuse such a request, and one that does not is fooled",
            async |bench: &Bench| {
                let headers =
                    json!([{ "name": "Host", "value": "a.test" }, { "name": "Host", "value": "b.test" }]);
                refused(&bench.echo(json!({ "headers": headers })).await.header("host"))
            },
        ),
        differs(
            "a header from an executor variable that is set",
            VARIABLE,
            "status 200",
            "the operator says which variable goes to which host; none does by default",
            async |bench: &Bench| {
                header(bench, json!({ "name": "x-a", "value": "", "valueEnvVar": "PATH" })).await
            },
        ),
        differs(
            "a header from an executor variable that is not set",
            VARIABLE,
            "-32602 `http/request header x-a requires executor environment variable`",
            "whether a variable is set that the caller may not use is none of its business",
            async |bench: &Bench| {
                header(bench, json!({ "name": "x-a", "value": "", "valueEnvVar": "NO_SUCH_VARIABLE" })).await
            },
        ),
        same("a body that is not base64, not padded, or URL-safe base64", "-32602", async |bench: &Bench| {
            let mut outcomes = Vec::new();
            for body in ["!!!!", "YWI", "_-__"] {
                let params = bench.get("/upload", json!({ "method": "POST", "bodyBase64": body }));
                outcomes.push(bench.outcome(params).await);
            }
            outcomes.dedup();
            outcomes.join(", ")
        }),
        same("an unknown redirect policy, a negative timeout", "-32602", async |bench: &Bench| {
            let mut outcomes = Vec::new();
            for changes in [json!({ "redirectPolicy": "ask" }), json!({ "timeoutMs": -1 })] {
                outcomes.push(bench.outcome(bench.get("/echo", changes)).await);
            }
            outcomes.dedup();
            outcomes.join(", ")
        }),
    ]
}

fn failures() -> Vec<Behaviour> {
    vec![
        same("an origin that refuses the connection", FAILED, async |bench: &Bench| {
            url(bench, "http://127.0.0.1:1/").await
        }),
        same("a name that cannot exist", FAILED, async |bench: &Bench| {
            url(bench, "http://no-such.invalid/").await
        }),
        same("an origin that closes without an answer", FAILED, async |bench: &Bench| raw(bench, b"").await),
        same("an origin that does not speak HTTP", FAILED, async |bench: &Bench| {
            raw(bench, b"SSH-2.0-x\r\n\r\n").await
        }),
        differs(
            "a response with 101 headers",
            "status 200",
            FAILED,
            "real origins send them; afield's limit is 256, and settable",
            async |bench: &Bench| {
                raw(bench, format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(101)).as_bytes()).await
            },
        ),
        same("a timeout of 0", FAILED, async |bench: &Bench| {
            bench.outcome(bench.get("/echo", json!({ "timeoutMs": 0 }))).await
        }),
        same("a timeout before the head", FAILED, async |bench: &Bench| {
            bench.outcome(bench.get("/slow-head", json!({ "timeoutMs": 200 }))).await
        }),
        same("a timeout in the body", CUT, async |bench: &Bench| {
            bench.outcome(bench.get("/sse-open", json!({ "timeoutMs": 500 }))).await
        }),
        same("a body shorter than announced", CUT, async |bench: &Bench| {
            raw(bench, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await
        }),
        differs(
            "what an error says to a program",
            "kind connect, blame origin, retry safe",
            "nothing",
            "who has to act and whether to retry cannot be read from a text",
            async |bench: &Bench| {
                let params = bench.get("", json!({ "url": "http://127.0.0.1:1/" }));
                let answer = bench.dial().await.call("http/request", params).await;
                match &answer["error"]["data"] {
                    Value::Null => "nothing".to_owned(),
                    data => ["kind", "blame", "retry"]
                        .map(|key| format!("{key} {}", data[key].as_str().unwrap_or_default()))
                        .join(", "),
                }
            },
        ),
        differs(
            "the query of a URL that cannot be reached",
            "is not in the error",
            "is in the error",
            "queries hold secrets, and errors end in logs",
            async |bench: &Bench| {
                let params = bench.get("", json!({ "url": "http://127.0.0.1:1/?key=canary" }));
                let answer = bench.dial().await.call("http/request", params).await;
                if answer.to_string().contains("canary") { "is in the error" } else { "is not in the error" }
                    .to_owned()
            },
        ),
        same("an answer after all that on the same connection", "every byte", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            for broken in ["http://127.0.0.1:1/", "nonsense", "http://no-such.invalid/"] {
                wire.call("http/request", bench.get("", json!({ "url": broken }))).await;
            }
            let answer = wire.call("http/request", bench.get("/bytes/10", json!({}))).await;
            let body = answer["result"]["bodyBase64"].as_str().map(decode);
            let whole = body.is_some_and(|body| body == afield_testkit::pattern::bytes(0, 10));
            if whole { "every byte".to_owned() } else { super::sum_up(&answer) }
        }),
    ]
}

async fn url(bench: &Bench, url: &str) -> String {
    bench.outcome(bench.get("", json!({ "url": url }))).await
}

async fn header(bench: &Bench, header: Value) -> String {
    bench.outcome(bench.get("/echo", json!({ "headers": [header] }))).await
}

async fn raw(bench: &Bench, answer: &[u8]) -> String {
    let origin = RawOrigin::always(Script::new().expect_request().send(answer.to_vec())).await;
    url(bench, &origin.url("/")).await
}

async fn sent(bench: &Bench, method: &str) -> String {
    let count = bench.origin.received();
    let outcome = bench.outcome(bench.get("/echo", json!({ "method": method }))).await;
    if bench.origin.received() > count { "it is sent".to_owned() } else { outcome }
}

fn refused(outcome: &str) -> String {
    if outcome.starts_with("-32602") { "refused" } else { outcome }.to_owned()
}
