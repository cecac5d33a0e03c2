use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::borrow::Cow;

/// A message as it came, and as much as has to be known of it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub text: Bytes,
    pub kind: Kind,
    /// `params`, where the transport has to look into them.
    pub params: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// With its id as it stands in the message.
    Request {
        id: String,
        method: String,
    },
    Notification {
        method: String,
    },
    Response,
    /// Several messages in one, as revision 2025-03-26 allowed, and the ids of the requests in it.
    Batch {
        ids: Vec<String>,
    },
}

/// What tells messages apart.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// Whether this is the answer to the request with this id, as it stands there.
    pub fn answers(&self, owed: &str) -> bool {
        let same = |id: &RawValue| {
            id.get() == owed
                || matches!((serde_json::from_str::<Value>(id.get()), serde_json::from_str::<Value>(owed)), (Ok(a), Ok(b)) if a == b)
        };
        self.method.is_none() && (self.result.is_some() != self.error.is_some()) && self.id.is_some_and(same)
    }

    /// Whether it is any message at all.
    pub fn is_message(&self) -> bool {
        self.method.is_some() || (self.id.is_some() && (self.result.is_some() != self.error.is_some()))
    }
}

impl Message {
    /// What a line means.
    ///
    /// # Errors
    ///
    /// It is no message; the answer that says so.
    pub fn parse(text: Bytes) -> Result<Self, Value> {
        let kind;
        let mut params = Value::Null;
        if text.first() == Some(&b'[') {
            let all: Vec<Envelope<'_>> = serde_json::from_slice(&text).map_err(|error| broken(&error))?;
            let requests = all.iter().filter(|message| message.method.is_some());
            kind = Kind::Batch {
                ids: requests.filter_map(|request| Some(request.id?.get().to_owned())).collect(),
            };
        } else {
            let message: Envelope<'_> = serde_json::from_slice(&text).map_err(|error| broken(&error))?;
            params = message.params.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
            kind = match (message.method, message.id) {
                (Some(method), Some(id)) => {
                    Kind::Request { id: id.get().to_owned(), method: method.into_owned() }
                }
                (Some(method), None) => Kind::Notification { method: method.into_owned() },
                (None, _) => Kind::Response,
            };
        }
        Ok(Self { text, kind, params })
    }

    /// The id, of a request.
    pub fn id(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { id, .. } => Some(id),
            _ => None,
        }
    }

    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            _ => None,
        }
    }

    /// The ids of the answers that are due.
    pub fn owed(&self) -> &[String] {
        match &self.kind {
            Kind::Request { id, .. } => std::slice::from_ref(id),
            Kind::Batch { ids } => ids,
            Kind::Notification { .. } | Kind::Response => &[],
        }
    }

    /// The revision that the message itself says it is of, as those without a session do.
    pub fn revision(&self) -> Option<&str> {
        self.params.get("_meta")?.get("io.modelcontextprotocol/protocolVersion")?.as_str()
    }
}

fn broken(error: &serde_json::Error) -> Value {
    json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": format!("this is no message: {error}") } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    /// Proves that ids are kept as they are written, and that messages are told apart by what the protocol tells them by.
    #[test]
    fn messages_are_told_apart_and_ids_kept() {
        assert_eq!(
            parse(r#"{"id":12345678901234567890123,"method":"a"}"#).id(),
            Some("12345678901234567890123")
        );
        assert_eq!(parse(r#"{"id":"x\u0041","method":"a"}"#).id(), Some(r#""x\u0041""#));
        assert!(matches!(parse(r#"{"method":"a"}"#).kind, Kind::Notification { .. }));
        assert!(matches!(parse(r#"{"id":1,"result":{}}"#).kind, Kind::Response));
        let batch =
            parse(r#"[{"id":1,"method":"a"},{"method":"b"},{"id":"2","method":"c"},{"id":3,"result":1}]"#);
        assert_eq!(batch.owed(), ["1", "\"2\""]);
        assert_eq!(Message::parse(Bytes::from_static(b"{")).unwrap_err()["error"]["code"], -32700);
    }
}
