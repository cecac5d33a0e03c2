//! What the messages say: parameters and results, and how they are written.

mod base64;
mod delta;
mod encode;
mod environment_config;
mod features;
mod fields;
mod header;
mod informational;
mod initialize;
mod reason;
mod request;
mod response;
mod timings;
mod trailers;

pub use base64::{decode as decode_base64, encode as encode_base64};
pub use delta::Delta;
pub use encode::{Encoder, notification, request, response, response_error};
pub use environment_config::{ConfigLayer, ConfigLayers, ConfigPaths, EnvironmentConfig, encode_config_read};
pub use features::Features;
pub use informational::Informational;
pub use initialize::{Capabilities, EnvironmentInfo, InitializeParams, InitializeResult, Shell, platform_os};
pub use request::{CallParams, RequestName, Upload, decode_call, encode_call};
pub(crate) use request::{WireName, decode_plain_call, encode_call_fields, encode_resumable_fields};
pub(crate) use response::encode_resumable_response;
pub use response::{Answer, decode_response, encode_response};
pub use trailers::{decode_trailers, encode_trailers};

/// Method names.
#[allow(missing_docs, reason = "each is what it says")]
pub mod method {
    pub const INITIALIZE: &str = "initialize";
    pub const INITIALIZED: &str = "initialized";
    pub const ENVIRONMENT_INFO: &str = "environment/info";
    pub const ENVIRONMENT_STATUS: &str = "environment/status";
    pub const ENVIRONMENT_CONFIG_READ: &str = "environmentConfig/read";
    pub const HTTP_REQUEST: &str = "http/request";
    pub const BODY_DELTA: &str = "http/request/bodyDelta";
    pub const CANCEL: &str = "http/request/cancel";
    pub const INFORMATIONAL: &str = "http/request/informational";
    pub const CONSUMED: &str = "http/request/consumed";
    pub const SYNC: &str = "session/sync";
}
