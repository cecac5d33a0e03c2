use crate::{
    Header, OnInformational, OnRequestId, RequestBody, RuledOut, Trailers, VersionPreference, redacted_url,
};
use std::{fmt, time::Duration};

/// What to do with a 3xx answer that names another place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectPolicy {
    /// Follow it, at most 10 times.
    #[default]
    Follow,
    /// Return it as the answer.
    Stop,
}

/// One HTTP request, as the caller gave it: nothing in it has been checked. The side that performs it checks.
pub struct Request {
    /// The method, sent exactly as written. `CONNECT` and `TRACE` are refused.
    pub method: String,
    /// An absolute `http:` or `https:` URL.
    pub url: String,
    /// Header fields in order, repeats kept. Framing and hop-by-hop fields are dropped or refused.
    pub headers: Vec<Header>,
    /// The body.
    pub body: RequestBody,
    /// Fields that are sent after the body, where it is streamed and the protocol has a place for them: HTTP/1.1 chunks and
    /// HTTP/2. Dropped in the base dialect.
    pub trailers: Option<Trailers>,
    /// Receives informational (1xx) responses. In the base dialect there are none.
    pub on_informational: Option<OnInformational>,
    /// Receives the name under which an executor knows the request.
    pub on_request_id: Option<OnRequestId>,
    /// Deadline over the whole exchange, response body included. `None`: no deadline. Zero: already past.
    pub timeout: Option<Duration>,
    /// From the beginning of a connection attempt to an origin to its end, TLS included, on each hop. `None`: only the
    /// operator's own ceiling.
    pub connect_timeout: Option<Duration>,
    /// From the request fully sent to the response head. `None`: only the operator's own ceiling.
    pub head_timeout: Option<Duration>,
    /// Longest wait between two pieces of the response body while somebody is reading it.
    pub idle_timeout: Option<Duration>,
    /// How long the request is kept while the connection that it came over is lost: the executor lets go of it and of its connection
    /// to the origin then, and its caller hears `session_lost`, whether or not the executor is still there. `None`: as long as its
    /// session. In the base dialect nothing outlives its connection.
    pub keep: Option<Duration>,
    /// What to do with redirects.
    pub redirect: RedirectPolicy,
    /// Destinations that this request must not reach, wherever its URL or a redirect leads.
    pub ruled_out: RuledOut,
    /// The version of HTTP to speak to origins. In the base dialect the executor chooses.
    pub http_version: VersionPreference,
}

impl Request {
    /// A request with this method and URL, no headers, no body, no deadlines, following redirects.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: RequestBody::Empty,
            trailers: None,
            on_informational: None,
            on_request_id: None,
            timeout: None,
            connect_timeout: None,
            head_timeout: None,
            idle_timeout: None,
            keep: None,
            redirect: RedirectPolicy::Follow,
            ruled_out: RuledOut::default(),
            http_version: VersionPreference::Auto,
        }
    }

    /// The same request once more, if its body can be had once more.
    pub fn again(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.again()?,
            trailers: self.trailers.clone(),
            on_informational: self.on_informational.clone(),
            on_request_id: self.on_request_id.clone(),
            ..*self
        })
    }

    /// A `GET` of this URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Adds a header field at the end.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<bytes::Bytes>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &redacted_url(&self.url))
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("timeout", &self.timeout)
            .field("redirect", &self.redirect)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a request's secrets (userinfo, query, header values, body) cannot reach a log through `Debug`.
    #[test]
    fn debug_shows_no_userinfo_query_value_or_body() {
        let request = Request::get("http://user:canary@host/path?key=canary#canary")
            .header("Cookie", "canary")
            .body(RequestBody::Bytes("canary".into()));
        let text = format!("{request:?}");
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("http://host/path"), "{text}");
    }
}
