//! The requests of a login, each through the server's own HTTP client.

use super::LoginError;
use crate::body::{self, Unread};
use afield_client::HttpClient;
use afield_exchange::{Error, Head, RedirectPolicy, Request, RequestBody, decode, redacted_url};
use bytes::Bytes;
use std::time::Duration;
use url::Url;

/// The body of an answer: a metadata document, a registration, tokens.
const MAX_BODY: usize = 1024 * 1024;
const MAX_REDIRECTS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(30);
/// What is said to servers whose metadata depends on the revision.
const PROTOCOL_VERSION: &str = "2025-11-25";

/// An answer, read whole.
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.head.status)
    }
}

/// Asks for a document, following redirects within its origin.
pub(crate) async fn document(
    client: &dyn HttpClient,
    what: &'static str,
    url: &Url,
) -> Result<Reply, LoginError> {
    let mut at = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let request = Request::get(at.as_str())
            .header("accept", "application/json")
            .header("mcp-protocol-version", PROTOCOL_VERSION);
        let reply = send(client, what, request).await?;
        let location = reply.head.header("location").and_then(|value| value.text());
        let next = location.filter(|_| (300..400).contains(&reply.head.status));
        let Some(next) = next.and_then(|location| at.join(location).ok()) else { return Ok(reply) };
        if next.origin() != at.origin() {
            let why = format!("it redirects to another origin, {}", next.origin().ascii_serialization());
            return Err(unusable(what, &at, why));
        }
        at = next;
    }
    Err(unusable(what, url, "it redirects without end"))
}

/// Posts a form and reads the answer. Never redirected: what is posted is secret.
pub(crate) async fn form(
    client: &dyn HttpClient,
    what: &'static str,
    url: &Url,
    fields: &[(&str, &str)],
    authorization: Option<String>,
) -> Result<Reply, LoginError> {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = Request::new("POST", url.as_str())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(RequestBody::Bytes(text.into()));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    send(client, what, request).await
}

/// Posts JSON and reads the answer. Never redirected.
pub(crate) async fn json(
    client: &dyn HttpClient,
    what: &'static str,
    url: &Url,
    value: &serde_json::Value,
) -> Result<Reply, LoginError> {
    let request = Request::new("POST", url.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(RequestBody::Bytes(value.to_string().into()));
    send(client, what, request).await
}

/// The head of the answer to a request as MCP makes it; the body is not read. A `GET`, or a `ping` that is posted: neither
/// changes anything, and without a session a server refuses both.
pub(crate) async fn probe(client: &dyn HttpClient, method: &str, url: &Url) -> Result<Head, LoginError> {
    let mut request = Request::new(method, url.as_str())
        .header("accept", "text/event-stream, application/json")
        .header("mcp-protocol-version", PROTOCOL_VERSION);
    if method == "POST" {
        let ping = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"ping","method":"ping"}"#);
        request = request.header("content-type", "application/json").body(RequestBody::Bytes(ping));
    }
    request.redirect = RedirectPolicy::Stop;
    request.head_timeout = Some(DEADLINE);
    let answer = client.stream(request).await;
    answer.map(|answer| answer.head).map_err(|error| failed("the MCP server", url.as_str(), error))
}

async fn send(
    client: &dyn HttpClient,
    what: &'static str,
    mut request: Request,
) -> Result<Reply, LoginError> {
    request.redirect = RedirectPolicy::Stop;
    request.timeout = Some(DEADLINE);
    let url = request.url.clone();
    let failed = |error| failed(what, &url, error);
    let answer = client.stream(request).await.map_err(failed)?;
    let decoded = decode::decoded(&answer.head, answer.body, MAX_BODY as u64).map_err(failed)?;
    let body = body::whole(decoded, None, MAX_BODY).await.map_err(|unread| match unread {
        Unread::TooLarge => failed(Error::response_body_too_large(MAX_BODY as u64)),
        Unread::Failed(error) => failed(error),
    })?;
    Ok(Reply { head: answer.head, body })
}

fn failed(what: &'static str, url: &str, error: Error) -> LoginError {
    LoginError::Exchange { what, url: redacted_url(url), error }
}

/// Reads a JSON object. A member that is `null` is one that is not there.
pub(crate) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let mut members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body)?;
    members.retain(|_, value| !value.is_null());
    serde_json::from_value(members.into())
}

/// A document that cannot be used.
pub(crate) fn unusable(what: &'static str, url: &Url, why: impl Into<String>) -> LoginError {
    // What is wrong with a document may be told in its own words, a mebibyte of them.
    let why = cut(&why.into(), 1000);
    LoginError::Document { what, url: place(url), why, hint: String::new() }
}

/// A status that helps nobody.
pub(crate) fn status(what: &'static str, url: &Url, reply: &Reply) -> LoginError {
    LoginError::Status { what, url: place(url), status: reply.head.status }
}

/// A URL as a person may be shown it.
fn place(url: &Url) -> String {
    shown(&redacted_url(url.as_str()), &[])
}

/// What a server says, as a person may be shown it: printable, on one line, of bounded length, and without any of
/// `secrets`, should it repeat one.
pub(crate) fn shown(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(secret, "<secret>");
    }
    cut(&text, 300)
}

/// At most so many characters of a text, on one line.
fn cut(text: &str, most: usize) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = line.take(most).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}
