//! Servers that do not know `server/discover`.

use http::StatusCode;
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::StreamableHttpPostResponse,
};

/// The id of the request, if it is a `server/discover`.
pub(crate) fn asked(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        ClientJsonRpcMessage::Request(request) => {
            matches!(request.request, ClientRequest::DiscoverRequest(_)).then(|| request.id.clone())
        }
        _ => None,
    }
}

/// What a 4xx means as the answer to `server/discover` outside a session: a JSON-RPC error that rmcp can tell an older
/// server by. The server's own error is kept, but under the id of the request: what stands before a server cannot know it.
/// 401 and 403 mean what they always mean.
pub(crate) fn refused(
    id: Option<&RequestId>,
    status: StatusCode,
    body: &str,
) -> Option<StreamableHttpPostResponse> {
    let id = id?;
    if !status.is_client_error() || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return None;
    }
    let error = match serde_json::from_str(body) {
        Ok(ServerJsonRpcMessage::Error(error)) => error.error,
        _ => ErrorData::invalid_request(format!("server/discover rejected with HTTP {status}: {body}"), None),
    };
    Some(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id.clone())), None))
}
