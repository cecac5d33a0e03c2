use afield_protocol::resumable::DIALECT;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::collections::HashMap;

/// The answers that an executor owes to an orchestrator in base, seen from between them.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// By id, with the name of the stream that follows, if one does.
    calls: HashMap<String, Option<String>>,
    /// Streams whose head has come, by name.
    streams: HashMap<String, ()>,
    /// Messages that are answered without an id of their own.
    malformed: usize,
    /// The id of `initialize`.
    initialize: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek {
    id: Option<Value>,
    method: Option<String>,
    params: Option<Params>,
    result: Option<Answer>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    request_id: Option<Value>,
    stream_response: Option<Value>,
    done: Option<Value>,
}

#[derive(Deserialize)]
struct Answer {
    dialect: Option<Value>,
}

/// The id under which an executor answers what has none.
const NONE: &str = "-1";

impl Owed {
    /// The orchestrator has said this.
    pub fn asked(&mut self, message: &[u8]) {
        let Ok(Peek { id, method: Some(method), params, .. }) = serde_json::from_slice(message) else {
            self.malformed += 1;
            return;
        };
        let Some(id) = id.map(|id| id.to_string()) else { return };
        if method == "initialize" {
            self.initialize = Some(id.clone());
        }
        let stream = params.filter(|params| params.stream_response == Some(Value::Bool(true)));
        let stream = stream.and_then(|params| params.request_id).map(|name| name.to_string());
        self.calls.insert(id, stream);
    }

    /// The executor has said this. Returns whether it has agreed to afield/1 with it.
    pub fn answered(&mut self, message: &[u8]) -> bool {
        let Ok(peek) = serde_json::from_slice::<Peek>(message) else { return false };
        if peek.method.is_some() {
            let done = peek.params.filter(|params| params.done == Some(Value::Bool(true)));
            if let Some(name) = done.and_then(|params| params.request_id) {
                self.streams.remove(&name.to_string());
            }
            return false;
        }
        let Some(id) = peek.id.map(|id| id.to_string()) else { return false };
        if id == NONE {
            self.malformed = self.malformed.saturating_sub(1);
        }
        let stream = self.calls.remove(&id).flatten();
        if let (Some(stream), None) = (stream, peek.error) {
            self.streams.insert(stream, ());
        }
        let dialect = peek.result.and_then(|answer| answer.dialect);
        self.initialize == Some(id) && dialect.is_some_and(|dialect| dialect == DIALECT)
    }

    pub fn is_nothing(&self) -> bool {
        self.count() == 0
    }

    pub fn count(&self) -> usize {
        self.calls.len() + self.streams.len() + self.malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what is owed from each message on: calls until their answers, streams until their last frame, and what cannot be
    /// understood until it is answered under no id.
    #[test]
    fn owed_answers_are_counted_by_message() {
        let mut owed = Owed::default();
        for (said, count) in [
            (r#">{"id":1,"method":"initialize","params":{}}"#, 1),
            (r#"<{"id":1,"result":{"sessionId":"s"}}"#, 0),
            (r#">{"method":"initialized"}"#, 0),
            (r#">{"id":"a","method":"http/request","params":{"requestId":"r","streamResponse":true}}"#, 1),
            (r#">{"id":"b","method":"http/request","params":{"requestId":"q","streamResponse":true}}"#, 2),
            (r#"<{"id":"b","error":{"code":1,"message":"no"}}"#, 1),
            (r#"<{"id":"a","result":{"status":200}}"#, 1),
            (r#"<{"method":"http/request/bodyDelta","params":{"requestId":"r","done":false}}"#, 1),
            (r#"<{"method":"http/request/bodyDelta","params":{"requestId":"r","done":true}}"#, 0),
            (">nonsense", 1),
            (r#"<{"id":-1,"error":{"code":-32600,"message":"no"}}"#, 0),
        ] {
            let message = &said.as_bytes()[1..];
            match said.starts_with('>') {
                true => owed.asked(message),
                false => assert!(!owed.answered(message)),
            }
            assert_eq!(owed.count(), count, "{said}");
        }
    }

    /// Proves that the answer to `initialize` that chooses afield/1 is seen, and no other.
    #[test]
    fn agreement_on_frames_is_seen() {
        let mut owed = Owed::default();
        owed.asked(br#"{"id":7,"method":"initialize","params":{"dialects":["afield/1"]}}"#);
        assert!(!owed.answered(br#"{"id":8,"result":{"dialect":"afield/1"}}"#));
        assert!(owed.answered(br#"{"id":7,"result":{"dialect":"afield/1"}}"#));
    }
}
