use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    },
    service::RequestContext,
};
use serde_json::{Map, Value, json};

/// A client that samples and elicits without anybody being asked.
pub struct Handler;

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities.sampling = Some(Default::default());
        info.capabilities.elicitation =
            serde_json::from_value(json!({ "form": { "schemaValidation": true } })).ok();
        info
    }

    async fn create_message(
        &self,
        _request: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        typed(json!({
            "role": "assistant",
            "content": { "type": "text", "text": "An answer without a model." },
            "model": "none",
            "stopReason": "endTurn",
        }))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let content = match &request {
            ElicitRequestParams::FormElicitationParams { requested_schema, .. } => {
                answers(&json!(requested_schema))
            }
            _ => Map::new(),
        };
        typed(json!({ "action": "accept", "content": content }))
    }
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// Something for every property of a schema that has a default or must be given: the default, else the first choice, else
/// anything of its type.
pub fn answers(schema: &Value) -> Map<String, Value> {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = schema["properties"].as_object() else { return Map::new() };
    let answer = |(name, property): (&String, &Value)| {
        let given = property.get("default").cloned().or_else(|| required(name).then(|| anything(property)));
        given.map(|value| (name.clone(), value))
    };
    properties.iter().filter_map(answer).collect()
}

fn anything(schema: &Value) -> Value {
    if let Some(choice) = schema["enum"].get(0).or_else(|| schema["oneOf"].get(0)?.get("const")) {
        return choice.clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => true.into(),
        Some("integer") => 1.into(),
        Some("number") => 1.5.into(),
        Some("array") => json!([]),
        Some("object") => json!({}),
        Some("string") => "test".into(),
        _ => Value::Null,
    }
}
