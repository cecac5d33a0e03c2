use super::{Check, Outcome, check, uploads::put};
use crate::{
    context::{Context, expect, expect_closed},
    wire::body,
};
use serde_json::json;

const END: u8 = 1;
const ABORT: u8 = 2;

pub(super) const CHECKS: &[Check] = &[
    check!(
        Malformed,
        "malformed/binary",
        "a binary message that is no body message closes with 1008",
        binary
    ),
    check!(
        Malformed,
        "malformed/too-large",
        "a body message of more than bodyMessageBytes closes with 1008",
        too_large
    ),
    check!(Malformed, "malformed/direction", "a response body from a client closes with 1008", direction),
    check!(
        Malformed,
        "malformed/not-held",
        "a body message about a request that is not held is ignored",
        not_held
    ),
    check!(Malformed, "malformed/gap", "a gap fails its request alone, and the caller is blamed", gap),
    check!(Malformed, "malformed/overrun", "an overrun of the window fails its request alone", overrun),
    check!(
        Malformed,
        "malformed/early-end",
        "an END before bytes that came fails its request alone",
        early_end
    ),
    check!(
        Malformed,
        "malformed/length",
        "more or fewer bytes than announced fail the request alone",
        length
    ),
    check!(
        Malformed,
        "malformed/abort",
        "an ABORT without an error that can be read fails its request, as cancelled",
        unreadable_abort
    ),
    check!(Malformed, "malformed/final", "final before the end is a cancel", early_final),
    check!(Malformed, "malformed/repeated", "bytes that came before are skipped", repeated),
];

async fn binary(context: &Context) -> Outcome {
    let past = body(2, 0, 1, 1 << 63, b"");
    let messages = [
        b"short".to_vec(),
        Vec::new(),
        body(3, 0, 1, 0, b""),
        body(0, 0, 1, 0, b""),
        body(2, 0x80, 1, 0, b""),
        past,
    ];
    for message in messages {
        let (mut wire, _) = context.resumable().await?;
        wire.send_binary(message).await?;
        expect_closed(&wire.end().await?, 1008)?;
    }
    Ok(())
}

async fn too_large(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let most = context.limit("bodyMessageBytes").unwrap_or(256 * 1024).min(256 * 1024);
    put(&mut wire, 1, &context.origin.url("/upload/too-large"), json!({ "stream": true })).await?;
    wire.send_body(1, 0, 0, &vec![0; most as usize + 1]).await?;
    expect_closed(&wire.end().await?, 1008)
}

async fn direction(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.send_binary(body(1, 0, 1, 0, b"x")).await?;
    expect_closed(&wire.end().await?, 1008)
}

async fn not_held(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.send_body(9, END, 0, b"x").await?;
    wire.ask(10, &context.origin.url("/hold/not-held")).await?;
    wire.send_body(10, END, 0, b"x").await?;
    wire.expect_silence().await
}

/// Sends an upload of these messages and fails the check unless it fails the request, for the caller's fault, and alone.
async fn expect_blamed(context: &Context, announced: Option<u64>, messages: &[(u8, u64, &[u8])]) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let url = context.origin.url("/upload/blamed");
    put(&mut wire, 1, &url, json!({ "stream": true, "length": announced })).await?;
    for (flags, offset, payload) in messages {
        wire.send_body(1, *flags, *offset, payload).await?;
    }
    let answer = wire.answer(1).await?;
    let data = &answer["error"]["data"];
    expect(data["kind"] == "invalid_request" && data["blame"] == "caller", || {
        format!("an error that blames the caller was to come: {answer}")
    })?;
    wire.ask(2, &context.origin.url("/bytes/5/blamed")).await?;
    let other = wire.answer(2).await?;
    expect(other["result"]["status"] == 200, || format!("another request was harmed: {other}"))
}

async fn gap(context: &Context) -> Outcome {
    expect_blamed(context, None, &[(0, 0, b"abc"), (END, 4, b"x")]).await
}

async fn overrun(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let window = context.hello["windowBytes"].as_u64().unwrap_or(65_536);
    let (mut wire, _) = context.resumable().await?;
    let path = "/upload-gated/overrun";
    put(&mut wire, 1, &context.origin.url(path), json!({ "stream": true })).await?;
    // An origin that reads nothing still has some of it in its sockets, for which there may be credit.
    let mut offset = 0;
    while offset < 4 * window + (32 << 20) {
        wire.send_body(1, 0, offset, &vec![0; 65_536]).await?;
        offset += 65_536;
    }
    let answer = wire.answer(1).await?;
    let data = &answer["error"]["data"];
    expect(data["kind"] == "invalid_request" && data["blame"] == "caller", || {
        format!("an error that blames the caller was to come: {answer}")
    })?;
    wire.expect_alive().await
}

async fn early_end(context: &Context) -> Outcome {
    expect_blamed(context, None, &[(0, 0, b"abc"), (END, 0, b"a")]).await
}

async fn length(context: &Context) -> Outcome {
    expect_blamed(context, Some(5), &[(END, 0, b"abc")]).await?;
    expect_blamed(context, Some(2), &[(0, 0, b"abc")]).await
}

async fn unreadable_abort(context: &Context) -> Outcome {
    for (at, payload) in [&b""[..], b"{", &vec![b' '; 65_537]].into_iter().enumerate() {
        let (mut wire, _) = context.resumable().await?;
        let path = format!("/upload/abort-{at}");
        put(&mut wire, 1, &context.origin.url(&path), json!({ "stream": true })).await?;
        wire.send_body(1, 0, 0, b"abc").await?;
        wire.send_body(1, ABORT | END, 3, payload).await?;
        let answer = wire.answer(1).await?;
        let data = &answer["error"]["data"];
        expect(data["kind"] == "cancelled" && data["blame"] == "caller", || {
            format!("kind cancelled, blame caller were to come: {answer}")
        })?;
        expect(context.origin.seen(&path).whole == 0, || "the origin saw a clean end".to_owned())?;
    }
    Ok(())
}

async fn early_final(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    let path = "/hold/early-final";
    wire.ask(1, &context.origin.url(path)).await?;
    context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
    wire.finished(1).await?;
    context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await?;
    wire.expect_silence().await
}

async fn repeated(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    put(&mut wire, 1, &context.origin.url("/upload/skipped"), json!({ "stream": true })).await?;
    for (flags, offset, payload) in [(0, 0, &b"abc"[..]), (0, 1, b"bcd"), (0, 0, b"a"), (END, 2, b"cde")] {
        wire.send_body(1, flags, offset, payload).await?;
    }
    super::uploads::expect_sent(&wire.answer(1).await?, 5)
}
