//! Answers of the gateway's own.

use crate::body::Body;
use afield_exchange::{Error, Kind, detail};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Map, Value, json};

/// The field that tells an answer of the gateway from one of the origin; its value is the kind of the error.
static MARK: HeaderName = HeaderName::from_static("afield-error");

/// Why there is no answer of the origin's.
pub(crate) struct Refusal {
    status: StatusCode,
    error: Error,
    header: Option<(HeaderName, HeaderValue)>,
    more: Map<String, Value>,
}

impl Refusal {
    pub fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error, header: None, more: Map::new() }
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Adds a member to what the answer says of the error.
    #[must_use]
    pub fn saying(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The answer: JSON `{"error": {…}}`, marked.
    pub fn response(self) -> Response<Body> {
        let Self { status, error, header, more } = self;
        let mut said = json!({
            "kind": error.kind(),
            "blame": error.blame(),
            "retry": error.retry(),
            "phase": error.phase(),
            "detail": error.detail(),
            "hop": error.hop(),
            "message": error.message(),
        });
        let members = said.as_object_mut().expect("an object was just made");
        members.retain(|_, value| !value.is_null());
        let kind = members.get("kind").and_then(Value::as_str).unwrap_or("internal");
        let kind = HeaderValue::from_str(kind).expect("kinds are words of ASCII letters");
        members.extend(more);
        let text = format!("{}\n", json!({ "error": said }));
        let mut response = Response::new(Body::whole(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(MARK.clone(), kind);
        headers.extend(header);
        response
    }
}

/// An exchange that failed before its head.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let refusal = Self::new(status(&error), error);
        match refusal.error.kind() {
            Kind::Overloaded => refusal.with(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => refusal,
        }
    }
}

/// What a status can say of an error.
fn status(error: &Error) -> StatusCode {
    match error.kind() {
        Kind::InvalidRequest => StatusCode::BAD_REQUEST,
        Kind::PolicyDenied => StatusCode::FORBIDDEN,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::TooLarge => match error.detail() {
            Some(detail::URL) => StatusCode::URI_TOO_LONG,
            Some(detail::HEADERS) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Some(detail::REQUEST_BODY) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_GATEWAY,
        },
        Kind::Dns
        | Kind::Connect
        | Kind::Tls
        | Kind::OriginProtocol
        | Kind::Cancelled
        | Kind::SessionLost
        | Kind::Unauthorized => StatusCode::BAD_GATEWAY,
    }
}
