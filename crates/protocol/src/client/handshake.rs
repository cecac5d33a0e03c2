use super::{Inbound, Raw};
use crate::{
    RpcError,
    error::INVALID_REQUEST,
    json::{Object, RpcId, parse_object},
    wire::{Capabilities, EnvironmentInfo, Features, InitializeParams, method, notification, request},
};
use bytes::Bytes;
use serde::Deserialize;

/// What the executor said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    /// The session's id.
    pub session_id: String,
    /// What there is over there, where the peer says so in a shape we know.
    #[serde(default, deserialize_with = "lenient")]
    pub environment_info: Option<EnvironmentInfo>,
    /// The chosen dialect; absent: base.
    #[serde(default)]
    pub dialect: Option<String>,
    /// The executor's window for each request body, in afield/1.
    #[serde(default)]
    pub window_bytes: Option<u64>,
    /// Whether this is the session that was to be resumed, in afield/1.
    #[serde(default)]
    pub resumed: Option<bool>,
    /// What the session has beyond the least, in afield/1.
    #[serde(default)]
    pub features: Features,
    /// Which executor it is, where it says so.
    #[serde(default, deserialize_with = "lenient_text")]
    pub instance: Option<String>,
    /// The executor's limits, as it reports them.
    #[serde(default)]
    pub limits: Option<serde_json::Value>,
}

fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<EnvironmentInfo>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok().map(|Object(info)| info))
}

fn lenient_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().map(str::to_owned))
}

impl Connected {
    /// What the executor can do beyond the least.
    pub fn capabilities(&self) -> Capabilities {
        self.environment_info.as_ref().map(|info| info.capabilities).unwrap_or_default()
    }

    /// One of its limits, by its name on the wire.
    pub fn limit(&self, name: &str) -> Option<u64> {
        self.limits.as_ref()?.get(name)?.as_u64()
    }
}

/// The largest answer to `initialize` that is looked into, in bytes.
const LARGEST: usize = 256 * 1024;

/// The longest id of a session in bytes.
const LONGEST_ID: usize = 1024;

const ID: RpcId = RpcId::Integer(1);

/// The first message of a connection.
pub fn initialize(params: &InitializeParams) -> Bytes {
    request(&ID, method::INITIALIZE, 128, |out| out.json(params))
}

/// What a message says of `initialize`: nothing, that there is a session, or why there is none.
pub fn initialize_answer(inbound: Inbound) -> Option<Result<Box<Connected>, RpcError>> {
    let Inbound::Response { id: ID, result } = inbound else { return None };
    let connected = |raw: Raw| {
        let text = Some(raw.text()).filter(|text| text.len() <= LARGEST);
        let connected = text.and_then(|text| parse_object::<Connected>(text).ok());
        connected.filter(|connected| connected.session_id.len() <= LONGEST_ID).map(Box::new).ok_or_else(
            || RpcError::new(INVALID_REQUEST, "the answer to initialize is not of the protocol's shape"),
        )
    };
    Some(result.and_then(connected))
}

/// What a client says when its session has begun.
pub fn initialized() -> Bytes {
    notification(method::INITIALIZED, 2, |out| out.raw(b"{}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::decode;

    fn answer(session: &str, more: &str) -> Result<Box<Connected>, RpcError> {
        let text = format!(r#"{{"id":1,"result":{{"sessionId":"{session}","more":"{more}"}}}}"#);
        initialize_answer(decode(&text.into())).unwrap()
    }

    /// Proves that an answer to `initialize` of any size costs no more than its bytes: one that is too large, or that has a
    /// name no session has, is none (case 162).
    #[test]
    fn initialize_answer_is_bounded() {
        assert!(answer("s", "m").is_ok());
        assert!(answer(&"s".repeat(1024), "m").is_ok());
        assert!(answer(&"s".repeat(1025), "m").is_err());
        assert!(answer("s", &"m".repeat(256 * 1024)).is_err());
    }
}
