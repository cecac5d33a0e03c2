use super::{Check, Outcome, Stop, check, features};
use crate::{
    context::{Context, expect},
    origin::pattern,
    wire::{Came, Wire},
};
use afield_protocol::resumable::BodyMessage;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const END: u8 = 1;
const TRAILERS: u8 = 4;

pub(super) const CHECKS: &[Check] = &[
    check!(
        HttpAsItIs,
        "trailers/response",
        "trailers end a body in the place of END, behind its bytes, in a message of their own",
        response
    ),
    check!(
        HttpAsItIs,
        "trailers/credit",
        "trailers need no credit: they come behind a body that fills the window",
        credit
    ),
    check!(HttpAsItIs, "trailers/again", "trailers come again after a loss", again),
    check!(
        HttpAsItIs,
        "trailers/not-agreed",
        "to a client without the feature the end of a body with trailers is an END",
        not_agreed
    ),
    check!(HttpAsItIs, "trailers/upload", "the trailers of an upload reach the origin", upload),
    check!(
        HttpAsItIs,
        "trailers/unannounced",
        "trailers of an upload that announced none are an END, and reach nobody",
        unannounced
    ),
    check!(
        HttpAsItIs,
        "trailers/unreadable",
        "trailers that cannot be read fail their upload alone, which is never ended cleanly",
        unreadable
    ),
];

async fn ask(wire: &mut Wire, context: &Context, path: &str) -> Outcome {
    let headers = json!([{ "name": "te", "value": "trailers" }]);
    let params = json!({ "method": "GET", "url": context.origin.url(path), "headers": headers });
    wire.ask_with(1, params).await
}

/// The value of the trailer that the kit's origin sends.
fn sum(trailers: &Value) -> Option<&Value> {
    trailers.as_array()?.iter().find(|field| field["name"] == "x-sum").map(|field| &field["value"])
}

/// Fails the check unless this message is the trailers of a body of so many bytes.
fn expect_trailers(body: BodyMessage, offset: u64) -> Outcome {
    let payload: Value = serde_json::from_slice(&body.payload).unwrap_or_default();
    let is_so = body.trailers && body.end && !body.abort && body.offset == offset;
    expect(is_so && sum(&payload["trailers"]).is_some_and(|value| value == "kit"), || {
        format!("TRAILERS and END at {offset} with x-sum were to come: {}, {payload}", Came::Body(body))
    })
}

/// The bytes of the body, which come before the message with trailers, and that message.
async fn to_trailers(wire: &mut Wire, gives_credit: bool) -> Result<(Vec<u8>, BodyMessage), Stop> {
    let mut all = Vec::new();
    loop {
        let body = wire.body(1).await?;
        if body.end || body.trailers || body.abort {
            return Ok((all, body));
        }
        expect(body.offset == all.len() as u64, || format!("a gap: {}", Came::Body(body.clone())))?;
        all.extend_from_slice(&body.payload);
        if gives_credit {
            wire.consumed(1, all.len() as u64).await?;
        }
    }
}

async fn response(context: &Context) -> Outcome {
    let (mut wire, _) = features::begin(context, "trailers").await?;
    ask(&mut wire, context, "/trailers/100000/response").await?;
    let head = wire.answer(1).await?;
    expect(head["result"]["status"] == 200, || format!("this came: {head}"))?;
    let (bytes, end) = to_trailers(&mut wire, true).await?;
    expect(bytes == pattern(0, 100_000), || format!("{} bytes came, or others", bytes.len()))?;
    expect_trailers(end, 100_000)?;
    wire.finished(1).await?;
    wire.expect_silence().await?;
    // A small one may come with its answer.
    let (mut wire, _) = features::begin(context, "trailers").await?;
    ask(&mut wire, context, "/trailers/5/response").await?;
    let head = wire.answer(1).await?;
    if head["result"]["bodyComplete"] == true {
        let trailers = &head["result"]["trailers"];
        return expect(sum(trailers).is_some_and(|value| value == "kit"), || format!("this came: {head}"));
    }
    let (bytes, end) = to_trailers(&mut wire, true).await?;
    expect(bytes == pattern(0, 5), || format!("{bytes:?} came"))?;
    expect_trailers(end, 5)
}

async fn credit(context: &Context) -> Outcome {
    let (mut wire, _) = features::begin(context, "trailers").await?;
    ask(&mut wire, context, "/trailers/65536/credit").await?;
    wire.answer(1).await?;
    let (bytes, end) = to_trailers(&mut wire, false).await?;
    expect(bytes.len() == 65_536, || format!("{} bytes came", bytes.len()))?;
    expect_trailers(end, 65_536)
}

async fn again(context: &Context) -> Outcome {
    let (mut wire, session) = features::begin(context, "trailers").await?;
    ask(&mut wire, context, "/trailers/30000/again").await?;
    wire.answer(1).await?;
    to_trailers(&mut wire, true).await?;
    drop(wire);
    let held = json!([{ "requestId": 1, "headReceived": true, "received": 30_000, "consumed": 30_000 }]);
    let (mut wire, _) = features::back(context, &session, held).await?;
    expect_trailers(wire.body(1).await?, 30_000)
}

async fn not_agreed(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    ask(&mut wire, context, "/trailers/30000/not-agreed").await?;
    wire.answer(1).await?;
    loop {
        let body = wire.body(1).await?;
        expect(!body.trailers && !body.abort, || {
            format!("nobody agreed to it: {}", Came::Body(body.clone()))
        })?;
        if body.end {
            return Ok(());
        }
    }
}

/// An upload of five bytes that ends with this message; the answer to it.
async fn put(wire: &mut Wire, context: &Context, path: &str, body: Value, end: &[u8]) -> Result<Value, Stop> {
    // HTTP/1.1 wants to be told which will come.
    let headers = json!([{ "name": "trailer", "value": "x-sum" }]);
    let url = context.origin.url(path);
    wire.ask_with(1, json!({ "method": "PUT", "url": url, "headers": headers, "body": body })).await?;
    wire.send_body(1, 0, 0, b"hello").await?;
    wire.send_body(1, TRAILERS | END, 5, end).await?;
    wire.answer(1).await
}

const SUM: &[u8] = br#"{"trailers":[{"name":"x-sum","value":"kit"}]}"#;

async fn upload(context: &Context) -> Outcome {
    let (mut wire, _) = features::begin(context, "trailers").await?;
    let body = json!({ "stream": true, "trailers": true });
    let answer = put(&mut wire, context, "/upload-trailers/upload", body, SUM).await?;
    expect_heard(&answer, "kit")?;
    while wire.told(1).await?["final"] != true {}
    Ok(())
}

fn expect_heard(answer: &Value, sum: &str) -> Outcome {
    let body = answer["result"]["bodyBase64"].as_str().and_then(|text| STANDARD.decode(text).ok());
    expect(body.as_deref() == Some(sum.as_bytes()), || {
        format!("the origin was to hear of x-sum {sum}, and answered {answer}")
    })
}

async fn unannounced(context: &Context) -> Outcome {
    let (mut wire, _) = features::begin(context, "trailers").await?;
    let path = "/upload-trailers/unannounced";
    let answer = put(&mut wire, context, path, json!({ "stream": true }), SUM).await?;
    expect_heard(&answer, "none")
}

async fn unreadable(context: &Context) -> Outcome {
    for (at, payload) in [&b"{"[..], b"[]", &vec![b' '; 65_537]].into_iter().enumerate() {
        let (mut wire, _) = features::begin(context, "trailers").await?;
        let path = format!("/upload-trailers/unreadable-{at}");
        let body = json!({ "stream": true, "trailers": true });
        let answer = put(&mut wire, context, &path, body, payload).await?;
        expect(answer["error"]["code"].is_i64(), || format!("the request was to fail: {answer}"))?;
        expect(context.origin.seen(&path).whole == 0, || "the origin saw a clean end".to_owned())?;
        wire.expect_alive().await?;
    }
    Ok(())
}
