use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, expect, expect_error},
    wire::Wire,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Sent, "sent/dropped", "fields of the connection and of framing are the executor's own", dropped),
    check!(Sent, "sent/order", "the caller's other fields arrive as they are, repeats and all", order),
    check!(Sent, "sent/refused", "Transfer-Encoding and a second Host are -32602", refused),
    check!(Sent, "sent/userinfo", "userinfo becomes Authorization, unless there is one", userinfo),
    check!(
        Sent,
        "sent/redirect-body",
        "303, and 301 and 302 on POST, become a GET; 307 and 308 repeat method and body",
        redirect_body
    ),
    check!(
        Sent,
        "sent/redirect-across",
        "across origins no field goes along that may hold a credential",
        redirect_across
    ),
];

/// What an origin of the kit says came: `method`, `headers`, `bytes`.
async fn echoed(wire: &mut Wire, params: Value) -> Result<Value, Stop> {
    let answer = wire.call("http/request", params).await?;
    let body = answer["result"]["bodyBase64"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let told = body.and_then(|body| serde_json::from_slice(&body).ok());
    told.ok_or_else(|| Stop::Failed(format!("the origin was to be asked, and this came: {answer}")))
}

fn request(method: &str, url: String, headers: &[(&str, &str)]) -> Value {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "method": method, "url": url, "headers": headers, "requestId": "r" })
}

fn values(told: &Value, name: &str) -> Vec<String> {
    let headers = told["headers"].as_array().into_iter().flatten();
    let named = headers.filter(|header| header[0] == name);
    named.map(|header| header[1].as_str().unwrap_or_default().to_owned()).collect()
}

async fn dropped(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let headers = [
        ("connection", "x-named, close"),
        ("x-named", "1"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "kit"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "close"),
        ("te", "gzip, trailers"),
        ("content-length", "7"),
        ("x-kept", "1"),
    ];
    let told = echoed(&mut wire, request("GET", context.origin.url("/echo/dropped"), &headers)).await?;
    for name in
        ["x-named", "keep-alive", "upgrade", "proxy-authorization", "proxy-connection", "content-length"]
    {
        expect(values(&told, name).is_empty(), || format!("{name} was to be dropped: {told}"))?;
    }
    let te = values(&told, "te");
    expect(te.iter().all(|te| te == "trailers"), || format!("of TE nothing but trailers goes: {te:?}"))?;
    expect(values(&told, "x-kept") == ["1"], || format!("another field was dropped: {told}"))
}

async fn order(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let headers = [("x-b", "2"), ("X-A", "1"), ("x-b", "3"), ("host", "kit.invalid"), ("cookie", "a=1; b=2")];
    let mut params = request("POST", context.origin.url("/echo/order"), &headers);
    params["bodyBase64"] = json!(STANDARD.encode("hello"));
    let told = echoed(&mut wire, params).await?;
    let is_so = values(&told, "x-b") == ["2", "3"]
        && values(&told, "x-a") == ["1"]
        && values(&told, "host") == ["kit.invalid"]
        && values(&told, "cookie") == ["a=1; b=2"];
    expect(is_so, || format!("the fields were to arrive as they are: {told}"))?;
    expect(told["method"] == "POST" && told["bytes"] == 5, || format!("method and body: {told}"))
}

async fn refused(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = || context.origin.url("/echo/refused");
    for headers in [&[("transfer-encoding", "chunked")][..], &[("host", "a.invalid"), ("Host", "b.invalid")]]
    {
        expect_error(&wire.call("http/request", request("GET", url(), headers)).await?, -32602)?;
    }
    Ok(())
}

async fn userinfo(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let url = context.origin.url("/echo/userinfo").replacen("://", "://us%65r:p%40ss@", 1);
    let told = echoed(&mut wire, request("GET", url.clone(), &[])).await?;
    let wanted = format!("Basic {}", STANDARD.encode("user:p@ss"));
    expect(values(&told, "authorization") == [wanted.as_str()], || {
        format!("{wanted:?} was to come: {told}")
    })?;
    let told = echoed(&mut wire, request("GET", url, &[("authorization", "Bearer kit")])).await?;
    expect(values(&told, "authorization") == ["Bearer kit"], || format!("the caller's own stands: {told}"))
}

async fn redirect_body(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    for (status, method, bytes) in
        [(301, "GET", 0), (302, "GET", 0), (303, "GET", 0), (307, "POST", 5), (308, "POST", 5)]
    {
        let url = context.origin.url(&format!("/moved/{status}/body"));
        let mut params = request("POST", url, &[("authorization", "Bearer kit")]);
        params["bodyBase64"] = json!(STANDARD.encode("hello"));
        let told = echoed(&mut wire, params).await?;
        expect(told["method"] == method && told["bytes"] == bytes, || {
            format!("after {status} {method} with {bytes} bytes was to come: {told}")
        })?;
        expect(values(&told, "authorization") == ["Bearer kit"], || {
            format!("within an origin its fields go along: {told}")
        })?;
    }
    Ok(())
}

async fn redirect_across(context: &Context) -> Outcome {
    if !context.origin.has_other_name() {
        return Err(Stop::NotOffered("the kit's origin has one name only".to_owned()));
    }
    let mut wire = context.base().await?;
    let headers = [
        ("authorization", "Bearer kit"),
        ("cookie", "a=1"),
        ("x-api-key", "kit"),
        ("host", "kit.invalid"),
        ("accept", "text/plain"),
        ("user-agent", "kit"),
    ];
    let url = context.origin.url("/moved-name/302/across");
    let told = echoed(&mut wire, request("GET", url, &headers)).await?;
    for name in ["authorization", "cookie", "x-api-key", "referer"] {
        expect(values(&told, name).is_empty(), || format!("{name} was to stay behind: {told}"))?;
    }
    let host = values(&told, "host");
    expect(host.len() == 1 && host[0].starts_with("localhost"), || format!("Host is {host:?}"))?;
    let goes_along = values(&told, "accept") == ["text/plain"] && values(&told, "user-agent") == ["kit"];
    expect(goes_along, || format!("Accept and User-Agent go along: {told}"))
}
