use super::{Check, Outcome, Stop, check, features, uploads};
use crate::{
    context::{Context, expect},
    origin::pattern,
    wire::Wire,
};
use serde_json::json;

const END: u8 = 1;

pub(super) const CHECKS: &[Check] = &[
    check!(
        HttpAsItIs,
        "hold/asked",
        "an upload that is held back is asked for with consumed, when the origin has said 100",
        asked
    ),
    check!(
        HttpAsItIs,
        "hold/again",
        "it is asked for again after a loss, since nothing else would bring it",
        again
    ),
    check!(
        HttpAsItIs,
        "hold/not-wanted",
        "an origin that answers without it brings final, and the answer stands",
        not_wanted
    ),
];

async fn put(wire: &mut Wire, context: &Context, path: &str) -> Outcome {
    let params = json!({
        "method": "PUT",
        "url": context.origin.url(path),
        "headers": [{ "name": "expect", "value": "100-continue" }],
        "body": { "stream": true, "length": 900, "hold": true },
    });
    wire.ask_with(1, params).await
}

/// Waits until the executor asks for the body.
async fn expect_asked(wire: &mut Wire) -> Outcome {
    let told =
        wire.told(1).await.map_err(|stop| stop.while_waiting_for("consumed that asks for the body"))?;
    let asks = told["offset"] == 0 && told["final"] != true;
    expect(asks, || format!("consumed with offset 0 was to ask for the body, and {told} came"))
}

async fn asked(context: &Context) -> Outcome {
    let (mut wire, _) = features::begin(context, "hold").await?;
    let path = "/upload/hold-asked";
    put(&mut wire, context, path).await?;
    expect_asked(&mut wire).await?;
    wire.send_body(1, END, 0, &pattern(0, 900)).await?;
    uploads::expect_sent(&wire.answer(1).await?, 900)?;
    while wire.told(1).await?["final"] != true {}
    Ok(())
}

async fn again(context: &Context) -> Outcome {
    let (mut wire, session) = features::begin(context, "hold").await?;
    let path = "/upload/hold-again";
    put(&mut wire, context, path).await?;
    expect_asked(&mut wire).await?;
    drop(wire);
    let held = json!([{ "requestId": 1, "headReceived": false, "received": 0, "consumed": 0 }]);
    let (mut wire, _) = features::back(context, &session, held).await?;
    expect_asked(&mut wire).await?;
    wire.send_body(1, END, 0, &pattern(0, 900)).await?;
    uploads::expect_sent(&wire.answer(1).await?, 900)?;
    let seen = context.origin.seen(path);
    expect(seen.started == 1 && seen.bytes == 900, || format!("the origin has seen {seen:?}"))
}

async fn not_wanted(context: &Context) -> Outcome {
    let (mut wire, _) = features::begin(context, "hold").await?;
    put(&mut wire, context, "/refuse/hold").await?;
    let answer = wire.answer(1).await?;
    expect(answer["result"]["status"] == 413, || format!("the answer does not stand: {answer}"))?;
    let told = wire.told(1).await?;
    match told["final"] == true {
        true => Ok(()),
        false => Err(Stop::Failed(format!("final was to come, and the body not asked for: {told}"))),
    }
}
