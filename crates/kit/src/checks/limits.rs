use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, expect, expect_error},
    frames::{Frames, TEXT, header},
};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Limits, "limits/reported", "limits are reported as whole numbers under their names", reported),
    check!(Limits, "limits/message", "a message over messageBytes closes with 1009", message),
    check!(
        Limits,
        "limits/first-message",
        "a message over firstMessageBytes before initialize closes with 1009",
        first_message
    ),
    check!(Limits, "limits/url", "a URL over urlBytes is -32602", url),
    check!(Limits, "limits/headers", "headers over headerCount are -32602", headers),
];

async fn reported(context: &Context) -> Outcome {
    let Some(limits) = context.hello["limits"].as_object() else {
        return Err(Stop::NotOffered("the executor reports no limits".to_owned()));
    };
    let odd: Vec<_> = limits.iter().filter(|(_, value)| !value.is_u64()).collect();
    expect(odd.is_empty(), || format!("these are no whole numbers: {odd:?}"))?;
    let names = [
        "messageBytes",
        "sessionRequests",
        "bufferedBodyBytes",
        "bodyMessageBytes",
        "windowBytes",
        "graceMs",
    ];
    let missing: Vec<_> = names.into_iter().filter(|name| !limits.contains_key(*name)).collect();
    expect(missing.is_empty(), || format!("these are missing: {missing:?}"))
}

async fn message(context: &Context) -> Outcome {
    let most = context.limit("messageBytes")?;
    let mut frames = Frames::open(context).await?;
    let hello = json!({ "id": 1, "method": "initialize", "params": { "clientName": "afield-kit" } });
    frames.send(TEXT, true, hello.to_string().as_bytes()).await?;
    frames.message().await?;
    // It is judged by what it announces: none of it need be sent.
    frames.send_raw(&header(TEXT, true, most + 1, true)).await?;
    frames.expect_close(1009).await
}

async fn first_message(context: &Context) -> Outcome {
    let most = context.limit("firstMessageBytes")?;
    let mut frames = Frames::open(context).await?;
    frames.send(TEXT, true, &vec![b' '; most as usize + 1]).await?;
    frames.expect_close(1009).await
}

fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "requestId": "r" })
}

async fn url(context: &Context) -> Outcome {
    let most = context.limit("urlBytes")?;
    let mut wire = context.base().await?;
    let url = context.origin.url(&format!("/bytes/1/{}", "x".repeat(most as usize)));
    expect_error(&wire.call("http/request", get(&url)).await?, -32602)
}

async fn headers(context: &Context) -> Outcome {
    let most = context.limit("headerCount")?;
    let mut wire = context.base().await?;
    let mut params = get(&context.origin.url("/bytes/1/headers"));
    let many: Vec<_> = (0..=most).map(|n| json!({ "name": format!("x-{n}"), "value": "" })).collect();
    params["headers"] = json!(many);
    expect_error(&wire.call("http/request", params).await?, -32602)
}
