use super::{Check, Outcome, check};
use crate::context::{Context, expect, expect_closed, expect_error, text};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Session, "session/order", "nothing is served before initialize and initialized", order),
    check!(Session, "session/once", "a second initialize is answered -32600", once),
    check!(Session, "session/retry", "a failed initialize may be tried again", retry),
    check!(Session, "session/result", "the result of initialize has its fields", result),
    check!(Session, "session/info", "environment/info is the same, environment/status is ready", info),
    check!(Session, "session/dialects", "unknown dialects are base", dialects),
    check!(
        Session,
        "session/unknown",
        "a session that nobody knows is answered -32600 unknown session id",
        unknown
    ),
    check!(
        Session,
        "session/instance",
        "the executor names its instance, and again where it refuses a session",
        instance
    ),
    check!(
        Session,
        "session/takeover",
        "a newer connection takes the session; the older is closed with 4001",
        takeover
    ),
];

async fn order(context: &Context) -> Outcome {
    let mut wire = context.connect().await?;
    let request = json!({ "method": "GET", "url": "http://h/", "requestId": "r" });
    for (method, params, what) in [
        ("http/request", request.clone(), "http methods"),
        ("environment/info", json!({}), "environment info methods"),
        ("environment/status", json!({}), "environment status methods"),
    ] {
        let answer = wire.call(method, params).await?;
        expect_error(&answer, -32600)?;
        let message = text(&answer["error"]["message"]);
        let wanted = format!("client must call initialize before using {what}");
        expect(message == wanted, || format!("{wanted:?} was to come, and {message:?} did"))?;
    }
    wire.call("initialize", json!({ "clientName": "afield-kit" })).await?;
    let answer = wire.call("http/request", request).await?;
    expect_error(&answer, -32600)?;
    let message = text(&answer["error"]["message"]);
    let wanted = "client must send initialized before using http methods";
    expect(message == wanted, || format!("{wanted:?} was to come, and {message:?} did"))
}

async fn once(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    expect_error(&wire.call("initialize", json!({ "clientName": "afield-kit" })).await?, -32600)
}

async fn retry(context: &Context) -> Outcome {
    let mut wire = context.connect().await?;
    expect_error(&wire.call("initialize", json!({})).await?, -32602)?;
    expect_error(
        &wire.call("initialize", json!({ "clientName": "k", "resumeSessionId": "kit" })).await?,
        -32600,
    )?;
    wire.initialize(json!({ "clientName": "afield-kit", "resumeSessionId": null })).await.map(drop)
}

async fn result(context: &Context) -> Outcome {
    let mut wire = context.connect().await?;
    let result = wire.initialize(json!({ "clientName": "afield-kit" })).await?;
    let session = text(&result["sessionId"]);
    // 128 bits take 22 characters of base64.
    expect(session.len() >= 22, || format!("the sessionId is too short to be random: {session:?}"))?;
    let info = &result["environmentInfo"];
    let is_text = |value: &Value| value.is_string();
    let fields = [&info["shell"]["name"], &info["shell"]["path"], &info["cwd"]];
    expect(fields.into_iter().all(is_text), || format!("environmentInfo is {info}"))?;
    expect(text(&info["cwd"]).starts_with("file:"), || format!("cwd is {}", info["cwd"]))?;
    expect(result.get("dialect").is_none(), || format!("nobody offered a dialect: {result}"))
}

async fn info(context: &Context) -> Outcome {
    let mut wire = context.connect().await?;
    let result = wire.initialize(json!({ "clientName": "afield-kit" })).await?;
    let info = wire.call("environment/info", json!({})).await?;
    expect(info["result"] == result["environmentInfo"], || format!("environment/info is {info}"))?;
    wire.expect_alive().await
}

async fn dialects(context: &Context) -> Outcome {
    for dialects in [json!(["kit/9"]), json!([]), json!(null)] {
        let mut wire = context.connect().await?;
        let result = wire.initialize(json!({ "clientName": "afield-kit", "dialects": dialects })).await?;
        expect(result.get("dialect").is_none_or(Value::is_null), || {
            format!("this dialect was chosen: {result}")
        })?;
    }
    Ok(())
}

async fn unknown(context: &Context) -> Outcome {
    let mut wire = context.connect().await?;
    let params = json!({ "clientName": "afield-kit", "resumeSessionId": "afield-kit-1" });
    let answer = wire.call("initialize", params).await?;
    expect_error(&answer, -32600)?;
    let message = text(&answer["error"]["message"]);
    expect(message == "unknown session id afield-kit-1", || format!("the message is {message:?}"))
}

async fn instance(context: &Context) -> Outcome {
    let instance = context.instance()?;
    let mut wire = context.connect().await?;
    let params = json!({ "clientName": "afield-kit", "resumeSessionId": "afield-kit-1" });
    let answer = wire.call("initialize", params).await?;
    let data = &answer["error"]["data"];
    expect(data["instance"] == instance && data["detail"] == "session", || {
        format!("instance {instance} and detail session were to be told: {answer}")
    })?;
    let result = wire.initialize(json!({ "clientName": "afield-kit" })).await?;
    expect(result["instance"] == instance, || format!("another instance answers: {result}"))
}

async fn takeover(context: &Context) -> Outcome {
    let mut older = context.connect().await?;
    let session = older.initialize(json!({ "clientName": "afield-kit" })).await?;
    let mut newer = context.connect().await?;
    let params = json!({ "clientName": "afield-kit-2", "resumeSessionId": session["sessionId"] });
    let again = newer.initialize(params).await?;
    expect(again["sessionId"] == session["sessionId"], || format!("another session was given: {again}"))?;
    expect_closed(&older.end().await?, 4001)?;
    newer.expect_alive().await
}
