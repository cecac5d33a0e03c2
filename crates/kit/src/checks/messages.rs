use super::{Check, Outcome, check};
use crate::{
    context::{Context, expect, expect_error},
    frames::{CONTINUATION, Frames, PING, PONG, TEXT, header},
};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(
        Messages,
        "messages/not-json-rpc",
        "what is not JSON-RPC is answered -32600 with id -1",
        not_json_rpc
    ),
    check!(
        Messages,
        "messages/method-type",
        "a method that is not a string is answered -32600 under its id",
        method_type
    ),
    check!(Messages, "messages/unknown-method", "an unknown method is answered -32601", unknown_method),
    check!(Messages, "messages/fs", "methods of files are answered -32004: there are none", files),
    check!(Messages, "messages/ignored", "unknown notifications and answers to nothing are ignored", ignored),
    check!(
        Messages,
        "messages/params",
        "parameters of the wrong shape are answered -32602, and not quoted",
        params
    ),
    check!(Messages, "messages/lists", "a list where an object is due is answered -32602", lists),
    check!(Messages, "messages/ids", "ids of every usable kind come back as they were", ids),
    check!(Messages, "messages/unknown-fields", "unknown fields and any jsonrpc are ignored", unknown_fields),
    check!(
        Messages,
        "messages/binary-json",
        "in base a binary message that holds JSON is taken",
        binary_json
    ),
    check!(Framing, "framing/fragments", "fragments with a ping between them are one message", fragments),
    check!(Framing, "framing/unmasked", "a frame without a mask closes with 1002", unmasked),
    check!(Framing, "framing/reserved", "reserved bits close with 1002", reserved),
    check!(Framing, "framing/utf8", "text that is not UTF-8 closes with 1007", utf8),
];

async fn not_json_rpc(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let deep = format!("{{\"id\":1,\"method\":\"m\",\"params\":{}{}}}", "[".repeat(127), "]".repeat(127));
    for text in [
        "x",
        "[]",
        "null",
        "{}",
        r#"{"id":null,"method":"environment/status"}"#,
        r#"{"id":1.5,"method":"environment/status"}"#,
        r#"{"id":1,"id":1,"method":"environment/status"}"#,
        r#"{"id":1,"method":"environment/status","params":{"a":{"b":1,"b":2}}}"#,
        &deep,
    ] {
        wire.send_text(text).await?;
        let shown: String = text.chars().take(80).collect();
        let answer =
            wire.answer(-1).await.map_err(|stop| stop.while_waiting_for(&format!("-32600 for {shown}")))?;
        expect_error(&answer, -32600)?;
    }
    wire.expect_alive().await
}

async fn method_type(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    wire.send(json!({ "id": 7, "method": 5 })).await?;
    expect_error(&wire.answer(7).await?, -32600)
}

async fn unknown_method(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    expect_error(&wire.call("kit/no-such-method", json!({})).await?, -32601)
}

async fn files(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    expect_error(&wire.call("fs/readFile", json!({})).await?, -32004)
}

async fn ignored(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    wire.notify("kit/no-such-notification", json!({})).await?;
    wire.send(json!({ "id": 4711, "result": {} })).await?;
    wire.send(json!({ "id": 4711, "error": { "code": 1, "message": "m" } })).await?;
    wire.expect_silence().await
}

async fn params(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    for params in [
        json!({ "url": "http://h/", "requestId": "r" }),
        json!({ "method": "canary", "url": 7, "requestId": "r" }),
        json!({ "method": "GET", "url": "http://h/", "requestId": "r", "timeoutMs": "canary" }),
        json!({ "method": "GET", "url": "http://h/", "requestId": "r", "bodyBase64": "canary!" }),
    ] {
        let answer = wire.call("http/request", params).await?;
        expect_error(&answer, -32602)?;
        expect(!answer.to_string().contains("canary"), || format!("a value is quoted: {answer}"))?;
    }
    Ok(())
}

async fn lists(context: &Context) -> Outcome {
    let mut wire = context.connect().await?;
    expect_error(&wire.call("initialize", json!(["kit", null, null, null, null])).await?, -32602)?;
    let mut wire = context.base().await?;
    for (method, params) in [
        ("http/request", json!(["GET", "http://h/", [], null, null, null, null, "follow", "r", false, null])),
        (
            "http/request",
            json!({ "method": "GET", "url": "http://h/", "requestId": "r", "headers": [["a", "b", null, null, null]] }),
        ),
        ("environment/info", json!([])),
        ("environment/status", json!([])),
    ] {
        expect_error(&wire.call(method, params).await?, -32602)?;
    }
    Ok(())
}

async fn ids(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    for id in [json!("a"), json!(""), json!("x".repeat(1024)), json!(-5), json!(i64::MAX)] {
        wire.send(json!({ "id": id, "method": "environment/status", "params": {} })).await?;
        wire.answer(id).await?;
    }
    Ok(())
}

async fn unknown_fields(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let message = json!({ "jsonrpc": "1.0", "id": 1, "method": "environment/status", "params": { "more": [1] }, "x": {} });
    wire.send(message).await?;
    let answer = wire.answer(1).await?;
    expect(answer["result"]["status"] == "ready", || format!("this came: {answer}"))?;
    expect(answer.get("jsonrpc").is_none(), || format!("jsonrpc is left out on output: {answer}"))
}

async fn binary_json(context: &Context) -> Outcome {
    let mut wire = context.base().await?;
    let message = json!({ "id": 1, "method": "environment/status", "params": {} });
    wire.send_binary(message.to_string().into_bytes()).await?;
    wire.answer(1).await.map(drop)
}

fn initialize() -> Vec<u8> {
    let message = json!({ "id": 1, "method": "initialize", "params": { "clientName": "afield-kit" } });
    message.to_string().into_bytes()
}

async fn fragments(context: &Context) -> Outcome {
    let mut frames = Frames::open(context).await?;
    let message = initialize();
    let (first, rest) = message.split_at(10);
    let (second, third) = rest.split_at(10);
    frames.send(TEXT, false, first).await?;
    frames.send(PING, true, b"kit").await?;
    frames.send(CONTINUATION, false, second).await?;
    let (opcode, _, payload) = frames.next().await?;
    expect(opcode == PONG && payload == b"kit", || "a ping between fragments is not answered".to_owned())?;
    frames.send(CONTINUATION, true, third).await?;
    let answer: Value = serde_json::from_slice(&frames.message().await?).unwrap_or_default();
    expect(answer["result"].is_object(), || format!("initialize was answered with {answer}"))
}

async fn unmasked(context: &Context) -> Outcome {
    let mut frames = Frames::open(context).await?;
    let message = initialize();
    let mut frame = header(TEXT, true, message.len() as u64, false);
    frame.extend_from_slice(&message);
    frames.send_raw(&frame).await?;
    frames.expect_close(1002).await
}

async fn reserved(context: &Context) -> Outcome {
    let mut frames = Frames::open(context).await?;
    let mut frame = header(TEXT, true, 2, true);
    frame[0] |= 0x40;
    frame.extend_from_slice(b"{}");
    frames.send_raw(&frame).await?;
    frames.expect_close(1002).await
}

async fn utf8(context: &Context) -> Outcome {
    let mut frames = Frames::open(context).await?;
    frames.send(TEXT, true, b"\"\xff\"").await?;
    frames.expect_close(1007).await
}
