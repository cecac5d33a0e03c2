use crate::{HttpTransport, TransportError, request::Draft};
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use std::collections::HashMap;

/// Ends a session.
pub(crate) async fn delete(
    transport: &HttpTransport,
    url: &str,
    session_id: &str,
    token: Option<String>,
    custom: HashMap<HeaderName, HeaderValue>,
) -> Result<(), StreamableHttpError<TransportError>> {
    let draft = Draft::new("DELETE", url, token, custom)?.session(Some(session_id));
    let answer = transport.send(draft.finish(transport.common())).await?;
    match answer.status() {
        // A server need not let its clients end sessions.
        StatusCode::METHOD_NOT_ALLOWED => Ok(()),
        status => refuse_failure(status),
    }
}

/// A status of failure that has no other meaning, as an error.
pub(crate) fn refuse_failure(status: StatusCode) -> Result<(), StreamableHttpError<TransportError>> {
    if status.is_client_error() || status.is_server_error() {
        return Err(StreamableHttpError::Client(TransportError::Status(status)));
    }
    Ok(())
}
