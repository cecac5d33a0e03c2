use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, expect},
    wire::{Came, Wire},
};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(
        HttpAsItIs,
        "informational/order",
        "informational responses come where they are asked for, in order, before the result",
        order
    ),
    check!(
        HttpAsItIs,
        "informational/not-asked",
        "a request that does not ask for them gets none",
        not_asked
    ),
    check!(
        HttpAsItIs,
        "informational/bounded",
        "of very many at most 16 come, and the final response does",
        bounded
    ),
    check!(
        HttpAsItIs,
        "informational/again",
        "after a loss those come again that have not come, and no others",
        again
    ),
];

async fn ask(wire: &mut Wire, context: &Context, path: &str) -> Outcome {
    let params = json!({ "method": "GET", "url": context.origin.url(path), "informational": true });
    wire.ask_with(1, params).await
}

/// The next informational response, or the result.
async fn next(wire: &mut Wire) -> Result<Value, Stop> {
    match wire.next().await? {
        Came::Json(value) if value["method"] == "http/request/informational" || value["id"] == 1 => Ok(value),
        other => Err(Stop::Failed(format!("an informational response or the result was to come: {other}"))),
    }
}

/// Fails the check unless this is the 103 of this number.
fn expect_informs(came: &Value, n: u64) -> Outcome {
    let params = &came["params"];
    let number = json!({ "name": "x-n", "value": n.to_string() });
    let has_field = params["headers"].as_array().is_some_and(|headers| headers.contains(&number));
    expect(params["requestId"] == 1 && params["seq"] == n && params["status"] == 103 && has_field, || {
        format!("the 103 of seq {n}, with its field, was to come: {came}")
    })
}

/// Whether the executor passes them on at all, which it need not.
async fn first(wire: &mut Wire, context: &Context, path: &str) -> Result<Value, Stop> {
    ask(wire, context, path).await?;
    match next(wire).await {
        Ok(came) if came["params"].is_object() => Ok(came),
        Ok(_) | Err(Stop::NotOffered(_)) => Err(lacking(wire).await),
        // It held them back, or has none: the answer tells.
        Err(failed) => {
            context.origin.open(path);
            match next(wire).await? {
                came if came["params"].is_object() => Err(failed),
                _ => Err(lacking(wire).await),
            }
        }
    }
}

/// There was none before the result. One that comes after it is late; otherwise the executor passes on none.
async fn lacking(wire: &mut Wire) -> Stop {
    if let Err(stop) = wire.expect_alive().await {
        return stop;
    }
    while let Some(came) = wire.came() {
        if matches!(&came, Came::Json(value) if value["method"] == "http/request/informational") {
            return Stop::Failed(format!("the result had come already, and then: {came}"));
        }
    }
    Stop::NotOffered("the executor passes on no informational responses".to_owned())
}

async fn order(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let path = "/informs/3/order";
    // They come while the origin still thinks: that is what they are for.
    expect_informs(&first(&mut wire, context, path).await?, 1)?;
    expect_informs(&next(&mut wire).await?, 2)?;
    expect_informs(&next(&mut wire).await?, 3)?;
    context.origin.open(path);
    let last = next(&mut wire).await?;
    expect(last["result"]["status"] == 200, || format!("the result was to come: {last}"))
}

async fn not_asked(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let path = "/informs/3/not-asked";
    wire.ask(1, &context.origin.url(path)).await?;
    context.origin.open(path);
    let came = next(&mut wire).await?;
    expect(came["result"]["status"] == 200, || format!("the result was to come, and nothing before: {came}"))
}

async fn bounded(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let path = "/informs/40/bounded";
    context.origin.open(path);
    expect_informs(&first(&mut wire, context, path).await?, 1)?;
    for n in 2.. {
        let came = next(&mut wire).await?;
        if came["id"] == 1 {
            return expect(came["result"]["status"] == 200, || format!("the result was to come: {came}"));
        }
        expect(n <= 16, || format!("more than 16 came: {came}"))?;
        expect_informs(&came, n)?;
    }
    Ok(())
}

async fn again(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let path = "/informs/3/again";
    first(&mut wire, context, path).await?;
    next(&mut wire).await?;
    next(&mut wire).await?;
    drop(wire);
    let held = json!([{ "requestId": 1, "headReceived": false, "informationalReceived": 1, "received": 0, "consumed": 0 }]);
    let (mut wire, view) = context.resume(&session, 1, held).await?;
    expect(view["requests"][0]["state"] == "known", || format!("the sync was answered with {view}"))?;
    expect_informs(&next(&mut wire).await?, 2)?;
    expect_informs(&next(&mut wire).await?, 3)?;
    context.origin.open(path);
    let last = next(&mut wire).await?;
    expect(last["result"]["status"] == 200, || format!("the result was to come: {last}"))
}
