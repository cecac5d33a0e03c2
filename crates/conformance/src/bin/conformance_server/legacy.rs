//! Tools that ask the client in the middle of a call, as revisions with sessions do it.

use crate::typed::{complete, typed};
use rmcp::{ErrorData, RoleServer, model::CallToolResult, service::RequestContext};
use serde_json::{Map, Value, json};

type Context = RequestContext<RoleServer>;

/// Calls one of these tools, `None` if it is none of them.
pub async fn call(
    name: &str,
    arguments: &Map<String, Value>,
    context: &Context,
) -> Option<Result<CallToolResult, ErrorData>> {
    let given = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or("Please answer.");
    Some(match name {
        "test_sampling" => sample(given("prompt"), context).await,
        "test_elicitation" => {
            let properties = json!({
                "username": { "type": "string", "description": "A name" },
                "email": { "type": "string", "description": "An address" },
            });
            elicit(given("message"), properties, &["username", "email"], context).await
        }
        "test_elicitation_sep1034_defaults" => {
            let properties = json!({
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "default": true },
            });
            elicit("Everything has a default.", properties, &[], context).await
        }
        "test_elicitation_sep1330_enums" => elicit("Please choose.", choices(), &[], context).await,
        _ => return None,
    })
}

/// Every way to spell a choice.
fn choices() -> Value {
    let titled = |what: &str| {
        ["First", "Second", "Third"].iter().enumerate().map(|(index, ordinal)| {
            json!({ "const": format!("value{}", index + 1), "title": format!("{ordinal} {what}") })
        }).collect::<Vec<_>>()
    };
    let plain = ["option1", "option2", "option3"];
    json!({
        "untitledSingle": { "type": "string", "enum": plain },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
    })
}

async fn sample(prompt: &str, context: &Context) -> Result<CallToolResult, ErrorData> {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    let asked = typed(json!({ "messages": [message], "maxTokens": 100 }))?;
    told(context.peer.create_message(asked).await.map(|answer| format!("{:?}", answer.message)))
}

async fn elicit(
    message: &str,
    properties: Value,
    required: &[&str],
    context: &Context,
) -> Result<CallToolResult, ErrorData> {
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let asked = typed(json!({ "mode": "form", "message": message, "requestedSchema": schema }))?;
    let answer = context.peer.create_elicitation(asked).await;
    told(answer.map(|answer| {
        let action = serde_json::to_value(&answer.action).unwrap_or_default();
        format!("action={} content={}", action.as_str().unwrap_or_default(), json!(answer.content))
    }))
}

/// What the client answered as the tool's result; its refusal as the tool's error.
fn told(answer: Result<String, impl std::fmt::Display>) -> Result<CallToolResult, ErrorData> {
    let (text, failed) = match answer {
        Ok(text) => (text, false),
        Err(error) => (error.to_string(), true),
    };
    complete(json!({ "content": [{ "type": "text", "text": text }], "isError": failed }))
}
