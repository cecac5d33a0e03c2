use super::{Check, Outcome, check};
use crate::context::{Context, again, expect, expect_closed, expect_error};
use serde_json::json;

pub(super) const CHECKS: &[Check] = &[
    check!(
        Closing,
        "closing/farewell",
        "after 1000 the session is unknown, and its requests are ended",
        farewell
    ),
    check!(Closing, "closing/loss", "any other end leaves the session as it is", loss),
    check!(
        Closing,
        "closing/takeover",
        "a newer connection takes the session; the older is closed with 4001",
        takeover
    ),
    check!(Closing, "closing/dialect", "a session is resumed in its own dialect only", dialect),
];

async fn farewell(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let path = "/hold/farewell";
    wire.ask(1, &context.origin.url(path)).await?;
    context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
    wire.close(1000).await;
    context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await?;
    let mut wire = context.connect().await?;
    expect_error(&wire.call("initialize", again(&session, 1)).await?, -32600)
}

async fn loss(context: &Context) -> Outcome {
    for (attempt, code) in [(1, Some(1001)), (2, Some(1008)), (3, None)] {
        let (mut wire, session) = context.resumable().await?;
        let path = format!("/hold/loss-{attempt}");
        wire.ask(1, &context.origin.url(&path)).await?;
        context.origin.wait(&path, context.patience, "the request", |seen| seen.started == 1).await?;
        match code {
            Some(code) => wire.close(code).await,
            None => drop(wire),
        }
        let held = json!([{ "requestId": 1, "headReceived": false, "received": 0, "consumed": 0 }]);
        let (mut wire, view) = context.resume(&session, attempt, held).await?;
        expect(view["requests"][0]["state"] == "known", || format!("after {code:?}: {view}"))?;
        context.origin.open(&path);
        let answer = wire.answer(1).await?;
        expect(answer["result"]["status"] == 200, || format!("after {code:?}: {answer}"))?;
    }
    Ok(())
}

async fn takeover(context: &Context) -> Outcome {
    let (mut older, session) = context.resumable().await?;
    older.ask(1, &context.origin.url("/bytes/5/takeover")).await?;
    older.answer(1).await?;
    let held = json!([{ "requestId": 1, "headReceived": true, "received": 0, "consumed": 0 }]);
    let (mut newer, view) = context.resume(&session, 1, held).await?;
    expect(view["requests"][0]["state"] == "known", || format!("the sync was answered with {view}"))?;
    // It may be closed already, and what it says is not looked at.
    older.notify("http/request/cancel", json!({ "requestId": 1 })).await?;
    expect_closed(&older.end().await?, 4001)?;
    newer.expect_alive().await
}

async fn dialect(context: &Context) -> Outcome {
    let (wire, session) = context.resumable().await?;
    let mut base = context.connect().await?;
    let params = json!({ "clientName": "afield-kit", "resumeSessionId": session });
    expect_error(&base.call("initialize", params).await?, -32600)?;
    drop(wire);
    let session = base.initialize(json!({ "clientName": "afield-kit" })).await?;
    let mut wire = context.connect().await?;
    let id = session["sessionId"].as_str().unwrap_or_default();
    expect_error(&wire.call("initialize", again(id, 1)).await?, -32600)
}
