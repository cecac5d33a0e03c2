use super::Inbound;
use crate::{
    RpcError,
    error::INVALID_REQUEST,
    json::{RpcId, parse_object},
    wire::{ConfigPaths, EnvironmentConfig, encode_config_read},
};
use bytes::Bytes;

/// Ids of calls other than requests are texts, in either dialect.
const ID: &str = "configuration";

/// The largest answer that is looked into, in bytes.
const LARGEST: usize = 4 << 20;

/// Asks which MCP servers an executor offers. `cwd` is a directory over there, as a `file:` URI.
pub fn configuration(cwd: &str) -> Bytes {
    encode_config_read(&RpcId::String(ID.into()), cwd, &ConfigPaths::servers())
}

/// What a message says in answer to [`configuration`]: nothing, what is offered, or why that is not told.
pub fn configuration_answer(inbound: Inbound) -> Option<Result<EnvironmentConfig, RpcError>> {
    let Inbound::Response { id: RpcId::String(id), result } = inbound else { return None };
    if &*id != ID {
        return None;
    }
    Some(result.and_then(|raw| {
        let text = Some(raw.text()).filter(|text| text.len() <= LARGEST);
        text.and_then(|text| parse_object(text).ok()).ok_or_else(|| {
            RpcError::new(
                INVALID_REQUEST,
                "the answer to environmentConfig/read is not of the protocol's shape",
            )
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::decode;

    /// Proves that the answer to a question for a configuration is told from other messages, and that one of another shape is an
    /// error.
    #[test]
    fn configuration_answer_is_told_from_others() {
        let answer = |text: &'static str| configuration_answer(decode(&Bytes::from_static(text.as_bytes())));
        assert!(answer(r#"{"id":1,"result":{}}"#).is_none());
        assert!(answer(r#"{"id":"other","result":{}}"#).is_none());
        assert!(answer(r#"{"id":"configuration","result":{}}"#).unwrap().is_err());
        assert!(answer(r#"{"id":"configuration","error":{"code":-32601,"message":"no"}}"#).unwrap().is_err());
        let told = answer(
            r#"{"id":"configuration","result":{"userHomeDir":null,"codexHomeDir":"file:///h","hostname":null,"config":{"layers":[{"source":"s","baseDir":"file:///h","toml":"a = 1","more":1}],"cloudInsertionIndex":0},"requirements":{"layers":[],"cloudInsertionIndex":0}}}"#,
        );
        assert_eq!(told.unwrap().unwrap().config.layers[0].toml, "a = 1");
    }
}
