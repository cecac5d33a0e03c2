use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, again, expect, expect_closed, expect_error},
    frames::{CLOSE, Frames, PING, TEXT},
};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Those that take as long as they take. They run beside the others.
pub(super) const CHECKS: &[Check] = &[
    check!(
        Session,
        "waits/initialize",
        "a connection on which initialize does not come in handshakeMs is closed with 1008",
        initialize
    ),
    check!(Messages, "waits/ping", "a ping comes within 15 s", ping),
    check!(
        Messages,
        "waits/silence",
        "a connection of afield/1 on which nothing comes is ended within 50 s, and its session stays",
        silence
    ),
    check!(
        Closing,
        "waits/grace",
        "graceMs after a loss the session is unknown, and its requests are ended at the origin",
        grace
    ),
];

/// How much later than at its time something may come.
const SLACK: Duration = Duration::from_secs(2);

/// Whether the kit was told to wait for so long.
fn needs(context: &Context, wait: Duration, what: &str) -> Outcome {
    if wait <= context.longest_wait {
        return Ok(());
    }
    let most = context.longest_wait.as_secs();
    Err(Stop::NotOffered(format!(
        "{what} takes {} s, and the kit waits {most} s (--longest-wait)",
        wait.as_secs()
    )))
}

async fn initialize(context: &Context) -> Outcome {
    let handshake = Duration::from_millis(context.limit("handshakeMs")?);
    needs(context, handshake + SLACK, "what becomes of a connection without initialize")?;
    let mut wire = context.connect().await?;
    wire.wait_longer(handshake + SLACK);
    expect_closed(&wire.end().await?, 1008)
}

/// A connection of afield/1 whose frames are the check's own, and its session.
async fn begun(context: &Context) -> Result<(Frames, String), Stop> {
    let mut frames = Frames::open(context).await?;
    let hello = json!({ "id": 1, "method": "initialize", "params": crate::context::hello() });
    frames.send(TEXT, true, hello.to_string().as_bytes()).await?;
    let answer: serde_json::Value = serde_json::from_slice(&frames.message().await?).unwrap_or_default();
    let initialized = json!({ "method": "initialized", "params": {} });
    frames.send(TEXT, true, initialized.to_string().as_bytes()).await?;
    Ok((frames, answer["result"]["sessionId"].as_str().unwrap_or_default().to_owned()))
}

async fn ping(context: &Context) -> Outcome {
    let wait = Duration::from_secs(15) + SLACK;
    needs(context, wait, "a ping")?;
    context.needs_resumable()?;
    let (mut frames, _) = begun(context).await?;
    frames.wait_longer(wait);
    loop {
        match frames.next().await.map_err(|stop| stop.while_waiting_for("a ping"))? {
            (PING, ..) => return Ok(()),
            (CLOSE, ..) => return Err(Stop::Failed("the connection was closed before a ping".to_owned())),
            _ => {}
        }
    }
}

async fn silence(context: &Context) -> Outcome {
    // Two pings and what is allowed for the answer, however they fall.
    let wait = Duration::from_secs(50);
    needs(context, wait, "the end of a silent connection")?;
    context.needs_resumable()?;
    let (mut frames, session) = begun(context).await?;
    let began = Instant::now();
    frames.wait_longer(wait);
    loop {
        match frames.next().await {
            Ok((CLOSE, ..)) => break,
            Ok(_) => expect(began.elapsed() < wait, || "pings came, and none was answered".to_owned())?,
            Err(_) if began.elapsed() < wait => break,
            Err(stop) => return Err(stop.while_waiting_for("the end of the connection")),
        }
    }
    let lasted = began.elapsed();
    expect(lasted >= Duration::from_secs(28), || format!("it was ended after {lasted:?}, before 30 s"))?;
    context.resume(&session, 1, json!([])).await.map(drop)
}

async fn grace(context: &Context) -> Outcome {
    let grace = Duration::from_millis(context.limit("graceMs")?);
    needs(context, grace + SLACK, "the end of a session's grace")?;
    let (mut wire, session) = context.resumable().await?;
    let path = "/hold/grace";
    wire.ask(1, &context.origin.url(path)).await?;
    context.origin.wait(path, context.patience, "the request", |seen| seen.started == 1).await?;
    drop(wire);
    let lost = Instant::now();
    context.origin.wait(path, grace + SLACK, "the request given up", |seen| seen.over == 1).await?;
    let lasted = lost.elapsed();
    expect(lasted + SLACK >= grace, || format!("the request was given up after {lasted:?} of {grace:?}"))?;
    sleep((grace + SLACK).saturating_sub(lost.elapsed())).await;
    let mut wire = context.connect().await?;
    let answer = wire.call("initialize", again(&session, 1)).await?;
    expect_error(&answer, -32600)?;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    expect(message == format!("unknown session id {session}"), || format!("the message is {message:?}"))
}
