use super::{RpcId, Text, check_object, parse_object};
use crate::RpcError;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One JSON-RPC message, its parts not yet looked at.
#[derive(Debug)]
pub enum Envelope<'a> {
    /// A call: it wants an answer.
    Request {
        /// The id of the answer.
        id: RpcId,
        /// The method.
        method: Text<'a>,
        /// Its parameters, if any.
        params: Option<&'a RawValue>,
    },
    /// A call that wants no answer.
    Notification {
        /// The method.
        method: Text<'a>,
        /// Its parameters, if any.
        params: Option<&'a RawValue>,
    },
    /// The answer to a call.
    Response {
        /// The id of the call; `None` where the peer sent null.
        id: Option<RpcId>,
        /// What became of it.
        result: Result<&'a RawValue, RpcError>,
    },
}

/// Why a message is not JSON-RPC. It is answered with `-32600`; the connection lives on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// The id to answer under: the message's own where it could be read, else [`RpcId::NONE`].
    pub id: RpcId,
    /// The call that it was perhaps meant to answer. Never answered under that id, which may be an active call's of the
    /// other side.
    pub answers: Option<RpcId>,
    /// What is wrong.
    pub reason: &'static str,
}

impl Malformed {
    /// A message of which not even the id is usable.
    pub fn new(reason: &'static str) -> Self {
        Self { id: RpcId::NONE, answers: None, reason }
    }

    fn answer(answers: Option<RpcId>, reason: &'static str) -> Self {
        Self { id: RpcId::NONE, answers, reason }
    }
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The largest error object in bytes. It says what was wrong; nothing needs more for that.
const LARGEST_ERROR: usize = 64 * 1024;

/// Keeps the difference between absent and null: null is a result, and a null id is not the lack of one.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Decodes one message. Nothing in it is named twice, at any depth; its id, if it has one, is usable.
///
/// `jsonrpc` is not looked at. Unknown fields are ignored. A batch is not a message.
pub fn decode(text: &str) -> Result<Envelope<'_>, Malformed> {
    if text.trim_start().starts_with('[') {
        return Err(Malformed::new("batches are not supported: send one JSON-RPC object per message"));
    }
    check_object(text).map_err(|error| {
        Malformed::new(match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with("duplicate key") => {
                "an object in the message names a key twice"
            }
            serde_json::error::Category::Data => "the message is not a JSON object",
            _ if error.to_string().starts_with("recursion limit") => "the message is nested too deeply",
            _ => "the message is not valid JSON",
        })
    })?;
    let raw: Raw<'_> =
        serde_json::from_str(text).map_err(|_| Malformed::new("the message is not a JSON-RPC object"))?;
    let null_id = raw.id.is_some_and(|id| id.get() == "null");
    let id = match raw.id {
        Some(id) if !null_id => Some(serde_json::from_str::<RpcId>(id.get()).map_err(|_| {
            Malformed::new("id must be a string of at most 1024 bytes or an integer of 64 bits")
        })?),
        _ => None,
    };
    if let Some(method) = raw.method {
        if null_id {
            return Err(Malformed::new("id must not be null"));
        }
        let Ok(method) = serde_json::from_str::<Text<'_>>(method.get()) else {
            let id = id.unwrap_or(RpcId::NONE);
            return Err(Malformed { id, answers: None, reason: "method must be a string" });
        };
        return Ok(match id {
            Some(id) => Envelope::Request { id, method, params: raw.params },
            None => Envelope::Notification { method, params: raw.params },
        });
    }
    if raw.id.is_none() {
        return Err(Malformed::new("the message has neither a method nor an id"));
    }
    let result = match (raw.result, raw.error) {
        (Some(result), None) => Ok(result),
        (_, Some(error)) if error.get().len() > LARGEST_ERROR => {
            return Err(Malformed::answer(id, "error is too large"));
        }
        (_, Some(error)) => match parse_object(error.get()) {
            Ok(error) => Err(error),
            Err(_) => {
                return Err(Malformed::answer(id, "error must be an object with a code and a message"));
            }
        },
        (None, None) => {
            return Err(Malformed::answer(id, "the message has neither a method, a result nor an error"));
        }
    };
    Ok(Envelope::Response { id, result })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which messages are requests, notifications and responses.
    #[test]
    fn messages_are_told_apart() {
        assert!(matches!(decode(r#"{"id":1,"method":"m"}"#), Ok(Envelope::Request { params: None, .. })));
        assert!(matches!(
            decode(r#"{"jsonrpc":"1.0","id":"a","method":"m","params":{"x":1},"more":1}"#),
            Ok(Envelope::Request { params: Some(_), .. })
        ));
        assert!(matches!(decode(r#"{"method":"m"}"#), Ok(Envelope::Notification { .. })));
        assert!(matches!(
            decode(r#"{"id":1,"result":null}"#),
            Ok(Envelope::Response { id: Some(_), result: Ok(_) })
        ));
        assert!(matches!(
            decode(r#"{"id":null,"error":{"code":-1,"message":"m"}}"#),
            Ok(Envelope::Response { id: None, result: Err(_) })
        ));
    }

    /// Proves that what is not JSON-RPC is refused, under the message's own id only where that could be read.
    #[test]
    fn case_091_to_096_what_is_not_a_message_is_refused() {
        for text in [
            "",
            "x",
            "\u{feff}{}",
            "{}x",
            "[]",
            "[{\"id\":1,\"method\":\"m\"}]",
            "1",
            "null",
            "{}",
            r#"{"id":7}"#,
            r#"{"id":1,"id":1,"method":"m"}"#,
            r#"{"id":1,"method":"m","params":{"a":1,"a":2}}"#,
            r#"{"id":null,"method":"m"}"#,
            r#"{"id":1.5,"method":"m"}"#,
            r#"{"id":{},"method":"m"}"#,
            r#"{"id":true,"method":"m"}"#,
            r#"{"id":9223372036854775808,"method":"m"}"#,
            &format!(r#"{{"id":"{}","method":"m"}}"#, "x".repeat(10_240)),
        ] {
            assert_eq!(
                decode(text).map(|_| ()).map_err(|malformed| malformed.id),
                Err(RpcId::NONE),
                "{text}"
            );
        }
        let refused = decode(r#"{"id":7,"method":5}"#).map(|_| ()).map_err(|malformed| malformed.id);
        assert_eq!(refused, Err(RpcId::Integer(7)));
        let large = format!(r#"{{"id":7,"error":{{"code":1,"message":"{}"}}}}"#, "m".repeat(65_536));
        for answer in [r#"{"id":7}"#, r#"{"id":7,"error":1}"#, &large] {
            let malformed = decode(answer).map(|_| ()).expect_err("it is no answer");
            assert_eq!((malformed.id, malformed.answers), (RpcId::NONE, Some(RpcId::Integer(7))), "{answer}");
        }
        for id in ["9007199254740993", "-5", "\"\"", "9223372036854775807"] {
            assert!(decode(&format!(r#"{{"id":{id},"method":"m"}}"#)).is_ok(), "{id}");
        }
    }
}
