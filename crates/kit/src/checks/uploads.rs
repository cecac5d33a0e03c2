use super::{Check, Outcome, check};
use crate::{
    context::{Context, expect, expect_error},
    origin::pattern,
    wire::Wire,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const END: u8 = 1;
const ABORT: u8 = 2;

pub(super) const CHECKS: &[Check] = &[
    check!(Bodies, "uploads/inline", "a request body in bodyBase64 reaches the origin", inline),
    check!(Bodies, "uploads/streamed", "a streamed body reaches the origin, announced or not", streamed),
    check!(Bodies, "uploads/both", "body and bodyBase64 together are -32602", both),
    check!(
        Bodies,
        "uploads/abort",
        "an upload with ABORT never reaches the origin as if it were whole",
        abort
    ),
    check!(Bodies, "uploads/after-end", "bytes after END change nothing, whenever they come", after_end),
    check!(Credit, "uploads/credit", "an upload gets credit as the origin reads", credit),
    check!(Credit, "uploads/final", "the executor says final when it has read END", last),
    check!(Credit, "uploads/early", "an early answer stands, and final says that no more is wanted", early),
];

pub(super) async fn put(wire: &mut Wire, id: u64, url: &str, body: Value) -> Outcome {
    wire.ask_with(id, json!({ "method": "PUT", "url": url, "body": body })).await
}

/// Fails the check unless the origin says that it was sent so many bytes.
pub(super) fn expect_sent(answer: &Value, bytes: usize) -> Outcome {
    let body = answer["result"]["bodyBase64"].as_str().and_then(|text| STANDARD.decode(text).ok());
    expect(body.as_deref() == Some(bytes.to_string().as_bytes()), || {
        format!("the origin was to be sent {bytes} bytes: {answer}")
    })
}

async fn inline(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let body = STANDARD.encode(pattern(0, 3000));
    let url = context.origin.url("/upload/inline");
    wire.ask_with(1, json!({ "method": "POST", "url": url, "bodyBase64": body })).await?;
    expect_sent(&wire.answer(1).await?, 3000)
}

async fn streamed(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let cases = [
        json!({ "stream": true }),
        json!({ "stream": true, "length": 9000 }),
        json!({ "stream": true, "length": 9000, "whole": true }),
    ];
    for (id, body) in (1..).zip(cases) {
        put(&mut wire, id, &context.origin.url("/upload/streamed"), body).await?;
        wire.send_body(id, 0, 0, &pattern(0, 5000)).await?;
        wire.send_body(id, END, 5000, &pattern(5000, 4000)).await?;
        expect_sent(&wire.answer(id).await?, 9000)?;
    }
    Ok(())
}

async fn both(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let url = context.origin.url("/upload/both");
    wire.ask_with(1, json!({ "method": "POST", "url": url, "bodyBase64": "", "body": { "stream": true } }))
        .await?;
    expect_error(&wire.answer(1).await?, -32602)
}

async fn abort(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for (id, payload) in [(1, &b""[..]), (2, br#"{"code":-32603,"message":"kit"}"#)] {
        let path = format!("/upload/abort-{id}");
        put(&mut wire, id, &context.origin.url(&path), json!({ "stream": true })).await?;
        wire.send_body(id, 0, 0, &pattern(0, 1000)).await?;
        context.origin.wait(&path, context.patience, "the first bytes", |seen| seen.bytes > 0).await?;
        wire.send_body(id, END | ABORT, 1000, payload).await?;
        let answer = wire.answer(id).await?;
        expect(answer.get("error").is_some(), || {
            format!("an upload that broke off was answered with {answer}")
        })?;
        context.origin.wait(&path, context.patience, "the request given up", |seen| seen.over == 1).await?;
        expect(context.origin.seen(&path).whole == 0, || "the origin saw a clean end".to_owned())?;
    }
    Ok(())
}

async fn after_end(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for (id, waits) in [(1, false), (2, true)] {
        let path = format!("/upload/after-end-{id}");
        put(&mut wire, id, &context.origin.url(&path), json!({ "stream": true })).await?;
        wire.send_body(id, END, 0, &pattern(0, 1000)).await?;
        if waits {
            context.origin.wait(&path, context.patience, "the whole body", |seen| seen.whole == 1).await?;
        }
        wire.send_body(id, 0, 1000, b"late").await?;
        expect_sent(&wire.answer(id).await?, 1000)?;
        wire.finished(id).await?;
    }
    wire.expect_alive().await
}

async fn credit(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let window = context.hello["windowBytes"].as_u64().unwrap_or(65_536);
    let total = window + 1000;
    let (mut wire, _) = context.resumable().await?;
    let path = "/upload-gated/credit";
    put(&mut wire, 1, &context.origin.url(path), json!({ "stream": true, "length": total })).await?;
    let mut offset = 0;
    while offset < window {
        let bytes = (window - offset).min(65_536);
        wire.send_body(1, 0, offset, &pattern(offset as usize, bytes as usize)).await?;
        offset += bytes;
    }
    context.origin.open(path);
    let mut told = 0;
    while told < 1000 {
        let params = wire.told(1).await?;
        told = params["offset"].as_u64().unwrap_or_default();
        expect(told <= window, || format!("more was taken than was sent: {params}"))?;
    }
    wire.send_body(1, END, window, &pattern(window as usize, 1000)).await?;
    expect_sent(&wire.answer(1).await?, total as usize)
}

async fn last(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    for (id, body) in [(1, json!({ "stream": true })), (2, json!({ "stream": true, "length": 100 }))] {
        put(&mut wire, id, &context.origin.url("/upload/last"), body).await?;
        wire.send_body(id, END, 0, &pattern(0, 100)).await?;
        loop {
            let params = wire.told(id).await?;
            if params["final"] == true {
                expect(params["offset"] == 100, || format!("100 bytes were taken: {params}"))?;
                break;
            }
        }
        expect_sent(&wire.answer(id).await?, 100)?;
    }
    Ok(())
}

async fn early(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    put(&mut wire, 1, &context.origin.url("/refuse/early"), json!({ "stream": true })).await?;
    wire.send_body(1, 0, 0, &pattern(0, 100)).await?;
    let answer = wire.answer(1).await?;
    expect(answer["result"]["status"] == 413, || format!("the answer does not stand: {answer}"))?;
    loop {
        if wire.told(1).await?["final"] == true {
            return Ok(());
        }
    }
}
