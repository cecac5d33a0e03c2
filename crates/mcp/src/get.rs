use crate::{
    HttpTransport, TransportError, challenge,
    delete::refuse_failure,
    media_type::{EVENT_STREAM, JSON},
    post::unavailable,
    request::Draft,
    sse::{self, Lineage},
};
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::transport::streamable_http_client::{SseError, StreamableHttpError};
use sse_stream::Sse;
use std::{collections::HashMap, pin::Pin, sync::Arc};

type Events = Pin<Box<dyn futures_core::Stream<Item = Result<Sse, SseError>> + Send>>;

/// Opens the stream of a session, or goes on with a stream after the last event that was seen of it.
pub(crate) async fn get(
    transport: &HttpTransport,
    url: Arc<str>,
    session_id: Option<Arc<str>>,
    last_event_id: Option<String>,
    token: Option<String>,
    custom: HashMap<HeaderName, HeaderValue>,
    max_event: usize,
) -> Result<Events, StreamableHttpError<TransportError>> {
    let draft = Draft::new("GET", &url, token, custom)?
        .accept()
        .session(session_id.as_deref())
        .last_event_id(last_event_id.as_deref());
    let _opening = transport.openings().open(session_id.as_ref());
    let lineage = Lineage::new(url, session_id, last_event_id);
    if transport.oversized().is_continued_by(&lineage) {
        return Err(StreamableHttpError::ServerDoesNotSupportSse);
    }
    let answer = transport.send(draft.finish(transport.common())).await?;
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        return Err(StreamableHttpError::ServerDoesNotSupportSse);
    }
    challenge::refused(&answer)?;
    if let Some(error) = unavailable(&answer) {
        return Err(error.into());
    }
    refuse_failure(answer.status())?;
    if !answer.is(EVENT_STREAM) && !answer.is(JSON) {
        let given = answer.content_type().map(|value| String::from_utf8_lossy(value).into_owned());
        return Err(StreamableHttpError::UnexpectedContentType(given));
    }
    Ok(sse::events(answer.body, max_event, lineage, transport.oversized().clone()))
}
