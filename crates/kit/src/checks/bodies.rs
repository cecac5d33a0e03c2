use super::{Check, Outcome, check};
use crate::{
    context::{Context, WINDOW, expect, expect_error},
    origin::pattern,
    wire::Came,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Bodies, "bodies/whole", "a body comes whole, inline or in messages that end with END", whole),
    check!(Bodies, "bodies/empty", "an empty body is complete, or a message of END alone", empty),
    check!(
        Bodies,
        "bodies/order",
        "the head comes first; messages follow without a gap, 256 KiB each at most",
        order
    ),
    check!(Bodies, "bodies/abort", "a body that breaks off ends with ABORT, which carries an error", abort),
    check!(
        Bodies,
        "bodies/end-credit",
        "END needs no credit: a body of a window, or a little less, comes whole",
        end_credit
    ),
    check!(Bodies, "bodies/headers", "headers are lower case, repeated, and exact", headers),
];

async fn whole(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for (id, length) in (1..).zip([5, 16_384, 16_385, 200_000]) {
        wire.ask(id, &context.origin.url(&format!("/bytes/{length}/whole"))).await?;
        let head = wire.answer(id).await?;
        let result = &head["result"];
        expect(result["status"] == 200, || format!("this came: {head}"))?;
        let body = match result["bodyComplete"] == true {
            true => STANDARD.decode(result["bodyBase64"].as_str().unwrap_or_default()).unwrap_or_default(),
            false => {
                expect(result["bodyBase64"] == "", || "a body that follows is not in the result".to_owned())?;
                wire.rest(id, 0).await?
            }
        };
        expect(body == pattern(0, length), || format!("{} bytes of {length} came, or others", body.len()))?;
        let is_small = length <= 16_384;
        expect(is_small || result["bodyComplete"] != true, || format!("{length} bytes came in the result"))?;
        wire.finished(id).await?;
    }
    Ok(())
}

async fn empty(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for (id, path) in [(1, "/bytes/0/empty"), (2, "/chunked/0/empty")] {
        wire.ask(id, &context.origin.url(path)).await?;
        let head = wire.answer(id).await?;
        if head["result"]["bodyComplete"] != true {
            let body = wire.rest(id, 0).await?;
            expect(body.is_empty(), || format!("{} bytes came", body.len()))?;
        }
    }
    Ok(())
}

async fn order(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/chunked/600000/order")).await?;
    let first = wire.next().await?;
    expect(matches!(&first, Came::Json(value) if value["id"] == 1), || {
        format!("the head was to come: {first}")
    })?;
    let mut offset = 0;
    loop {
        let body = wire.body(1).await?;
        let bytes = body.payload.len() as u64;
        expect(body.offset == offset, || format!("offset {offset} was to come, and {} did", body.offset))?;
        expect(bytes <= 256 * 1024, || format!("a message carries {bytes} bytes"))?;
        expect(body.payload == pattern(offset as usize, bytes as usize), || "other bytes came".to_owned())?;
        offset += bytes;
        if body.end {
            break;
        }
        wire.consumed(1, offset).await?;
    }
    expect(offset == 600_000, || format!("{offset} bytes came"))?;
    wire.expect_silence().await
}

async fn abort(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/cut/40000/abort")).await?;
    let head = wire.answer(1).await?;
    if head.get("error").is_some() {
        return Ok(());
    }
    loop {
        let body = wire.body(1).await?;
        if !body.end && !body.abort {
            continue;
        }
        expect(body.abort, || "a body that broke off ended cleanly".to_owned())?;
        let error: Value = serde_json::from_slice(&body.payload).unwrap_or_default();
        let is_error =
            error["code"].is_i64() && error["message"].is_string() && error["data"]["kind"].is_string();
        return expect(is_error, || format!("the ABORT carries {error}"));
    }
}

async fn end_credit(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let mut id = 0;
    for below in [0, 1, 53, 100] {
        for kind in ["bytes", "chunked"] {
            id += 1;
            let length = WINDOW - below;
            wire.ask(id, &context.origin.url(&format!("/{kind}/{length}/end-credit"))).await?;
            wire.answer(id).await?;
            let mut came = 0;
            loop {
                let body = wire.body(id).await.map_err(|stop| {
                    stop.while_waiting_for(&format!("END of {length} bytes, of which {came} have come"))
                })?;
                came += body.payload.len() as u64;
                if body.end {
                    break;
                }
            }
            expect(came == length, || format!("{came} bytes of {length} came"))?;
            wire.finished(id).await?;
        }
    }
    Ok(())
}

async fn headers(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/headers/resumable")).await?;
    let answer = wire.answer(1).await?;
    let headers = answer["result"]["headers"].as_array().cloned().unwrap_or_default();
    let twice = headers.iter().filter(|header| header["name"] == "x-twice").count();
    let exact = headers.iter().any(|header| header["valueBase64"] == "Y2Fm6Q==");
    expect(twice == 2 && exact, || format!("these headers came: {headers:?}"))?;
    wire.ask_with(
        2,
        json!({ "method": "GET", "url": "http://h/", "headers": [["a", "b", null, null, null]] }),
    )
    .await?;
    expect_error(&wire.answer(2).await?, -32602)
}
