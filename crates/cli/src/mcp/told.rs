//! How things of MCP are told as JSON.

use super::session::hint;
use afield_mcp::Failure;
use serde_json::{Value, json};

pub(super) fn failure(name: &str, failure: &Failure) -> Value {
    json!({
        "stage": failure.stage.name(),
        "message": failure.message,
        "hint": hint(name, failure),
        "mayHaveBeenExecuted": failure.may_have_been_executed(),
    })
}
