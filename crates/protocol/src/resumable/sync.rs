use crate::{
    json::{Text, from_object, object, objects, word},
    wire::method,
};
use serde::{Deserialize, Serialize};

/// The parameters of `http/request/consumed`: credit and acknowledgement in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumed {
    /// The request.
    pub request_id: u64,
    /// Every byte before it has been taken by the consumer.
    pub offset: u64,
    /// A client's: forget this request. An executor's, on an upload: no more of the body is wanted.
    #[serde(default, rename = "final", skip_serializing_if = "is_false")]
    pub is_final: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Decodes a whole `http/request/consumed` in which nothing stands that is not read: as almost all are.
pub(crate) fn decode_plain_consumed(message: &str) -> Option<Consumed> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(rename = "jsonrpc", borrow)]
        _version: Option<Text<'a>>,
        #[serde(borrow)]
        method: Text<'a>,
        #[serde(deserialize_with = "object")]
        params: Consumed,
    }
    let message: Message<'_> = from_object(message)?;
    (*message.method == *method::CONSUMED).then_some(message.params)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The parameters of `session/sync`: what the client holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncParams {
    /// Every request that the client has not done with.
    #[serde(deserialize_with = "objects")]
    pub requests: Vec<SyncRequest>,
}

/// What the client holds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRequest {
    /// The request.
    pub request_id: u64,
    /// Whether its result or error has come.
    pub head_received: bool,
    /// How many of its informational responses have come.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub informational_received: u64,
    /// Every byte of the response body before it has come.
    pub received: u64,
    /// Every byte of the response body before it has been taken by the consumer.
    pub consumed: u64,
}

/// The result of `session/sync`: what the executor holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncResult {
    /// The greatest request id that ever arrived; 0 if none.
    pub last_request_id: u64,
    /// Each request that the client named, in its order.
    #[serde(deserialize_with = "objects")]
    pub requests: Vec<SyncedRequest>,
}

/// What the executor holds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncedRequest {
    /// The request.
    pub request_id: u64,
    /// What the executor knows of it.
    #[serde(deserialize_with = "word")]
    pub state: RequestState,
    /// Every byte of the request body before it has come.
    pub body_received: u64,
    /// Every byte of the request body before it has been taken.
    pub body_consumed: u64,
}

/// What an executor knows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It never arrived.
    New,
    /// It is held.
    Known,
    /// It is not held any more.
    Gone,
}
