use crate::{ReservedHeader, TransportError, media_type};
use afield_exchange::{Header, Request, RequestBody};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use std::{collections::HashMap, time::Duration};

pub(crate) const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";
const ACCEPT: &str = "accept";
const ACCEPTED: &str = "text/event-stream, application/json";

/// Whether a header field is written by the transport alone.
pub(crate) fn is_reserved(name: &str) -> bool {
    [ACCEPT, SESSION_ID, LAST_EVENT_ID].iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// What goes with every request of a transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common {
    /// Fields that take the place of any of the same name.
    pub(crate) headers: Vec<Header>,
    pub(crate) head_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
}

impl Common {
    /// # Errors
    ///
    /// Names that are the transport's own.
    pub(crate) fn set_headers(&mut self, headers: Vec<Header>) -> Result<(), ReservedHeader> {
        if let Some(header) = headers.iter().find(|header| is_reserved(&header.name)) {
            return Err(ReservedHeader(header.name.clone()));
        }
        self.headers = headers;
        Ok(())
    }
}

/// A request as rmcp wants it, in the making.
pub(crate) struct Draft(Request);

impl Draft {
    /// With the fields every MCP request has, and those that the caller of rmcp gave.
    ///
    /// # Errors
    ///
    /// [`StreamableHttpError::ReservedHeaderConflict`] if one of the custom fields is the transport's own.
    pub(crate) fn new(
        method: &str,
        url: &str,
        token: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Self, StreamableHttpError<TransportError>> {
        let mut request = Request::new(method, url);
        let headers = &mut request.headers;
        headers.reserve(custom.len() + 5);
        if let Some(token) = token {
            headers.push(Header::new("authorization", format!("Bearer {token}")));
        }
        for (name, value) in custom {
            if is_reserved(name.as_str()) {
                return Err(StreamableHttpError::ReservedHeaderConflict(name.as_str().to_owned()));
            }
            headers.push(Header::new(name.as_str(), Bytes::copy_from_slice(value.as_bytes())));
        }
        Ok(Self(request))
    }

    /// Asks for a message or a stream of them.
    pub(crate) fn accept(mut self) -> Self {
        self.0.headers.push(Header::new(ACCEPT, ACCEPTED));
        self
    }

    pub(crate) fn session(self, id: Option<&str>) -> Self {
        self.field(SESSION_ID, id)
    }

    pub(crate) fn last_event_id(self, id: Option<&str>) -> Self {
        self.field(LAST_EVENT_ID, id)
    }

    fn field(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.headers.extend(value.map(|value| Header::new(name, value.to_owned())));
        self
    }

    /// Sends a JSON text. Its type is the caller's to say, if he does.
    pub(crate) fn json(mut self, text: Vec<u8>) -> Self {
        if !self.0.headers.iter().any(|header| header.is("content-type")) {
            self.0.headers.push(Header::new("content-type", media_type::JSON));
        }
        self.0.body = RequestBody::Bytes(text.into());
        self
    }

    /// The request, with what goes with all of this transport's.
    pub(crate) fn finish(self, common: &Common) -> Request {
        let mut request = self.0;
        if !common.headers.is_empty() {
            request.headers.retain(|header| !common.headers.iter().any(|own| own.is(&header.name)));
            request.headers.extend(common.headers.iter().cloned());
        }
        request.head_timeout = common.head_timeout;
        request.idle_timeout = common.idle_timeout;
        request
    }
}
