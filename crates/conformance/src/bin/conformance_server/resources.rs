use crate::typed::PNG;
use serde_json::{Value, json};

const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";

pub fn list() -> Value {
    json!({
        "resources": [
            { "uri": TEXT, "name": "static-text", "description": "A text that never changes", "mimeType": "text/plain" },
            { "uri": BINARY, "name": "static-binary", "description": "A picture that never changes", "mimeType": "image/png" },
        ],
        "ttlMs": 60_000,
        "cacheScope": "public",
    })
}

pub fn templates() -> Value {
    json!({
        "resourceTemplates": [{
            "uriTemplate": "test://template/{id}/data",
            "name": "template",
            "description": "Data for any id",
            "mimeType": "application/json",
        }],
        "ttlMs": 60_000,
        "cacheScope": "public",
    })
}

/// The contents of a resource, `None` if there is no such.
pub fn read(uri: &str) -> Option<Value> {
    let contents = match uri {
        TEXT => {
            json!({ "uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource." })
        }
        BINARY => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let text = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": text.to_string() })
        }
    };
    Some(json!({ "contents": [contents], "ttlMs": 60_000, "cacheScope": "public" }))
}
