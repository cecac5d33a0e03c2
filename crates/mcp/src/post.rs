use crate::{
    HttpTransport, TransportError,
    answer::Answer,
    body::{self, Unread},
    challenge, discover, lost,
    media_type::{EVENT_STREAM, JSON},
    request::{Draft, SESSION_ID},
    sse::{self, Lineage},
};
use afield_exchange::Error;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        HttpStatusError, StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use std::{collections::HashMap, sync::Arc};

type Failure = StreamableHttpError<TransportError>;

/// What stands for the body of an error that could not be read.
const UNREADABLE: &str = "<failed to read response body>";
/// How much is shown of a body that is no message.
const SHOWN: usize = 256;

/// What of a message decides how its answer is read.
struct Asked {
    url: Arc<str>,
    session_id: Option<Arc<str>>,
    /// Whether the message is a request, so that a reply is due.
    reply_due: bool,
    /// The id, if this is a `server/discover` outside a session.
    discover: Option<RequestId>,
    limits: StreamableHttpResponseLimits,
}

/// Sends one message.
pub(crate) async fn post(
    transport: &HttpTransport,
    url: Arc<str>,
    message: ClientJsonRpcMessage,
    session_id: Option<Arc<str>>,
    token: Option<String>,
    custom: HashMap<HeaderName, HeaderValue>,
    limits: StreamableHttpResponseLimits,
) -> Result<StreamableHttpPostResponse, Failure> {
    let draft = Draft::new("POST", &url, token, custom)?.accept().session(session_id.as_deref());
    let text = serde_json::to_vec(&message).map_err(|error| {
        let error = Error::internal("an MCP message cannot be written as JSON").with_log(error.to_string());
        StreamableHttpError::Client(error.into())
    })?;
    let asked = Asked {
        reply_due: matches!(message, ClientJsonRpcMessage::Request(_)),
        discover: if session_id.is_none() { discover::asked(&message) } else { None },
        url,
        session_id,
        limits,
    };
    let begins = begins(&message);
    drop(message);
    if !begins {
        transport.openings().wait(asked.session_id.as_ref()).await;
    }
    let answer = transport.send(draft.json(text).finish(transport.common())).await?;
    challenge::refused(&answer)?;
    if let (true, true, Some(session_id)) = (begins, answer.status().is_success(), &asked.session_id) {
        transport.openings().begin(session_id);
    }
    match answer.status() {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(StreamableHttpPostResponse::Accepted),
        StatusCode::NOT_FOUND | StatusCode::GONE if asked.session_id.is_some() => {
            Err(StreamableHttpError::SessionExpired)
        }
        status if status.is_success() => accepted(transport, answer, asked).await,
        _ => refused(answer, &asked).await,
    }
}

/// Whether a session begins with this message: from then on the server may speak of its own accord.
fn begins(message: &ClientJsonRpcMessage) -> bool {
    matches!(
        message,
        ClientJsonRpcMessage::Notification(notification)
            if matches!(notification.notification, ClientNotification::InitializedNotification(_))
    )
}

/// What a success other than 202 and 204 brings.
async fn accepted(
    transport: &HttpTransport,
    answer: Answer,
    asked: Asked,
) -> Result<StreamableHttpPostResponse, Failure> {
    let length = answer.length();
    if length == Some(0) && !asked.reply_due {
        return Ok(StreamableHttpPostResponse::Accepted);
    }
    let new_session = session(&answer);
    if answer.is(EVENT_STREAM) {
        let lineage = Lineage::new(asked.url, asked.session_id, None).of_a_reply();
        let limit = asked.limits.max_sse_event_size;
        let events = sse::events(answer.body, limit, lineage, transport.oversized().clone());
        return Ok(StreamableHttpPostResponse::Sse(events, new_session));
    }
    if answer.is(JSON) {
        let limit = asked.limits.max_json_response_size;
        let body =
            body::whole(answer.body, length, limit).await.map_err(|unread| unread.into_failure(limit))?;
        if asked.session_id.is_some() && body.len() <= lost::LONGEST && lost::says(StatusCode::OK, &body) {
            return Err(StreamableHttpError::SessionExpired);
        }
        return match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(message) => Ok(StreamableHttpPostResponse::Json(message, new_session)),
            Err(error) if !asked.reply_due => {
                tracing::warn!(%error, "the body of a success that owes no reply is no message: ignored");
                Ok(StreamableHttpPostResponse::Accepted)
            }
            Err(error) => {
                Err(StreamableHttpError::UnexpectedServerResponse(not_a_message(&error, &body).into()))
            }
        };
    }
    if !asked.reply_due {
        tracing::debug!("ignoring the body of a success that owes no reply");
        return Ok(StreamableHttpPostResponse::Accepted);
    }
    let given = answer.content_type().map(|value| String::from_utf8_lossy(value).into_owned());
    Err(StreamableHttpError::UnexpectedContentType(given))
}

/// What a status that is no success means. A JSON-RPC error in the body is the server's reply.
async fn refused(answer: Answer, asked: &Asked) -> Result<StreamableHttpPostResponse, Failure> {
    let status = answer.status();
    let is_json = answer.is(JSON);
    let unavailable = match unavailable(&answer) {
        Some(error) if !is_json || status == StatusCode::TOO_MANY_REQUESTS => return Err(error.into()),
        other => other,
    };
    let limit = asked.limits.max_error_response_size;
    let may_hold_a_reply = is_json && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let text = if may_hold_a_reply {
        let new_session = session(&answer);
        let (length, most) = (answer.length(), asked.limits.max_json_response_size);
        match body::whole(answer.body, length, most).await {
            Ok(body) if asked.session_id.is_some() && lost::says(status, &body) => {
                return Err(StreamableHttpError::SessionExpired);
            }
            Ok(body) => {
                let whole = String::from_utf8_lossy(&body);
                if let Ok(reply @ ServerJsonRpcMessage::Error(_)) = serde_json::from_str(&whole) {
                    return Ok(match discover::refused(asked.discover.as_ref(), status, &whole) {
                        Some(reply) => reply,
                        None => StreamableHttpPostResponse::Json(reply, new_session),
                    });
                }
                tracing::warn!(%status, "the JSON body of a refusal is no JSON-RPC error");
                String::from_utf8_lossy(&body[..body.len().min(limit)]).into_owned()
            }
            Err(unread @ Unread::TooLarge) => {
                return Err(unavailable.map_or_else(|| unread.into_failure(most), Failure::from));
            }
            Err(Unread::Failed(_)) => unreadable(limit),
        }
    } else {
        match body::prefix(answer.body, limit).await {
            Ok(body) if asked.session_id.is_some() && lost::says(status, &body) => {
                return Err(StreamableHttpError::SessionExpired);
            }
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(_) => unreadable(limit),
        }
    };
    if let Some(reply) = discover::refused(asked.discover.as_ref(), status, &text) {
        return Ok(reply);
    }
    Err(match unavailable {
        Some(error) => error.into(),
        None => StreamableHttpError::UnexpectedServerResponse(format!("HTTP {status}: {text}").into()),
    })
}

/// The error that a 429 or 5xx is, with the first `Retry-After`.
pub(crate) fn unavailable(answer: &Answer) -> Option<HttpStatusError> {
    let status = answer.status();
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let retry_after = answer.field("retry-after").and_then(|value| std::str::from_utf8(value).ok());
    Some(HttpStatusError::new(status.as_u16(), retry_after.map(str::to_owned)))
}

fn session(answer: &Answer) -> Option<String> {
    answer.field(SESSION_ID).and_then(challenge::visible).map(str::to_owned)
}

fn unreadable(limit: usize) -> String {
    UNREADABLE[..UNREADABLE.len().min(limit)].to_owned()
}

fn not_a_message(error: &serde_json::Error, body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    let shown = match text.len() {
        0 => "<empty>",
        length if length <= SHOWN => &text,
        _ => (0..=SHOWN).rev().find_map(|end| text.get(..end)).unwrap_or_default(),
    };
    format!("could not parse JSON response as ServerJsonRpcMessage: {error}: {shown}")
}

impl Unread {
    fn into_failure(self, limit: usize) -> Failure {
        match self {
            Self::TooLarge => StreamableHttpError::ResponseBodyTooLarge { max_size: limit },
            Self::Failed(error) => StreamableHttpError::Client(error.into()),
        }
    }
}
