use super::{Check, Outcome, check};
use crate::{
    context::{Context, WINDOW, expect, expect_closed},
    wire::Wire,
};
use serde_json::json;

pub(super) const CHECKS: &[Check] = &[
    check!(Credit, "credit/window", "no byte comes beyond the window, and consumed brings more", window),
    check!(Credit, "credit/late", "late, repeated and impossible offsets do no harm", late),
    check!(Credit, "credit/kept", "an answer is kept until final, over any number of connections", kept),
    check!(
        Active,
        "active/overloaded",
        "one request more than sessionRequests is overloaded, retry safe",
        overloaded
    ),
    check!(Active, "active/cut-off", "four times as many unacknowledged close with 1008", cut_off),
    check!(Cancel, "cancel/origin", "a cancel closes the origin's socket, and no answer follows", origin),
    check!(Cancel, "cancel/late", "a cancel of what is over or unknown does nothing", cancel_late),
];

/// What comes without credit, until the window is full.
async fn fill(wire: &mut Wire, id: u64, mut sent: u64, until: u64) -> Result<u64, super::Stop> {
    while sent < until {
        let body = wire.body(id).await?;
        sent += body.payload.len() as u64;
    }
    Ok(sent)
}

async fn window(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/bytes/300000/window")).await?;
    wire.answer(1).await?;
    let sent = fill(&mut wire, 1, 0, WINDOW).await?;
    expect(sent == WINDOW, || format!("{sent} bytes came where {WINDOW} may"))?;
    wire.expect_silence().await?;
    wire.consumed(1, 10_000).await?;
    let sent = fill(&mut wire, 1, sent, WINDOW + 10_000).await?;
    expect(sent == WINDOW + 10_000, || format!("{sent} bytes came where {} may", WINDOW + 10_000))?;
    wire.expect_silence().await
}

async fn late(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/bytes/300000/late")).await?;
    wire.answer(1).await?;
    let sent = fill(&mut wire, 1, 0, WINDOW).await?;
    wire.consumed(1, 5000).await?;
    let sent = fill(&mut wire, 1, sent, WINDOW + 5000).await?;
    for offset in [0, 4999, 5000] {
        wire.consumed(1, offset).await?;
    }
    for offset in [json!(-1), json!("9"), json!(1.5), json!(null)] {
        wire.notify("http/request/consumed", json!({ "requestId": 1, "offset": offset })).await?;
    }
    wire.expect_silence().await?;
    wire.consumed(1, u64::MAX).await?;
    let more = fill(&mut wire, 1, sent, sent + WINDOW).await?;
    expect(more == sent + WINDOW, || {
        format!("credit for what was never sent brought {} bytes", more - sent)
    })?;
    wire.expect_silence().await
}

async fn kept(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let path = "/bytes/5/kept";
    wire.ask(1, &context.origin.url(path)).await?;
    wire.answer(1).await?;
    wire.ask(2, "ftp://kit.invalid/").await?;
    wire.answer(2).await?;
    for attempt in 1..4 {
        drop(wire);
        let held = |id: u64| json!({ "requestId": id, "headReceived": false, "received": 0, "consumed": 0 });
        let view;
        (wire, view) = context.resume(&session, attempt, json!([held(1), held(2)])).await?;
        expect(view["lastRequestId"] == 2, || format!("the sync was answered with {view}"))?;
        let answer = wire.answer(1).await?;
        expect(answer["result"]["status"] == 200, || format!("this came: {answer}"))?;
        let error = wire.answer(2).await?;
        expect(error["error"]["code"] == -32602, || format!("this came: {error}"))?;
    }
    wire.finished(1).await?;
    wire.finished(2).await?;
    wire.expect_silence().await?;
    drop(wire);
    let held = json!([{ "requestId": 1, "headReceived": true, "received": 0, "consumed": 0 }]);
    let (_, view) = context.resume(&session, 9, held).await?;
    expect(view["requests"][0]["state"] == "gone", || format!("final does not forget: {view}"))?;
    let started = context.origin.seen(path).started;
    expect(started == 1, || format!("the origin was asked {started} times"))
}

/// The limit, where it is small enough to be reached.
fn most(context: &Context) -> Result<u64, super::Stop> {
    context.needs_resumable()?;
    let most = context.limit("sessionRequests")?;
    if most > 4096 {
        return Err(super::Stop::NotOffered(format!(
            "sessionRequests is {most}, more than the kit asks for"
        )));
    }
    Ok(most)
}

async fn overloaded(context: &Context) -> Outcome {
    let most = most(context)?;
    let (mut wire, _) = context.resumable().await?;
    for id in 1..=most + 1 {
        // Refused at once, and an answer like any other: it counts until it is acknowledged.
        wire.ask(id, "ftp://kit.invalid/").await?;
        let answer = wire.answer(id).await?;
        let kind = if id > most { "overloaded" } else { "invalid_request" };
        let data = &answer["error"]["data"];
        expect(data["kind"] == kind && (id <= most || data["retry"] == "safe"), || {
            format!("request {id} of {most} was answered with {answer}")
        })?;
    }
    for id in 1..=most + 1 {
        wire.finished(id).await?;
    }
    wire.ask(most + 2, "ftp://kit.invalid/").await?;
    let answer = wire.answer(most + 2).await?;
    expect(answer["error"]["data"]["kind"] == "invalid_request", || {
        format!("no place is free again: {answer}")
    })
}

async fn cut_off(context: &Context) -> Outcome {
    let most = most(context)?;
    let (mut wire, _) = context.resumable().await?;
    for id in 1..=4 * most + 1 {
        wire.ask(id, "ftp://kit.invalid/").await?;
    }
    expect_closed(&wire.end().await?, 1008)
}

async fn origin(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let paths = ["/hold/cancel", "/half/100000/cancel"];
    for (id, path) in (1..).zip(paths) {
        wire.ask(id, &context.origin.url(path)).await?;
        context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
        if id == 2 {
            wire.answer(2).await?;
            fill(&mut wire, 2, 0, WINDOW).await?;
        }
        wire.notify("http/request/cancel", json!({ "requestId": id })).await?;
        context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await?;
    }
    wire.expect_silence().await
}

async fn cancel_late(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/bytes/5/cancel-late")).await?;
    wire.answer(1).await?;
    wire.finished(1).await?;
    for id in [json!(1), json!(99), json!("r-1"), json!([1])] {
        wire.notify("http/request/cancel", json!({ "requestId": id })).await?;
    }
    wire.expect_silence().await
}
