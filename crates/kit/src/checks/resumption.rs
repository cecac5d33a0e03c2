use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, WINDOW, again, expect, expect_error},
    origin::pattern,
    wire::{Came, Wire},
};
use serde_json::{Value, json};

const END: u8 = 1;

pub(super) const CHECKS: &[Check] = &[
    check!(
        Resumption,
        "resumption/states",
        "the sync tells new, known and gone apart, each request once",
        states
    ),
    check!(
        Resumption,
        "resumption/silence",
        "nothing is said about requests before the sync is answered",
        silence
    ),
    check!(Resumption, "resumption/unnamed", "what is not named is cancelled", unnamed),
    check!(Resumption, "resumption/attempts", "a lower attempt is refused, an equal one accepted", attempts),
    check!(
        Resumption,
        "resumption/out-of-turn",
        "a request before the sync, and a second sync, are -32600",
        out_of_turn
    ),
    check!(
        Resumption,
        "resumption/shape",
        "a sync of the wrong shape is -32602, and may be sent again",
        shape
    ),
    check!(Resumption, "resumption/end-again", "END comes again, even when no byte is left", end_again),
    check!(Resumption, "resumption/beyond", "claims beyond what was sent count as what was sent", beyond),
    check!(
        Resumption,
        "resumption/meanwhile",
        "an origin is read into the window while nobody is there",
        meanwhile
    ),
    check!(
        Resumption,
        "resumption/upload",
        "an upload goes on where the executor has it, and final comes again",
        upload
    ),
    check!(
        Resumption,
        "resumption/every-boundary",
        "a connection lost after any message of an exchange loses no byte and repeats no request",
        every_boundary
    ),
];

fn held(id: u64, head: bool, received: u64, consumed: u64) -> Value {
    json!({ "requestId": id, "headReceived": head, "received": received, "consumed": consumed })
}

async fn states(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    wire.ask(2, &context.origin.url("/bytes/5/states")).await?;
    wire.answer(2).await?;
    wire.finished(2).await?;
    wire.ask(5, &context.origin.url("/hold/states")).await?;
    wire.expect_alive().await?;
    drop(wire);
    let named =
        json!([held(5, false, 0, 0), held(2, true, 0, 0), held(7, false, 0, 0), held(5, false, 0, 0)]);
    let (mut wire, view) = context.resume(&session, 1, named).await?;
    let states: Vec<(&Value, &Value)> = (view["requests"].as_array().into_iter().flatten())
        .map(|request| (&request["requestId"], &request["state"]))
        .collect();
    let wanted = [(json!(5), json!("known")), (json!(2), json!("gone")), (json!(7), json!("new"))];
    expect(states == wanted.iter().map(|(id, state)| (id, state)).collect::<Vec<_>>(), || {
        format!("5 known, 2 gone, 7 new were to come, each once: {view}")
    })?;
    expect(view["lastRequestId"] == 5, || format!("lastRequestId is to be 5: {view}"))?;
    context.origin.open("/hold/states");
    let answer = wire.answer(5).await?;
    expect(answer["result"]["status"] == 200, || format!("this came: {answer}"))
}

async fn silence(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/bytes/5/silence")).await?;
    wire.answer(1).await?;
    wire.ask(2, &context.origin.url("/chunked/100000/silence")).await?;
    wire.answer(2).await?;
    drop(wire);
    let mut wire = context.attach(&session, 1).await?;
    wire.send_body(1, END, 0, b"early").await?;
    wire.notify("http/request/cancel", json!({ "requestId": 1 })).await?;
    wire.expect_silence().await?;
    let named = json!({ "requests": [held(1, false, 0, 0)] });
    let view = wire.call_as("sync-1", "session/sync", named).await?;
    let state = &view["result"]["requests"][0]["state"];
    expect(state == "known", || format!("a cancel before the sync was heard: {view}"))
}

async fn unnamed(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let path = "/hold/unnamed";
    wire.ask(1, &context.origin.url(path)).await?;
    context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
    drop(wire);
    let (mut wire, view) = context.resume(&session, 1, json!([])).await?;
    expect(view["lastRequestId"] == 1, || format!("the sync was answered with {view}"))?;
    context.origin.wait(path, context.patience, "the request given up", |seen| seen.over == 1).await?;
    wire.expect_silence().await
}

async fn attempts(context: &Context) -> Outcome {
    let (wire, session) = context.resumable().await?;
    drop(wire);
    let (wire, _) = context.resume(&session, 5, json!([])).await?;
    let mut late = context.connect().await?;
    let answer = late.call("initialize", again(&session, 4)).await?;
    expect_error(&answer, -32600)?;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    expect(message == "session resumed by another connection", || format!("the message is {message:?}"))?;
    drop(wire);
    context.resume(&session, 5, json!([])).await.map(drop)
}

async fn out_of_turn(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let sync = json!({ "requests": [] });
    expect_error(&wire.call("session/sync", sync.clone()).await?, -32600)?;
    drop(wire);
    let mut wire = context.attach(&session, 1).await?;
    wire.ask(1, &context.origin.url("/bytes/5/turn")).await?;
    expect_error(&wire.answer(1).await?, -32600)?;
    wire.call("session/sync", sync.clone()).await?;
    expect_error(&wire.call("session/sync", sync).await?, -32600)?;
    wire.ask(1, &context.origin.url("/bytes/5/turn")).await?;
    let answer = wire.answer(1).await?;
    expect(answer["result"]["status"] == 200, || format!("the id was used up: {answer}"))
}

async fn shape(context: &Context) -> Outcome {
    let (wire, session) = context.resumable().await?;
    drop(wire);
    let mut wire = context.attach(&session, 1).await?;
    for params in [
        json!({}),
        json!([]),
        json!({ "requests": [[1, true, 0, 0]] }),
        json!({ "requests": [{ "requestId": -1 }] }),
    ] {
        expect_error(&wire.call("session/sync", params).await?, -32602)?;
    }
    let view = wire.call("session/sync", json!({ "requests": [] })).await?;
    expect(view["result"]["lastRequestId"] == 0, || format!("the sync was answered with {view}"))
}

async fn end_again(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/chunked/30000/end-again")).await?;
    wire.answer(1).await?;
    wire.rest(1, 0).await?;
    drop(wire);
    let (mut wire, _) = context.resume(&session, 1, json!([held(1, true, 30_000, 30_000)])).await?;
    let body = wire.body(1).await?;
    let is_end = body.end && !body.abort && body.payload.is_empty() && body.offset == 30_000;
    expect(is_end, || format!("END at 30000 was to come, and {} did", Came::Body(body)))
}

async fn beyond(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/bytes/200000/beyond")).await?;
    wire.answer(1).await?;
    let mut sent = 0;
    while sent < WINDOW {
        sent += wire.body(1).await?.payload.len() as u64;
    }
    drop(wire);
    let (mut wire, _) = context.resume(&session, 1, json!([held(1, true, u64::MAX, u64::MAX)])).await?;
    let body = wire.body(1).await?;
    expect(body.offset == sent, || format!("offset {sent} was to come, and {} did", Came::Body(body)))
}

async fn meanwhile(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let path = "/half/1000/meanwhile";
    wire.ask(1, &context.origin.url(path)).await?;
    wire.answer(1).await?;
    drop(wire);
    context.origin.open(path);
    context.origin.wait(path, context.patience, "the end of its answer taken", |seen| seen.over == 1).await?;
    let (mut wire, _) = context.resume(&session, 1, json!([held(1, true, 0, 0)])).await?;
    let body = wire.rest(1, 0).await?;
    expect(body == pattern(0, 2000), || format!("{} bytes came, or others", body.len()))
}

async fn upload(context: &Context) -> Outcome {
    let (mut wire, session) = context.resumable().await?;
    let path = "/upload/resumed";
    super::uploads::put(&mut wire, 1, &context.origin.url(path), json!({ "stream": true })).await?;
    wire.send_body(1, 0, 0, &pattern(0, 1000)).await?;
    context.origin.wait(path, context.patience, "the first bytes", |seen| seen.bytes == 1000).await?;
    drop(wire);
    let (mut wire, view) = context.resume(&session, 1, json!([held(1, false, 0, 0)])).await?;
    let request = &view["requests"][0];
    expect(request["bodyReceived"] == 1000, || format!("bodyReceived is to be 1000: {view}"))?;
    wire.send_body(1, END, 1000, &pattern(1000, 500)).await?;
    super::uploads::expect_sent(&wire.answer(1).await?, 1500)?;
    drop(wire);
    let (mut wire, _) = context.resume(&session, 2, json!([held(1, true, 0, 0)])).await?;
    let told = wire.told(1).await?;
    expect(told["final"] == true, || format!("final was to come again: {told}"))
}

/// What a client holds of the exchange that is cut everywhere.
#[derive(Default)]
struct Held {
    head: Option<Value>,
    body: Vec<u8>,
    ended: bool,
    /// What the executor has of the upload.
    sent: u64,
    upload_over: bool,
}

/// Bytes of the upload.
const UPLOAD: u64 = 900;

async fn every_boundary(context: &Context) -> Outcome {
    context.needs_resumable()?;
    for boundary in 0..12 {
        let path = format!("/upload/boundary-{boundary}");
        let body = exchange(context, &path, boundary).await.map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(format!("lost after message {boundary}: {why}")),
            other => other,
        })?;
        let expected = UPLOAD.to_string();
        expect(body == expected.as_bytes(), || {
            format!("lost after message {boundary}: the answer is {body:?}")
        })?;
        let seen = context.origin.seen(&path);
        let once = seen.started == 1 && seen.bytes == UPLOAD && seen.whole == 1;
        expect(once, || format!("lost after message {boundary}: the origin has seen {seen:?}"))?;
    }
    Ok(())
}

/// One upload and its answer. After `boundary` messages, sent or received, the connection is lost with what is on its way.
/// Returns the answer's body.
async fn exchange(context: &Context, path: &str, boundary: u64) -> Result<Vec<u8>, Stop> {
    let url = context.origin.url(path);
    let params = json!({ "method": "PUT", "url": url, "body": { "stream": true } });
    let (mut wire, session) = context.resumable().await?;
    let mut held_now = Held::default();
    let mut left = boundary;
    let mut passes = || {
        left = left.wrapping_sub(1);
        left != u64::MAX
    };
    let whole = 'cut: {
        if !passes() {
            break 'cut false;
        }
        wire.ask_with(1, params.clone()).await?;
        while held_now.sent < UPLOAD {
            if !passes() {
                break 'cut false;
            }
            held_now.send(&mut wire).await?;
        }
        while !held_now.is_over() {
            if !passes() {
                break 'cut false;
            }
            held_now.hear(&mut wire).await?;
        }
        true
    };
    if !whole {
        drop(wire);
        let named =
            json!([held(1, held_now.head.is_some(), held_now.body.len() as u64, held_now.body.len() as u64)]);
        let view;
        (wire, view) = context.resume(&session, 1, named).await?;
        let request = &view["requests"][0];
        match request["state"].as_str() {
            Some("new") => {
                expect(held_now.head.is_none(), || format!("a request that was answered is new: {view}"))?;
                wire.ask_with(1, params).await?;
                held_now.sent = 0;
            }
            Some("known") => held_now.sent = request["bodyReceived"].as_u64().unwrap_or_default(),
            _ => return Err(Stop::Failed(format!("new or known was to come: {view}"))),
        }
        if held_now.sent == UPLOAD && !held_now.upload_over {
            wire.send_body(1, END, UPLOAD, &[]).await?;
        }
        while held_now.sent < UPLOAD {
            held_now.send(&mut wire).await?;
        }
        while !held_now.is_over() {
            held_now.hear(&mut wire).await?;
        }
    }
    wire.finished(1).await?;
    wire.expect_silence().await?;
    Ok(held_now.body)
}

impl Held {
    fn is_over(&self) -> bool {
        self.ended && self.upload_over
    }

    async fn send(&mut self, wire: &mut Wire) -> Outcome {
        let bytes = (UPLOAD - self.sent).min(300);
        let flags = if self.sent + bytes == UPLOAD { END } else { 0 };
        wire.send_body(1, flags, self.sent, &pattern(self.sent as usize, bytes as usize)).await?;
        self.sent += bytes;
        Ok(())
    }

    async fn hear(&mut self, wire: &mut Wire) -> Outcome {
        use base64::{Engine, engine::general_purpose::STANDARD};
        match wire.next().await? {
            Came::Json(value) if value["method"] == "http/request/consumed" => {
                self.upload_over |= value["params"]["final"] == true;
            }
            Came::Json(value) if value["id"] == 1 && self.head.is_none() => {
                let result = &value["result"];
                expect(result["status"] == 200, || format!("this came: {value}"))?;
                if result["bodyComplete"] == true {
                    let body = result["bodyBase64"].as_str().and_then(|text| STANDARD.decode(text).ok());
                    self.body = body.unwrap_or_default();
                    self.ended = true;
                }
                self.head = Some(value);
            }
            Came::Body(body)
                if body.request_id == 1 && body.offset == self.body.len() as u64 && !self.ended =>
            {
                self.body.extend_from_slice(&body.payload);
                self.ended = body.end;
            }
            // The end again, after a loss.
            Came::Body(body) if body.request_id == 1 && self.ended && body.end => {}
            other => return Err(Stop::Failed(format!("this came out of turn: {other}"))),
        }
        Ok(())
    }
}
