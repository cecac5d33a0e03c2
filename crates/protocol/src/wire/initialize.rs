use super::Features;
use crate::json::{few_or_null, object};
use afield_exchange::Limits;
use serde::{Deserialize, Serialize};

/// The parameters of `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// Who calls, for logs.
    pub client_name: String,
    /// The session to attach to, instead of a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session_id: Option<String>,
    /// Counts the attempts to attach; a lower one than already seen is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// The dialects the client speaks, in order of preference; absent: base.
    #[serde(default, deserialize_with = "few_or_null", skip_serializing_if = "Option::is_none")]
    pub dialects: Option<Vec<String>>,
    /// The client's receive window for each response body in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_bytes: Option<u64>,
    /// What the client knows beyond the least, in afield/1.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
}

/// The result of `initialize`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// The session's id: at least 128 random bits.
    pub session_id: String,
    /// What there is over there.
    pub environment_info: EnvironmentInfo,
    /// The chosen dialect; absent: base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// The executor's receive window for each request body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_bytes: Option<u64>,
    /// Whether this is the session that was to be resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<bool>,
    /// Those of the client's features that the session has.
    #[serde(skip_serializing_if = "Features::is_empty")]
    pub features: Features,
    /// Which executor it is: random, new with each start. Behind a balancer it tells one from another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The executor's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// What there is over there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentInfo {
    /// The user's shell.
    #[serde(deserialize_with = "object")]
    pub shell: Shell,
    /// The working directory, a `file:` URI.
    pub cwd: String,
    /// The executor's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_version: Option<String>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_os: Option<String>,
    /// What the executor can do beyond the least.
    #[serde(default, deserialize_with = "object")]
    pub capabilities: Capabilities,
}

/// A shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shell {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
}

/// What an executor can do beyond the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// It understands `valueEnvVar`.
    #[serde(default)]
    pub http_header_env_vars: bool,
    /// It understands `valueSecret`.
    #[serde(default)]
    pub http_header_secrets: bool,
    /// It understands `http/request/cancel` in the base dialect.
    #[serde(default)]
    pub http_request_cancel: bool,
    /// It understands `environmentConfig/read`. One that does not says nothing of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub environment_config_read: bool,
}

/// The operating system's name as peers expect it.
pub fn platform_os() -> &'static str {
    std::env::consts::OS
}
