use super::{Check, Outcome, check};
use crate::{
    context::{Context, WINDOW, expect, expect_error, hello},
    wire::Came,
};
use serde_json::json;

pub(super) const CHECKS: &[Check] = &[
    check!(
        Beginning,
        "beginning/result",
        "afield/1 is chosen where it is offered, with a window in its range",
        result
    ),
    check!(Beginning, "beginning/window", "a window below the range counts as 64 KiB", window),
    check!(
        Beginning,
        "beginning/initialized",
        "a request before initialized is -32600, and its id is not used up",
        initialized
    ),
    check!(Beginning, "beginning/info", "environment/info is answered before initialized", info),
    check!(Ids, "ids/gaps", "ids may leave gaps", gaps),
    check!(Ids, "ids/repeated", "a repeated or smaller id never executes", repeated),
    check!(Ids, "ids/range", "an id that is no integer from 1 to 2^53-1 is -32600", range),
    check!(
        Ids,
        "ids/mismatch",
        "a requestId that is not the id is -32602, and held until it is acknowledged",
        mismatch
    ),
];

async fn result(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let hello = &context.hello;
    expect(hello["resumed"] == false, || format!("resumed is to be false: {hello}"))?;
    let window = hello["windowBytes"].as_u64().unwrap_or_default();
    expect((65_536..=16 << 20).contains(&window), || format!("windowBytes is {}", hello["windowBytes"]))
}

async fn window(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let mut wire = context.connect().await?;
    let mut params = hello();
    params["windowBytes"] = json!(1);
    wire.initialize(params).await?;
    wire.ask(1, &context.origin.url("/bytes/200000/window")).await?;
    let head = wire.answer(1).await?;
    expect(head["result"]["status"] == 200, || format!("this came: {head}"))?;
    let mut sent = 0;
    while sent < WINDOW {
        sent += wire.body(1).await?.payload.len() as u64;
    }
    expect(sent == WINDOW, || format!("{sent} bytes came without credit"))?;
    wire.expect_silence().await
}

async fn initialized(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let mut wire = context.connect().await?;
    wire.call("initialize", hello()).await?;
    let path = "/bytes/5/initialized";
    wire.ask(1, &context.origin.url(path)).await?;
    expect_error(&wire.answer(1).await?, -32600)?;
    wire.notify("initialized", json!({})).await?;
    wire.ask(1, &context.origin.url(path)).await?;
    let answer = wire.answer(1).await?;
    expect(answer["result"]["status"] == 200, || format!("the id was used up: {answer}"))
}

async fn info(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let mut wire = context.connect().await?;
    wire.call("initialize", hello()).await?;
    let info = wire.call("environment/info", json!({})).await?;
    expect(info["result"]["shell"].is_object(), || format!("this came: {info}"))
}

async fn gaps(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for id in [3, 1000, (1 << 53) - 1] {
        wire.ask(id, &context.origin.url("/bytes/5/gaps")).await?;
        let answer = wire.answer(id).await?;
        expect(answer["result"]["status"] == 200, || format!("this came: {answer}"))?;
        wire.finished(id).await?;
    }
    Ok(())
}

async fn repeated(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let path = "/bytes/5/repeated";
    wire.ask(5, &context.origin.url(path)).await?;
    wire.answer(5).await?;
    for id in [5, 4, 1] {
        wire.ask(id, &context.origin.url(path)).await?;
        wire.expect_silence().await?;
    }
    wire.finished(5).await?;
    wire.ask(5, &context.origin.url(path)).await?;
    wire.expect_silence().await?;
    let started = context.origin.seen(path).started;
    expect(started == 1, || format!("the origin was asked {started} times"))
}

async fn range(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for id in [json!(0), json!(-7), json!(1_u64 << 53), json!("r-1")] {
        let params = json!({ "method": "GET", "url": "http://h/", "requestId": id });
        wire.send(json!({ "id": id, "method": "http/request", "params": params })).await?;
        expect_error(&wire.answer(id).await?, -32600)?;
    }
    Ok(())
}

async fn mismatch(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let params = json!({ "method": "GET", "url": "http://h/", "requestId": 2 });
    wire.send(json!({ "id": 1, "method": "http/request", "params": params })).await?;
    expect_error(&wire.answer(1).await?, -32602)?;
    drop(wire);
    let held = json!([{ "requestId": 1, "headReceived": false, "received": 0, "consumed": 0 }]);
    let (mut wire, view) = context.resume(&session, 1, held).await?;
    expect(view["requests"][0]["state"] == "known", || format!("the answer was forgotten: {view}"))?;
    let again = wire.next().await?;
    let is_again =
        matches!(&again, Came::Json(value) if value["id"] == 1 && value["error"]["code"] == -32602);
    expect(is_again, || format!("the error was to come again, and this did: {again}"))
}
