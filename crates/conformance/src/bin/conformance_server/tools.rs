use crate::typed::{PNG, WAV};
use serde_json::{Map, Value, json};

/// Tools without parameters, and what they are for.
const PLAIN: &[(&str, &str)] = &[
    ("test_simple_text", "Answers with a text"),
    ("test_image_content", "Answers with a picture"),
    ("test_audio_content", "Answers with a sound"),
    ("test_embedded_resource", "Answers with a resource"),
    ("test_multiple_content_types", "Answers with a text, a picture and a resource"),
    ("test_tool_with_logging", "Logs while it works"),
    ("test_error_handling", "Always fails"),
    ("test_tool_with_progress", "Tells how far it has come"),
    ("test_elicitation_sep1034_defaults", "Asks for values that have defaults"),
    ("test_elicitation_sep1330_enums", "Asks for choices of every kind"),
    ("test_reconnection", "Lets its stream be closed before it answers"),
    ("test_trigger_tool_change", "Says that the tools have changed"),
    ("test_trigger_prompt_change", "Says that the prompts have changed"),
    ("test_missing_capability", "Needs a client that can sample"),
    ("test_streaming_elicitation", "Needs input"),
    ("test_logging_tool", "Logs if the request asks for it"),
    ("test_input_required_result_elicitation", "Needs an elicited answer"),
    ("test_input_required_result_sampling", "Needs a sampled answer"),
    ("test_input_required_result_list_roots", "Needs the client's roots"),
    ("test_input_required_result_request_state", "Has its state kept by the client"),
    ("test_input_required_result_multiple_inputs", "Needs three answers at once"),
    ("test_input_required_result_multi_round", "Needs two answers, one after the other"),
    ("test_input_required_result_tampered_state", "Refuses a state that it did not give out"),
    ("test_input_required_result_capabilities", "Needs only what the client can answer"),
];

pub fn list() -> Value {
    let plain = |(name, description): &(&str, &str)| json!({ "name": name, "description": description, "inputSchema": { "type": "object", "properties": {} } });
    let with_text = |name: &str, description: &str, parameter: &str| {
        let properties = json!({ parameter: { "type": "string", "description": "A text" } });
        let schema = json!({ "type": "object", "properties": properties, "required": [parameter] });
        json!({ "name": name, "description": description, "inputSchema": schema })
    };
    let mut tools: Vec<Value> = PLAIN.iter().map(plain).collect();
    tools.push(with_text("test_sampling", "Asks the client's model", "prompt"));
    tools.push(with_text("test_elicitation", "Asks the user", "message"));
    tools.push(json!({
        "name": "json_schema_2020_12_tool",
        "description": "Has a schema with every keyword of JSON Schema 2020-12 that is easily lost",
        "inputSchema": schema_2020_12(),
    }));
    tools.push(custom_header());
    json!({ "tools": tools, "ttlMs": 60_000, "cacheScope": "public" })
}

/// The tool whose argument comes in a header field as well.
pub fn custom_header() -> Value {
    json!({
        "name": "test_custom_header",
        "description": "Repeats a value that comes in a header field as well",
        "inputSchema": {
            "type": "object",
            "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
            "required": ["value"],
        },
    })
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "address",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["address"] }] }],
        "if": { "required": ["address"] },
        "then": { "properties": { "address": { "required": ["street"] } } },
        "else": { "required": ["name"] },
        "additionalProperties": false,
    })
}

/// The result of a tool that needs nothing but its arguments, `None` if it is none of these.
pub fn call(name: &str, arguments: &Map<String, Value>) -> Option<Value> {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let image = || json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
    let resource = |uri: &str, kind: &str, text: &str| json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": text } });
    let given = |name: &str| arguments.get(name).and_then(Value::as_str);
    let content = match name {
        "test_simple_text" => vec![text("This is a simple text response for testing.")],
        "test_image_content" => vec![image()],
        "test_audio_content" => vec![json!({ "type": "audio", "data": WAV, "mimeType": "audio/wav" })],
        "test_embedded_resource" => {
            vec![resource("test://embedded-resource", "text/plain", "This is embedded.")]
        }
        "test_multiple_content_types" => vec![
            text("Several kinds of content:"),
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ],
        "json_schema_2020_12_tool" => vec![text(&format!("Hello, {}!", given("name").unwrap_or("world")))],
        "test_custom_header" => vec![text(given("value")?)],
        "test_error_handling" => {
            return Some(
                json!({ "content": [text("This tool intentionally returns an error for testing")], "isError": true }),
            );
        }
        _ => return None,
    };
    Some(json!({ "content": content }))
}
