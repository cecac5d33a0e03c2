//! What header fields say of a message, from revision 2026-07-28 on (SEP-2243): for those on the way who do not look into
//! bodies.

use super::message::Message;
use afield_exchange::Header;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The first revision that says so. Revisions are dates, and compare as texts.
pub(super) const FIRST: &str = "2026-07-28";

/// What tools there are: of each the paths of arguments that stand in fields, and the names of those.
pub(super) type Tools = HashMap<String, Vec<(Vec<String>, String)>>;

/// The fields of a message.
pub(super) fn of(message: &Message, tools: &Tools) -> Vec<Header> {
    let Some(method) = message.method() else { return Vec::new() };
    let mut fields = vec![Header::new("mcp-method", method.to_owned())];
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return fields,
    };
    let Some(name) = message.params.get(key).and_then(Value::as_str) else { return fields };
    fields.push(Header::new("mcp-name", written(name)));
    let arguments = message.params.get("arguments").filter(|_| method == "tools/call");
    for (path, field) in tools.get(name).into_iter().flatten() {
        let value = arguments.and_then(|all| path.iter().try_fold(all, |value, key| value.get(key)));
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
            _ => continue,
        };
        fields.push(Header::new(format!("mcp-param-{}", field.to_ascii_lowercase()), written(&text)));
    }
    fields
}

/// Remembers what an answer to `tools/list` says of fields.
pub(super) fn learn(tools: &mut Tools, result: &str) {
    let Ok(result) = serde_json::from_str::<Value>(result) else { return };
    for tool in result.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
        let mut found = Vec::new();
        collect(tool.get("inputSchema").and_then(Value::as_object), &mut Vec::new(), &mut found);
        if found.is_empty() {
            tools.remove(name);
        } else {
            tools.insert(name.to_owned(), found);
        }
    }
}

fn collect(
    schema: Option<&Map<String, Value>>,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, String)>,
) {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        path.push(name.clone());
        if let Some(field) =
            schema.get("x-mcp-header").and_then(Value::as_str).filter(|field| is_token(field))
        {
            found.push((path.clone(), field.to_owned()));
        }
        collect(schema.as_object(), path, found);
        path.pop();
    }
}

fn is_token(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

/// A text as it may stand in a field: itself, or wrapped.
fn written(text: &str) -> String {
    let has_edges = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let looks_wrapped = text.starts_with("=?base64?") && text.ends_with("?=");
    match is_plain && !has_edges && !looks_wrapped {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a call says its method, its tool and the arguments that the tool's schema puts into fields.
    #[test]
    fn a_call_says_what_it_is() {
        let mut tools = Tools::default();
        learn(
            &mut tools,
            r#"{"tools":[{"name":"t","inputSchema":{"properties":{"region":{"type":"string","x-mcp-header":"Region"},
                "in":{"properties":{"n":{"type":"integer","x-mcp-header":"N"}}},"bad":{"x-mcp-header":"a b"}}}}]}"#,
        );
        let call = br#"{"id":1,"method":"tools/call","params":{"name":"t","arguments":{"region":"z\u00fcri","in":{"n":7}}}}"#;
        let message = Message::parse(bytes::Bytes::from_static(call)).unwrap();
        let fields: HashMap<String, String> = of(&message, &tools)
            .into_iter()
            .map(|f| (f.name.clone(), f.text().unwrap().to_owned()))
            .collect();
        let expected = [
            ("mcp-method", "tools/call"),
            ("mcp-name", "t"),
            ("mcp-param-region", "=?base64?esO8cmk=?="),
            ("mcp-param-n", "7"),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
