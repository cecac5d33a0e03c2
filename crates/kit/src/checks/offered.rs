use super::{Check, Outcome, Stop, check};
use crate::context::{Context, expect, expect_error};
use serde_json::json;

pub(super) const CHECKS: &[Check] = &[
    check!(Offered, "offered/shape", "what is offered is told in layers of text", shape),
    check!(Offered, "offered/refused", "a question without a path is answered -32602", refused),
];

async fn shape(context: &Context) -> Outcome {
    is_advertised(context)?;
    let mut wire = context.base().await?;
    let paths = json!([["mcp_servers"]]);
    let params = json!({ "cwd": "file:///", "configPaths": paths, "requirementsPaths": paths });
    let answer = wire.call("environmentConfig/read", params).await?;
    let result = &answer["result"];
    for stack in [&result["config"], &result["requirements"]] {
        let are_texts = stack["layers"].as_array().is_some_and(|layers| {
            let is_text = |layer: &serde_json::Value, name: &str| layer[name].is_string();
            layers.iter().all(|layer| ["source", "baseDir", "toml"].iter().all(|name| is_text(layer, name)))
        });
        expect(are_texts && stack["cloudInsertionIndex"].is_u64(), || format!("the answer is {answer}"))?;
    }
    expect(result["codexHomeDir"].is_string(), || format!("the answer has no codexHomeDir: {answer}"))
}

async fn refused(context: &Context) -> Outcome {
    is_advertised(context)?;
    let mut wire = context.base().await?;
    for params in
        [json!({}), json!([]), json!({ "configPaths": [[]] }), json!({ "configPaths": ["mcp_servers"] })]
    {
        expect_error(&wire.call("environmentConfig/read", params).await?, -32602)?;
    }
    wire.expect_alive().await
}

fn is_advertised(context: &Context) -> Outcome {
    match context.has_capability("environmentConfigRead") {
        true => Ok(()),
        false => Err(Stop::NotOffered("the executor does not advertise environmentConfigRead".to_owned())),
    }
}
