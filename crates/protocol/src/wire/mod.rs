//! What the messages say: parameters and results, and how they are written.

mod base64;
mod delta;
mod encode;
mod header;
mod initialize;
mod request;
mod response;

pub use base64::{decode as decode_base64, encode as encode_base64};
pub use delta::Delta;
pub use encode::{Encoder, notification, request, response, response_error};
pub use initialize::{Capabilities, EnvironmentInfo, InitializeParams, InitializeResult, Shell, platform_os};
pub use request::{CallParams, RequestName, Upload, decode_call, encode_call};
pub(crate) use request::{WireName, decode_plain_call, encode_call_fields, encode_resumable_fields};
pub use response::{decode_response, encode_response};

/// Method names.
#[allow(missing_docs, reason = "each is what it says")]
pub mod method {
    pub const INITIALIZE: &str = "initialize";
    pub const INITIALIZED: &str = "initialized";
    pub const ENVIRONMENT_INFO: &str = "environment/info";
    pub const ENVIRONMENT_STATUS: &str = "environment/status";
    pub const HTTP_REQUEST: &str = "http/request";
    pub const BODY_DELTA: &str = "http/request/bodyDelta";
    pub const CANCEL: &str = "http/request/cancel";
    pub const CONSUMED: &str = "http/request/consumed";
    pub const SYNC: &str = "session/sync";
}
