//! What is refused, with which code, beginning with which words, and what the data say.

use crate::support::{Base, Running, get, kind, stream};
use afield_egress::{HeaderVariables, Policy, Preset, Rule, VariableError};
use afield_testkit::{Origin, RawOrigin, Script, dead::Refusing, peer::Message};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// Merges `with` into the parameters of a plain `GET` of `url`.
fn params(url: &str, with: Value) -> Value {
    let mut params = get(url);
    for (name, value) in with.as_object().unwrap() {
        params[name] = value.clone();
    }
    params
}

fn header(name: &str, value: &str) -> Value {
    json!({ "headers": [{ "name": name, "value": value }] })
}

struct Variables;

impl HeaderVariables for Variables {
    fn lookup(&self, name: &str, _: &str) -> Result<Bytes, VariableError> {
        match name {
            "TOKEN" => Ok("from the executor".into()),
            "ABSENT" => Err(VariableError::Absent),
            _ => Err(VariableError::Refused),
        }
    }
}

/// Proves the table of refusals: code, beginning of the text, kind and detail; that nothing of a malformed request
/// reaches the origin; and that the connection goes on.
#[tokio::test]
async fn a_refused_request_is_told_what_is_wrong_with_it() {
    let executor = Running::with(|config| {
        config.egress.limits.url_bytes = 1000;
        config.egress.limits.header_count = 4;
        config.egress.limits.buffered_body_bytes = 1000;
        config.egress.variables = Arc::new(Variables);
    })
    .await;
    let origin = Origin::start().await;
    let url = origin.url("/echo");
    let long = origin.url(&format!("/{}", "x".repeat(1000)));
    let variable = |name: &str| json!({ "headers": [{ "name": "X-Key", "value": "", "valueEnvVar": name }] });
    let many: Vec<_> = (0..5).map(|n| json!({ "name": format!("x-{n}"), "value": "v" })).collect();
    let hosts = json!([{ "name": "host", "value": "a" }, { "name": "host", "value": "b" }]);
    let method = |method: &str| json!({ "method": method });
    let none = || json!({});
    let mut peer = executor.connect().await;
    for (params, message, kind_of, detail) in [
        (params(&url, method("CONNECT")), "http/request method is invalid: ", "invalid_request", "method"),
        (params(&url, method("TRACE")), "http/request method is invalid: ", "invalid_request", "method"),
        (params(&url, method("G ET")), "http/request method is invalid: ", "invalid_request", "method"),
        (params("nonsense", none()), "http/request url is invalid: ", "invalid_request", "url"),
        (params("http:///x", none()), "http/request url is invalid: ", "invalid_request", "url"),
        (params(&long, none()), "http/request url is invalid: ", "too_large", "url"),
        (
            params("ftp://h/", none()),
            "http/request only supports http and https URLs, got ftp",
            "invalid_request",
            "scheme",
        ),
        (
            params(&url, header("a b", "v")),
            "http/request header name is invalid: ",
            "invalid_request",
            "header_name",
        ),
        (
            params(&url, header("X", "a\nb")),
            "http/request header value is invalid for x: ",
            "invalid_request",
            "header_value",
        ),
        (
            params(&url, header("Transfer-Encoding", "chunked")),
            "http/request header name is invalid: ",
            "invalid_request",
            "header_name",
        ),
        (
            params(&url, json!({ "headers": hosts })),
            "http/request header value is invalid for host: ",
            "invalid_request",
            "header_value",
        ),
        (
            params(&url, json!({ "headers": many })),
            "http/request headers are too large: ",
            "too_large",
            "headers",
        ),
        (
            params(&url, json!({ "bodyBase64": "AAAA".repeat(400) })),
            "http/request body is too large: ",
            "too_large",
            "request_body",
        ),
        (
            params(&url, variable("ABSENT")),
            "http/request header X-Key requires executor environment variable ABSENT",
            "invalid_request",
            "header_variable_absent",
        ),
        (
            params(&url, variable("OTHER")),
            "http/request header X-Key cannot use executor environment variable OTHER",
            "invalid_request",
            "header_variable_refused",
        ),
    ] {
        let shown = params.to_string();
        let answer = peer.request(params).await;
        let error = &answer["error"];
        assert_eq!(error["code"], -32602, "{shown}: {answer}");
        assert!(error["message"].as_str().unwrap().starts_with(message), "{shown}: {answer}");
        assert_eq!((kind(&answer), &error["data"]["detail"]), (kind_of, &json!(detail)), "{shown}");
        assert_eq!(
            (&error["data"]["blame"], &error["data"]["retry"]),
            (&json!("caller"), &json!("no")),
            "{shown}"
        );
    }
    assert_eq!(origin.received(), 0);
    let answer = peer.request(params(&url, variable("TOKEN"))).await;
    assert_eq!(answer["result"]["status"], 200);
    assert_eq!(origin.request(0).await.header("x-key").unwrap(), "from the executor");
}

/// Proves that a failed exchange has the code and the prefix that reference clients retry on, and says whether a retry
/// is safe.
#[tokio::test]
async fn a_failed_exchange_says_whether_a_retry_is_safe() {
    let executor = Running::start().await;
    let origin = Origin::start().await;
    let refusing = Refusing::on("127.0.0.1");
    let plain =
        RawOrigin::always(Script::new().expect_bytes(1).send("HTTP/1.1 400 Bad Request\r\n\r\n").close())
            .await;
    let nonsense = RawOrigin::always(Script::new().expect_head().send("nonsense\r\n\r\n").close()).await;
    let endless = RawOrigin::always(Script::answering(
        "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    let mut peer = executor.connect().await;
    let timeout = |url: String, name: &str, ms: u64| params(&url, json!({ name: ms }));
    for (params, kind_of, retry, phase) in [
        (get("http://nowhere.invalid/"), "dns", "safe", Some("dns")),
        (get(format!("http://{}/", refusing.address())), "connect", "safe", Some("connect")),
        (get(format!("https://{}/", plain.address())), "tls", "safe", Some("tls")),
        (get(nonsense.url("/")), "origin_protocol", "unknown", Some("head")),
        (get(endless.url("/")), "origin_protocol", "no", None),
        (timeout(origin.url("/slow-head"), "timeoutMs", 30), "timeout", "unknown", Some("head")),
        (timeout(origin.url("/slow-head"), "headTimeoutMs", 30), "timeout", "unknown", Some("head")),
        (timeout(origin.url("/slow-head"), "timeoutMs", 0), "timeout", "safe", None),
    ] {
        for streamed in [false, true] {
            let mut params = params.clone();
            params["streamResponse"] = json!(streamed);
            let shown = params.to_string();
            let answer = peer.request(params).await;
            let error = &answer["error"];
            assert_eq!(error["code"], -32603, "{shown}: {answer}");
            assert!(
                error["message"].as_str().unwrap().starts_with("http/request failed: "),
                "{shown}: {answer}"
            );
            assert_eq!(
                (kind(&answer), &error["data"]["retry"]),
                (kind_of, &json!(retry)),
                "{shown}: {answer}"
            );
            if let Some(phase) = phase {
                assert_eq!(error["data"]["phase"], phase, "{shown}: {answer}");
            }
        }
    }
}

/// Proves that a deadline that passes in the body ends a buffered call with an error and a stream with one in its last
/// frame, and closes the origin's connection either way.
#[tokio::test]
async fn a_deadline_in_the_body_ends_the_call_and_the_origin_s_connection() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    for deadline in ["timeoutMs", "idleTimeoutMs"] {
        let answer = peer.request(params(&origin.url("/sse-open"), json!({ deadline: 300 }))).await;
        assert_eq!(
            (kind(&answer), &answer["error"]["data"]["phase"]),
            ("timeout", &json!("body")),
            "{answer}"
        );
        let mut streamed = stream(origin.url("/sse-open"), "s");
        streamed[deadline] = json!(300);
        assert_eq!(peer.request(streamed).await["result"]["status"], 200);
        assert!(peer.rest("s", 1).await.1.is_some());
    }
    origin.wait_active(0).await;
}

/// Proves that what the policy denies has its own code, at the hop where it was met, and that a redirect's target is
/// never contacted.
#[tokio::test]
async fn case_036_a_denied_destination_has_its_own_code() {
    let origin = Origin::start().await;
    let denied = Origin::on("127.66.0.9").await;
    let executor = Running::with(|config| {
        config.egress.policy =
            Policy::new(Preset::Standard, [Rule::deny().network("127.66.0.0/16").unwrap()]);
    })
    .await;
    let mut peer = executor.connect().await;
    for (url, hop) in [(denied.url("/"), 0), (origin.url(&format!("/redirect?to={}", denied.url("/"))), 1)] {
        let answer = peer.request(get(url)).await;
        assert_eq!(answer["error"]["code"], -32021, "{answer}");
        assert_eq!((kind(&answer), &answer["error"]["data"]["hop"]), ("policy_denied", &json!(hop)));
        assert!(!answer.to_string().contains("127.66"), "the text names no rule and no address: {answer}");
    }
    assert_eq!(denied.accepted(), 0);
}

/// Proves that a stream's id is reserved while it is active, before the head as after, free again after its last frame
/// and after a refusal, and that buffered calls may share it.
#[tokio::test]
async fn an_active_stream_s_id_is_refused_and_then_free() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let message = "http/request streamResponse requestId `s` is already active";
    let first = peer.start("http/request", stream(origin.url("/half/10?then=rest&gate=head"), "s")).await;
    assert_eq!(peer.request(stream(origin.url("/echo"), "s")).await["error"]["message"], message);
    let mut buffered = get(origin.url("/echo"));
    buffered["requestId"] = json!("s");
    assert_eq!(peer.request(buffered).await["result"]["status"], 200);
    origin.open_gate("head");
    assert_eq!(peer.answer(first).await["result"]["status"], 200);
    let refused = peer.request(stream(origin.url("/echo"), "s")).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["message"]), (&json!(-32602), &json!(message)));
    origin.open_gate("rest");
    assert_eq!(peer.rest("s", 1).await.0.len(), 10);
    assert_eq!(kind(&peer.request(stream("http://x.invalid/", "s")).await), "dns");
    peer.open_stream(origin.url("/bytes/3"), "s").await;
    assert_eq!(peer.rest("s", 1).await.0.len(), 3);
}

/// Proves that an id that is in use is refused without ending the call that has it.
#[tokio::test]
async fn case_093_a_call_under_an_active_id_is_refused_and_the_first_unaffected() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.connect().await;
    let call = |url: String| json!({ "id": "same", "method": "http/request", "params": get(url) });
    peer.send_json(&call(origin.url("/slow-head"))).await;
    peer.send_json(&call(origin.url("/echo"))).await;
    assert_eq!(peer.answer(-1).await["error"]["code"], -32600);
    origin.open_gate("slow-head");
    assert_eq!(peer.answer("same").await["result"]["status"], 200);
    assert_eq!(origin.received(), 1, "the second was not performed");
}

/// Proves that what is no message, no known method, no fitting parameters or out of turn is answered with its code, and
/// that the connection and its calls go on.
#[tokio::test]
async fn case_091_to_098_malformed_messages_harm_nothing() {
    let (executor, origin) = (Running::start().await, Origin::start().await);
    let mut peer = executor.open().await;
    let call = json!({ "id": 1, "method": "http/request", "params": get(origin.url("/echo")) });
    peer.send_json(&call).await;
    let refused = peer.answer(1).await;
    assert_eq!(
        refused["error"],
        json!({ "code": -32600, "message": "client must call initialize before using http methods" })
    );
    peer.initialize(json!({ "clientName": "test" })).await;
    let pending = peer.start("http/request", get(origin.url("/slow-head"))).await;
    for text in [
        "",
        "x",
        "[]",
        "7",
        "\u{feff}{}",
        "{} {}",
        "{}",
        r#"{"id":null,"method":"environment/status"}"#,
        r#"{"id":1.5,"method":"environment/status"}"#,
        r#"{"id":5,"method":7}"#,
        r#"{"id":5,"id":6,"method":"environment/status"}"#,
        r#"[{"id":5,"method":"environment/status"}]"#,
        &format!("{}{}", "[".repeat(200), "]".repeat(200)),
    ] {
        peer.send_text(text).await;
        let answer = peer.json().await;
        assert_eq!(answer["error"]["code"], -32600, "{text}: {answer}");
    }
    for text in [
        r#"{"method":"later/thing","params":{}}"#,
        r#"{"id":99,"result":{}}"#,
        r#"{"id":99,"error":{"code":1,"message":"m"}}"#,
    ] {
        peer.send_text(text).await;
    }
    assert_eq!(peer.call("process/read", json!({})).await["error"]["code"], -32601);
    let wrong = peer.call("http/request", json!({ "method": "GET", "url": 7, "requestId": "r" })).await;
    assert_eq!((&wrong["error"]["code"], kind(&wrong)), (&json!(-32602), "invalid_request"));
    assert!(wrong["error"]["message"].as_str().unwrap().contains("url must be a string"), "{wrong}");
    let again = peer.call("initialize", json!({ "clientName": "test" })).await;
    assert_eq!(again["error"]["message"], "initialize may only be sent once per connection");
    peer.send_binary(json!({ "id": "b", "method": "environment/status" }).to_string()).await;
    assert_eq!(peer.answer("b").await["result"]["status"], "ready");
    peer.try_send(Message::binary(&b"\xff\xfe"[..])).await.unwrap();
    assert_eq!(peer.answer(-1).await["error"]["code"], -32600);
    origin.open_gate("slow-head");
    assert_eq!(peer.answer(pending).await["result"]["status"], 200);
    peer.settle().await;
    assert_eq!(peer.kept(), 0, "notifications and answers to nothing are not answered");
}

/// Proves that a message over the limit ends the connection with 1009, and one at the limit does not.
#[tokio::test]
async fn case_088_a_message_over_the_limit_ends_the_connection() {
    let executor = Running::limited(|limits| limits.message_bytes = 1000).await;
    let mut peer = executor.connect().await;
    let mut text = json!({ "id": 5, "method": "environment/status" }).to_string();
    text.push_str(&" ".repeat(1000 - text.len()));
    peer.send_text(text.clone()).await;
    assert_eq!(peer.answer(5).await["result"]["status"], "ready");
    text.push(' ');
    peer.send_text(text).await;
    assert!(matches!(peer.end().await, afield_testkit::peer::End::Closed(1009, _)));
}
