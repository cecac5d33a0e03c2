use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, expect, expect_error, text},
    origin::pattern,
    wire::{Came, Wire},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Base, "base/buffered", "a call is answered with status, headers and body", buffered),
    check!(Base, "base/upload", "bodyBase64 reaches the origin", upload),
    check!(Base, "base/headers", "names are in lower case, repeats are kept, bytes are exact", headers),
    check!(Base, "base/streamed", "a stream is its head, then deltas 1, 2, 3…, and one end", streamed),
    check!(Base, "base/order", "a call that waits holds up no other", order),
    check!(
        Base,
        "base/active-stream",
        "a stream's id is refused while it is active, and free after its end",
        active_stream
    ),
    check!(Base, "base/active-id", "a JSON-RPC id that is active is answered -32600 with id -1", active_id),
    check!(Base, "base/redirects", "redirects are followed, or with stop are the answer", redirects),
    check!(
        Base,
        "base/cancel-stream",
        "a cancelled stream ends with done and error, and its origin is let go",
        cancel_stream
    ),
    check!(Base, "base/cancel-pending", "a cancelled call is answered with kind cancelled", cancel_pending),
    check!(Base, "base/loss", "a lost connection ends its requests at the origin", loss),
    check!(Base, "base/cut", "a body that breaks off ends with an error, never cleanly", cut),
    check!(Errors, "errors/refused", "each refused request has its code and its text", refused),
    check!(Errors, "errors/failed", "a connection that is refused is -32603, http/request failed", failed),
    check!(Errors, "errors/timeout", "a timeout before the head is -32603, http/request failed", timeout),
    check!(Errors, "errors/data", "errors about an exchange carry kind, blame and retry", data),
];

fn get(url: &str, name: &str) -> Value {
    json!({ "method": "GET", "url": url, "requestId": name })
}

fn stream(url: &str, name: &str) -> Value {
    json!({ "method": "GET", "url": url, "requestId": name, "streamResponse": true })
}

fn body(answer: &Value) -> Result<Vec<u8>, Stop> {
    let text = answer["result"]["bodyBase64"].as_str();
    text.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(|| Stop::Failed(format!("no body: {answer}")))
}

/// The next delta of a stream.
async fn delta(wire: &mut Wire, name: &str) -> Result<Value, Stop> {
    wire.find(&format!("a delta of {name}"), |came| match came {
        Came::Json(value)
            if value["method"] == "http/request/bodyDelta" && value["params"]["requestId"] == name =>
        {
            Some(value["params"].clone())
        }
        _ => None,
    })
    .await
}

/// A stream's deltas to its end: the bytes, and the error that it ended with.
async fn rest(wire: &mut Wire, name: &str, first: u64) -> Result<(Vec<u8>, Value), Stop> {
    let mut all = Vec::new();
    for seq in first.. {
        let delta = delta(wire, name).await?;
        expect(delta["seq"] == seq, || format!("seq {seq} was to come: {delta}"))?;
        let bytes = delta["deltaBase64"].as_str().and_then(|text| STANDARD.decode(text).ok());
        all.extend(bytes.ok_or_else(|| Stop::Failed(format!("deltaBase64 is not base64: {delta}")))?);
        if delta["done"] == true {
            return Ok((all, delta["error"].clone()));
        }
    }
    Err(Stop::Failed("the stream has no end".to_owned()))
}

async fn buffered(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = context.origin.url("/bytes/5000/base-buffered");
    let answer = wire.call("http/request", get(&url, "r")).await?;
    expect(answer["result"]["status"] == 200, || format!("this came: {answer}"))?;
    expect(body(&answer)? == pattern(0, 5000), || "the body is another one".to_owned())
}

async fn upload(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let mut params = get(&context.origin.url("/upload/base-upload"), "r");
    params["method"] = json!("POST");
    params["bodyBase64"] = json!(STANDARD.encode(pattern(0, 3000)));
    let answer = wire.call("http/request", params).await?;
    expect(body(&answer)? == b"3000", || format!("the origin was sent another body: {answer}"))
}

async fn headers(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let answer = wire.call("http/request", get(&context.origin.url("/headers/base"), "r")).await?;
    let headers = answer["result"]["headers"].as_array().cloned().unwrap_or_default();
    let values = |name: &str| -> Vec<Value> {
        headers.iter().filter(|header| header["name"] == name).map(|header| header["value"].clone()).collect()
    };
    expect(values("x-twice") == [json!("a"), json!("b")], || format!("a repeat is lost: {headers:?}"))?;
    let latin1 = headers.iter().find(|header| header["name"] == "x-latin1");
    let bytes = latin1.map(|header| &header["valueBase64"]);
    expect(bytes == Some(&json!("Y2Fm6Q==")), || format!("a value that is not UTF-8 came as {latin1:?}"))
}

async fn streamed(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = context.origin.url("/chunked/300000/base-streamed");
    wire.send(json!({ "id": 1, "method": "http/request", "params": stream(&url, "r") })).await?;
    let first = wire.next().await?;
    let is_head = matches!(&first, Came::Json(value) if value["id"] == 1 && value["result"]["status"] == 200 && value["result"]["bodyBase64"] == "");
    expect(is_head, || format!("the head was to come first, with an empty body: {first}"))?;
    let (bytes, error) = rest(&mut wire, "r", 1).await?;
    expect(error.is_null(), || format!("the stream ended with {error}"))?;
    expect(bytes == pattern(0, 300_000), || format!("{} bytes came, or others", bytes.len()))
}

async fn order(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let slow = get(&context.origin.url("/hold/base-order"), "slow");
    wire.send(json!({ "id": "slow", "method": "http/request", "params": slow })).await?;
    let quick = wire.call("http/request", get(&context.origin.url("/bytes/1/base-order"), "quick")).await?;
    expect(quick["result"]["status"] == 200, || format!("this came: {quick}"))?;
    context.origin.open("/hold/base-order");
    let slow = wire.answer("slow").await?;
    expect(slow["result"]["status"] == 200, || format!("this came: {slow}"))
}

async fn active_stream(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let path = "/half/10/base-active";
    let params = stream(&context.origin.url(path), "same");
    wire.call("http/request", params.clone()).await?;
    let again = wire.call("http/request", params.clone()).await?;
    expect_error(&again, -32602)?;
    let message = text(&again["error"]["message"]);
    let wanted = "http/request streamResponse requestId `same` is already active";
    expect(message == wanted, || format!("the message is {message:?}"))?;
    context.origin.open(path);
    rest(&mut wire, "same", 1).await?;
    let after = wire.call("http/request", params).await?;
    expect(after["result"]["status"] == 200, || format!("the id is not free: {after}"))
}

async fn active_id(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = context.origin.url("/hold/base-active-id");
    wire.send(json!({ "id": 9, "method": "http/request", "params": get(&url, "a") })).await?;
    wire.send(json!({ "id": 9, "method": "http/request", "params": get(&url, "b") })).await?;
    expect_error(&wire.answer(-1).await?, -32600)?;
    context.origin.open("/hold/base-active-id");
    let first = wire.answer(9).await?;
    expect(first["result"]["status"] == 200, || format!("the first call was harmed: {first}"))
}

async fn redirects(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let mut params = get(&context.origin.url("/redirect/base"), "r");
    let followed = wire.call("http/request", params.clone()).await?;
    expect(body(&followed)? == pattern(0, 5), || format!("the redirect was not followed: {followed}"))?;
    params["redirectPolicy"] = json!("stop");
    let stopped = wire.call("http/request", params).await?;
    expect(stopped["result"]["status"] == 302, || format!("the redirect was to be the answer: {stopped}"))
}

fn needs_cancel(context: &Context) -> Outcome {
    match context.has_capability("httpRequestCancel") {
        true => Ok(()),
        false => Err(Stop::NotOffered("the executor does not advertise httpRequestCancel".to_owned())),
    }
}

async fn cancel_stream(context: &Context) -> Outcome {
    needs_cancel(context)?;
    let mut wire = context.base().await?;
    let path = "/half/10/base-cancel-stream";
    wire.call("http/request", stream(&context.origin.url(path), "r")).await?;
    wire.notify("http/request/cancel", json!({ "requestId": "r" })).await?;
    let (_, error) = rest(&mut wire, "r", 1).await?;
    expect(error == "cancelled", || format!("the stream ended with {error}"))?;
    context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await
}

async fn cancel_pending(context: &Context) -> Outcome {
    needs_cancel(context)?;
    let mut wire = context.base().await?;
    let path = "/hold/base-cancel-pending";
    let params = get(&context.origin.url(path), "r");
    wire.send(json!({ "id": 1, "method": "http/request", "params": params })).await?;
    context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
    wire.notify("http/request/cancel", json!({ "requestId": "r" })).await?;
    let answer = wire.answer(1).await?;
    expect(answer["error"]["data"]["kind"] == "cancelled", || format!("this came: {answer}"))?;
    context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await
}

async fn loss(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let path = "/hold/base-loss";
    let params = get(&context.origin.url(path), "r");
    wire.send(json!({ "id": 1, "method": "http/request", "params": params })).await?;
    context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
    drop(wire);
    context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await
}

async fn cut(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = context.origin.url("/cut/1000/base");
    let answer = wire.call("http/request", stream(&url, "r")).await?;
    if answer.get("error").is_some() {
        return Ok(());
    }
    let (_, error) = rest(&mut wire, "r", 1).await?;
    expect(error.is_string(), || "the body broke off, and ended cleanly".to_owned())?;
    let buffered = wire.call("http/request", get(&url, "r")).await?;
    expect_error(&buffered, -32603)
}

async fn refused(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = context.origin.url("/bytes/1/refused");
    let with = |name: &str, value: Value| {
        let mut params = get(&url, "r");
        params[name] = value;
        params
    };
    let header = |name: &str, value: &str| json!([{ "name": name, "value": value }]);
    for (params, beginning) in [
        (with("method", json!("a b")), "http/request method is invalid: "),
        (with("url", json!("::")), "http/request url is invalid: "),
        (with("url", json!("ftp://kit.invalid/")), "http/request only supports http and https URLs, got "),
        (with("headers", header("a b", "")), "http/request header name is invalid: "),
        (with("headers", header("x", "a\nb")), "http/request header value is invalid for x: "),
    ] {
        let answer = wire.call("http/request", params).await?;
        expect_error(&answer, -32602)?;
        let message = text(&answer["error"]["message"]);
        expect(message.to_lowercase().starts_with(&beginning.to_lowercase()), || {
            format!("{beginning:?} was to begin it, and it is {message:?}")
        })?;
    }
    Ok(())
}

async fn failed(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    // Port 1 is nobody's.
    let answer = wire.call("http/request", get("http://127.0.0.1:1/", "r")).await?;
    expect_error(&answer, -32603)?;
    let message = text(&answer["error"]["message"]);
    expect(message.starts_with("http/request failed: "), || format!("the message is {message:?}"))
}

async fn timeout(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let mut params = get(&context.origin.url("/hold/timeout"), "r");
    params["timeoutMs"] = json!(200);
    let answer = wire.call("http/request", params).await?;
    expect_error(&answer, -32603)?;
    let message = text(&answer["error"]["message"]);
    expect(message.starts_with("http/request failed: "), || format!("the message is {message:?}"))
}

async fn data(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let mut wire = context.base().await?;
    for (url, kind, blame, retry) in [
        ("ftp://kit.invalid/", "invalid_request", "caller", "no"),
        ("http://afield-kit.invalid/", "dns", "network", "safe"),
        ("http://127.0.0.1:1/", "connect", "network", "safe"),
    ] {
        let answer = wire.call("http/request", get(url, "r")).await?;
        let data = &answer["error"]["data"];
        expect(data["kind"] == kind && data["retry"] == retry && data["blame"].is_string(), || {
            format!("kind {kind}, blame {blame}, retry {retry} were to come for {url}: {answer}")
        })?;
    }
    Ok(())
}
