use crate::Failure;
use rmcp::{ClientLifecycleMode, model::ProtocolVersion};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::env;

/// What the suite wants of this run.
pub struct Wanted {
    pub url: String,
    pub scenario: String,
    pub version: ProtocolVersion,
    pub context: Context,
}

/// What the suite says to the scenario.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Context {
    #[serde(rename = "toolCalls")]
    pub tool_calls: Vec<ToolCall>,
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
}

#[derive(Clone, Deserialize)]
pub struct ToolCall {
    pub name: String,
    #[serde(default)]
    pub arguments: Option<Map<String, Value>>,
}

impl Wanted {
    pub fn read(url: String) -> Result<Self, Failure> {
        let version =
            env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").unwrap_or_else(|_| "2025-11-25".to_owned());
        Ok(Self {
            url,
            scenario: env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_else(|_| "initialize".to_owned()),
            version: serde_json::from_value(Value::String(version))?,
            context: match env::var("MCP_CONFORMANCE_CONTEXT") {
                Ok(context) => serde_json::from_str(&context)?,
                Err(_) => Context::default(),
            },
        })
    }

    /// How a connection begins: with `initialize` in the revisions that have sessions, else with `server/discover`.
    pub fn lifecycle(&self) -> ClientLifecycleMode {
        if self.version.as_str() < ProtocolVersion::V_2026_07_28.as_str() {
            return ClientLifecycleMode::Initialize;
        }
        let mut preferred_versions = vec![self.version.clone()];
        let others = ProtocolVersion::KNOWN_VERSIONS.iter().rev().filter(|version| **version != self.version);
        preferred_versions.extend(others.cloned());
        ClientLifecycleMode::Discover { preferred_versions }
    }
}
