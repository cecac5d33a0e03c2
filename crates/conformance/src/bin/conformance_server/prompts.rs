use crate::typed::PNG;
use serde_json::{Map, Value, json};

pub fn list() -> Value {
    let argument = |name: &str| json!({ "name": name, "description": "An argument", "required": true });
    json!({
        "prompts": [
            { "name": "test_simple_prompt", "description": "Takes no arguments" },
            {
                "name": "test_prompt_with_arguments",
                "description": "Repeats its arguments",
                "arguments": [argument("arg1"), argument("arg2")],
            },
            {
                "name": "test_prompt_with_embedded_resource",
                "description": "Embeds a resource",
                "arguments": [argument("resourceUri")],
            },
            { "name": "test_prompt_with_image", "description": "Shows a picture" },
            { "name": "test_input_required_result_prompt", "description": "Asks for its context first" },
        ],
        "ttlMs": 60_000,
        "cacheScope": "public",
    })
}

/// A prompt's messages, `None` if there is no such prompt.
pub fn get(name: &str, arguments: &Map<String, Value>) -> Option<Value> {
    let given = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let user = |content: Value| json!({ "role": "user", "content": content });
    let text = |text: String| user(json!({ "type": "text", "text": text }));
    let messages = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => {
            vec![text(format!("Prompt with arguments: arg1='{}', arg2='{}'", given("arg1"), given("arg2")))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({ "uri": given("resourceUri"), "mimeType": "text/plain", "text": "Embedded for testing." });
            vec![
                user(json!({ "type": "resource", "resource": resource })),
                text("Please process the resource.".to_owned()),
            ]
        }
        "test_prompt_with_image" => vec![
            user(json!({ "type": "image", "data": PNG, "mimeType": "image/png" })),
            text("Please describe the picture.".to_owned()),
        ],
        _ => return None,
    };
    Some(json!({ "messages": messages }))
}
