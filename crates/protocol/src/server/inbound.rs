use crate::{
    RpcError,
    error::{INVALID_PARAMS, INVALID_REQUEST},
    json::{Envelope, RpcId, decode as decode_envelope, parse_object},
    resumable::{Consumed, SyncParams, decode_plain_consumed},
    wire::{
        CallParams, ConfigPaths, InitializeParams, RequestName, WireName, decode_call, decode_plain_call,
        method,
    },
};
use afield_exchange::Error;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

/// One message from an orchestrator, decoded. Decoding needs no session, so it happens outside any lock.
#[derive(Debug)]
pub enum Inbound {
    /// `initialize`.
    Initialize {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<InitializeParams, RpcError>,
    },
    /// `initialized`.
    Initialized,
    /// `http/request`.
    Call {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<Box<CallParams>, RpcError>,
    },
    /// `http/request/cancel`.
    Cancel {
        /// The request.
        request_id: RequestName,
    },
    /// `http/request/consumed`, in afield/1.
    Consumed(Consumed),
    /// `session/sync`, in afield/1.
    Sync {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<SyncParams, RpcError>,
    },
    /// `environment/info`.
    EnvironmentInfo {
        /// The id of the answer.
        id: RpcId,
    },
    /// `environment/status`.
    EnvironmentStatus {
        /// The id of the answer.
        id: RpcId,
    },
    /// `environmentConfig/read`.
    ConfigRead {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<ConfigPaths, RpcError>,
    },
    /// A message that is answered with this error whatever the session's state.
    Refused {
        /// The id of the answer.
        id: RpcId,
        /// The error.
        error: RpcError,
    },
    /// An unknown notification, or a response to nothing: ignored and counted.
    Ignored,
}

/// Decodes one message.
pub fn decode(text: &str) -> Inbound {
    decode_plain(text).unwrap_or_else(|| decode_any(text))
}

/// How every notification of ours begins.
const NOTIFICATION: &str = "{\"method\":";

/// Decodes the two messages of which there are many, if nothing stands in them that is not read.
fn decode_plain(text: &str) -> Option<Inbound> {
    if text.starts_with(NOTIFICATION) {
        return decode_plain_consumed(text).map(Inbound::Consumed);
    }
    let (id, params) = decode_plain_call(text)?;
    Some(call(id, params))
}

fn decode_any(text: &str) -> Inbound {
    match decode_envelope(text) {
        Ok(Envelope::Request { id, method, params }) => request(id, &method, params),
        Ok(Envelope::Notification { method, params }) => notification(&method, params),
        Ok(Envelope::Response { .. }) => Inbound::Ignored,
        Err(malformed) => {
            Inbound::Refused { id: malformed.id, error: RpcError::new(INVALID_REQUEST, malformed.reason) }
        }
    }
}

fn call(id: RpcId, params: Result<CallParams, Error>) -> Inbound {
    Inbound::Call { id, params: params.map(Box::new).map_err(|error| RpcError::from_error(&error)) }
}

/// The id of a request of which there is only the beginning, where it stands before the parameters, as it does in what every
/// known client writes.
pub fn id_of_beginning(text: &[u8]) -> Option<RpcId> {
    let mut rest = text.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        let name: String = next(&mut rest)?;
        rest = rest.trim_ascii_start().strip_prefix(b":")?;
        if name == "id" {
            let (before, id) = (rest, next(&mut rest)?);
            // A number at the very end may go on.
            return (before.len() > rest.len() && !rest.is_empty()).then_some(id);
        }
        next::<IgnoredAny>(&mut rest)?;
        rest = rest.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// The value that `text` begins with, which is taken off.
fn next<T: DeserializeOwned>(text: &mut &[u8]) -> Option<T> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter();
    let value = values.next()?.ok()?;
    *text = &text[values.byte_offset()..];
    Some(value)
}

fn request(id: RpcId, method: &str, params: Option<&RawValue>) -> Inbound {
    match method {
        method::INITIALIZE => Inbound::Initialize { id, params: decode_initialize(params) },
        method::HTTP_REQUEST => call(id, decode_call(params)),
        method::ENVIRONMENT_INFO | method::ENVIRONMENT_STATUS if !is_object_or_null(params) => {
            let message = format!("{method} params must be an object");
            Inbound::Refused { id, error: RpcError::new(INVALID_PARAMS, message) }
        }
        method::ENVIRONMENT_INFO => Inbound::EnvironmentInfo { id },
        method::ENVIRONMENT_STATUS => Inbound::EnvironmentStatus { id },
        method::ENVIRONMENT_CONFIG_READ => {
            Inbound::ConfigRead { id, params: ConfigPaths::decode(params.map_or("null", RawValue::get)) }
        }
        method::SYNC => {
            let params = params.map_or("null", RawValue::get);
            let params = parse_object(params).map_err(|_| {
                RpcError::new(
                    INVALID_PARAMS,
                    "session/sync params must be {requests: list of {requestId, headReceived, received, consumed}}",
                )
            });
            Inbound::Sync { id, params }
        }
        other => Inbound::Refused { id, error: RpcError::method_not_found(other) },
    }
}

/// Whether parameters of which nothing is needed could be some.
fn is_object_or_null(params: Option<&RawValue>) -> bool {
    params.is_none_or(|params| params.get() == "null" || params.get().starts_with('{'))
}

fn notification(method: &str, params: Option<&RawValue>) -> Inbound {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancel<'a> {
        #[serde(borrow)]
        request_id: WireName<'a>,
    }
    match method {
        method::INITIALIZED => Inbound::Initialized,
        method::CANCEL => match params.map(|params| parse_object::<Cancel<'_>>(params.get())) {
            Some(Ok(cancel)) => Inbound::Cancel { request_id: cancel.request_id.into() },
            _ => Inbound::Ignored,
        },
        method::CONSUMED => match params.map(|params| parse_object(params.get())) {
            Some(Ok(consumed)) => Inbound::Consumed(consumed),
            _ => Inbound::Ignored,
        },
        _ => Inbound::Ignored,
    }
}

fn decode_initialize(params: Option<&RawValue>) -> Result<InitializeParams, RpcError> {
    let text = params.map_or("null", RawValue::get);
    if !text.starts_with('{') {
        return Err(RpcError::new(INVALID_PARAMS, "initialize params must be an object"));
    }
    parse_object(text).map_err(|_| {
        RpcError::new(
            INVALID_PARAMS,
            "initialize params must be {clientName: string, resumeSessionId?: string or null, attempt?: whole number, \
             dialects?: list of strings, windowBytes?: whole number, features?: list of strings}",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a message that is read at once is what it is when it is looked through first, and that whatever holds
    /// something unknown, or something twice, is looked through first.
    #[test]
    fn plain_message_decodes_as_it_does_the_long_way() {
        let call = |params: &str| format!(r#"{{"id":7,"method":"http/request","params":{params}}}"#);
        let good = r#""method":"GET","url":"http://h/","requestId":7"#;
        let plain = [
            call(&format!("{{{good}}}")),
            call(&format!("{{{good},\"headers\":[{{\"name\":\"a\",\"value\":\"b\"}}],\"bodyBase64\":null}}")),
            call(&format!("{{{good},\"bodyBase64\":\"Zg==\",\"timeoutMs\":5,\"streamResponse\":true}}")),
            call(&format!("{{{good},\"bodyBase64\":\"Zg\"}}")),
            call(&format!("{{{good},\"body\":{{\"stream\":true,\"length\":3}}}}")),
            format!(r#"{{"jsonrpc":"2.0","id":"x","method":"http/request","params":{{{good}}}}}"#),
            r#"{"method":"http/request/consumed","params":{"requestId":7,"offset":1024,"final":true}}"#
                .to_owned(),
        ];
        for text in &plain {
            let decoded = decode_plain(text).map(|inbound| format!("{inbound:?}"));
            assert_eq!(decoded, Some(format!("{:?}", decode_any(text))), "{text}");
        }
        let other = [
            call(&format!("{{{good},\"later\":1}}")),
            call(&format!("{{{good},\"url\":\"http://other/\"}}")),
            call(&format!("{{{good},\"\\u0075rl\":\"http://other/\"}}")),
            call(&format!("{{{good},\"headers\":[{{\"name\":\"a\",\"value\":\"b\",\"x\":{{}}}}]}}")),
            call(&format!("{{{good}}},\"id\":8")),
            call(&format!("{{{good}}},\"later\":1")),
            call(&format!("{{{good}}},\"result\":1")),
            format!(r#"{{"jsonrpc":{{}},"id":7,"method":"http/request","params":{{{good}}}}}"#),
            format!(r#"{{"id":null,"method":"http/request","params":{{{good}}}}}"#),
            format!(r#"{{"id":7,"method":"http/other","params":{{{good}}}}}"#),
            format!(r#"[7,"http/request",{{{good}}}]"#),
            r#"{"id":7,"method":"http/request"}"#.to_owned(),
            r#"{"method":"http/request/consumed","params":{"requestId":7,"offset":1,"offset":2}}"#.to_owned(),
            r#"{"method":"http/request/consumed","params":{"requestId":7,"offset":1},"id":1}"#.to_owned(),
            r#"{"method":"http/request/other","params":{"requestId":7,"offset":1}}"#.to_owned(),
        ];
        for text in &other {
            assert!(decode_plain(text).is_none(), "{text}");
        }
    }

    /// Proves that the id is found wherever it stands before the parameters, and none where it is not certain.
    #[test]
    fn id_is_found_in_the_beginning_of_a_message() {
        for (beginning, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"http/request","params":{"u"#, Some(RpcId::Integer(7))),
            (r#" { "method" : "x", "id" : "a\"b" , "params""#, Some(RpcId::String("a\"b".into()))),
            (r#"{"id":-3,"#, Some(RpcId::Integer(-3))),
            (r#"{"id":12"#, None),
            (r#"{"params":{"id":1"#, None),
            (r#"{"id":null,"#, None),
            (r#"{"method"#, None),
            ("[1", None),
            ("", None),
        ] {
            assert_eq!(id_of_beginning(beginning.as_bytes()), id, "{beginning}");
        }
    }
}
