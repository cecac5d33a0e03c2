use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, again, expect, hello},
    wire::Wire,
};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(
        HttpAsItIs,
        "features/agreed",
        "the features of a session are of those that were offered, and none where none were",
        agreed
    ),
    check!(HttpAsItIs, "features/kept", "a session that is resumed has the features that it had", kept),
    check!(
        HttpAsItIs,
        "features/reason",
        "the reason phrase is told where it is another than usual, and only there",
        reason
    ),
    check!(HttpAsItIs, "features/timings", "timings are whole numbers under their names", timings),
];

/// What the kit offers: all that the page knows.
pub(super) const OFFERED: [&str; 2] = ["trailers", "hold"];

/// A session with all features, and its id; it has this one, or the check is not about this executor.
pub(super) async fn begin(context: &Context, feature: &str) -> Result<(Wire, String), Stop> {
    context.needs_resumable()?;
    let mut wire = context.connect().await?;
    let mut params = hello();
    params["features"] = json!(OFFERED);
    let result = wire.initialize(params).await?;
    let has = |value: &Value| value.as_array().into_iter().flatten().any(|name| name == feature);
    if !has(&result["features"]) {
        return Err(Stop::NotOffered(format!("the session does not have the feature {feature:?}")));
    }
    Ok((wire, result["sessionId"].as_str().unwrap_or_default().to_owned()))
}

/// Resumes such a session as a client does that holds these requests.
pub(super) async fn back(context: &Context, session: &str, held: Value) -> Result<(Wire, Value), Stop> {
    let mut wire = context.connect().await?;
    let mut params = again(session, 1);
    params["features"] = json!(OFFERED);
    let result = wire.initialize(params).await?;
    expect(result["resumed"] == true, || format!("the session was not resumed: {result}"))?;
    let answer = wire.call_as("sync-1", "session/sync", json!({ "requests": held })).await?;
    expect(answer["result"]["requests"][0]["state"] == "known", || {
        format!("the sync was answered with {answer}")
    })?;
    Ok((wire, answer["result"].clone()))
}

async fn agreed(context: &Context) -> Outcome {
    context.needs_resumable()?;
    for offered in [json!(OFFERED), json!(["trailers", "kit-9"]), json!(["kit-9"]), json!([]), json!(null)] {
        let mut wire = context.connect().await?;
        let mut params = hello();
        params["features"] = offered.clone();
        let result = wire.initialize(params).await?;
        let has: Vec<&Value> = result["features"].as_array().into_iter().flatten().collect();
        let is_offered = |name: &&Value| offered.as_array().is_some_and(|offered| offered.contains(name));
        expect(has.iter().all(is_offered), || format!("{offered} were offered, and {has:?} came"))?;
        let is_twice = (1..has.len()).any(|at| has[..at].contains(&has[at]));
        expect(!is_twice, || format!("a feature is named twice: {has:?}"))?;
    }
    Ok(())
}

async fn kept(context: &Context) -> Outcome {
    context.needs_resumable()?;
    let mut wire = context.connect().await?;
    let mut params = hello();
    params["features"] = json!(OFFERED);
    let first = wire.initialize(params).await?;
    drop(wire);
    let session = first["sessionId"].as_str().unwrap_or_default();
    for (attempt, offered) in [(1, json!(OFFERED)), (2, json!(null))] {
        let mut wire = context.connect().await?;
        let mut params = again(session, attempt);
        params["features"] = offered;
        let result = wire.initialize(params).await?;
        expect(result["features"] == first["features"], || {
            format!("{} were agreed, and now {}", first["features"], result["features"])
        })?;
    }
    Ok(())
}

async fn reason(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/bytes/5/reason")).await?;
    let usual = wire.answer(1).await?;
    let said = &usual["result"]["reason"];
    expect(said.is_null(), || format!("the usual phrase is left out, and {said} came"))?;
    wire.ask(2, &context.origin.url("/reason/fine")).await?;
    let other = wire.answer(2).await?;
    match &other["result"]["reason"] {
        Value::Null => Err(Stop::NotOffered("the executor tells no reason phrase".to_owned())),
        said => expect(said == "Kit Is Fine", || format!("\"Kit Is Fine\" was said, and {said} came")),
    }
}

async fn timings(context: &Context) -> Outcome {
    let (mut wire, _) = context.resumable().await?;
    wire.ask(1, &context.origin.url("/redirect/timings")).await?;
    let answer = wire.answer(1).await?;
    let Some(timings) = answer["result"]["timings"].as_object() else {
        return Err(Stop::NotOffered("the executor tells no timings".to_owned()));
    };
    let words = ["httpVersion", "remoteAddress"];
    let numbers = timings.iter().filter(|(name, _)| !words.contains(&name.as_str()));
    let odd: Vec<_> = numbers.filter(|(_, value)| value.as_u64().is_none_or(|value| value == 0)).collect();
    expect(odd.is_empty(), || format!("these are no whole numbers from 1: {odd:?}"))?;
    let version = &timings.get("httpVersion");
    expect(version.is_none_or(|version| version == "1.1"), || format!("httpVersion is {version:?}"))?;
    let redirects = timings.get("redirects");
    expect(redirects.is_none_or(|redirects| redirects == 1), || {
        format!("one redirect was followed, and {redirects:?} came")
    })
}
