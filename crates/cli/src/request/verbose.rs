use super::{
    head_text::{status_line, version},
    plan::{BodyPlan, RequestPlan},
};
use crate::{console, place::Place};
use afield_exchange::{Error, Head, Header, OnRequestId, RequestId, redacted_url};
use std::time::{Duration, Instant};

/// The story that `--verbose` tells on stderr: `*` what happens where, `>` what is sent, `<` what comes back.
///
/// What may be a secret is never shown: the values of header fields that carry credentials, sessions or keys, userinfo,
/// and the values of query parameters.
#[derive(Clone)]
pub(crate) struct Story {
    told: bool,
    started: Instant,
}

impl Story {
    pub fn begin(told: bool) -> Self {
        Self { told, started: Instant::now() }
    }

    pub fn plan(&self, place: &Place, request: &RequestPlan) {
        match place {
            Place::Local => self.tell("leaves from here (local)"),
            // The name of one in the configuration is no URL.
            Place::Executor(name) if !name.contains(':') => {
                self.tell(&format!("leaves from the executor {name}"));
            }
            Place::Executor(url) => self.tell(&format!("leaves from the executor at {}", redacted_url(url))),
        }
        let mut lines =
            format!("> {} {}\n", printable(request.method.as_bytes()), redacted_query(&request.url));
        push_headers(&mut lines, ">", &request.headers);
        lines.push_str(">\n");
        self.raw(&lines);
        match &request.body {
            BodyPlan::Empty => {}
            BodyPlan::Bytes(bytes) => self.tell(&format!("a body of {} bytes", bytes.len())),
            BodyPlan::Source { source, .. } => self.tell(&format!("the body is {source}")),
            BodyPlan::Parts(_) => self.tell("the body is a form"),
        }
    }

    pub fn head(&self, head: &Head) {
        self.tell("the response head is here");
        self.push_head(head);
    }

    /// Tells under which name an executor knows the request, so that its log and audit can be searched for it.
    pub fn request_id(&self) -> Option<OnRequestId> {
        let story = self.clone();
        let tell = move |id: RequestId| {
            story.tell(&format!("sent as request {} of session {}", id.request, id.session));
        };
        self.told.then(|| OnRequestId::new(tell))
    }

    /// An informational response.
    pub fn informational(&self, head: &Head) {
        self.tell("an informational response is here");
        self.push_head(head);
    }

    fn push_head(&self, head: &Head) {
        let line = status_line(version(head).unwrap_or("HTTP"), head);
        let mut lines = format!("< {}\n", printable(line.trim_ascii_end()));
        push_headers(&mut lines, "<", &head.headers);
        lines.push_str("<\n");
        self.raw(&lines);
    }

    /// The trailer fields, once the body is whole.
    pub fn trailers(&self, fields: &[Header]) {
        let mut lines = String::new();
        push_headers(&mut lines, "<", fields);
        self.raw(&lines);
    }

    pub fn end(&self, bytes: u64, pieces: u64) {
        let pieces = if pieces == 1 { "1 piece".to_owned() } else { format!("{pieces} pieces") };
        self.tell(&format!("the response body is whole: {bytes} bytes in {pieces}"));
    }

    pub fn error(&self, error: &Error) {
        let mut text = format!("failed: kind {}", word(&error.kind()));
        if let Some(phase) = error.phase() {
            text.push_str(&format!(", phase {}", word(&phase)));
        }
        if let Some(detail) = error.detail() {
            text.push_str(&format!(", detail {detail}"));
        }
        if let Some(hop) = error.hop() {
            text.push_str(&format!(", hop {hop}"));
        }
        self.tell(&text);
    }

    /// One line, with the time since the beginning.
    pub fn tell(&self, text: &str) {
        self.raw(&format!("* {:>9} {}\n", milliseconds(self.started.elapsed()), printable(text.as_bytes())));
    }

    fn raw(&self, text: &str) {
        if self.told {
            console::tell(text);
        }
    }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn push_headers(lines: &mut String, mark: &str, headers: &[Header]) {
    for header in headers {
        let value = if is_secret(&header.name) {
            format!("<{} bytes, not shown>", header.value.len())
        } else if header.is("location") || header.is("content-location") || header.is("referer") {
            redacted_query(&String::from_utf8_lossy(&header.value))
        } else {
            printable(&header.value)
        };
        lines.push_str(&format!("{mark} {}: {value}\n", printable(header.name.as_bytes())));
    }
}

/// Whether a field of this name may carry a secret: also one that is none, since what was meant is not known.
fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 12] = [
        "auth",
        "cookie",
        "token",
        "secret",
        "key",
        "session",
        "passw",
        "credential",
        "signature",
        "jwt",
        "assertion",
        "csrf",
    ];
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return true;
    }
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
        && !matches!(name.as_str(), "www-authenticate" | "proxy-authenticate")
}

/// The URL without userinfo, and with the names of its query's parameters only.
fn redacted_query(url: &str) -> String {
    let shown = redacted_url(url);
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map(|(_, query)| query);
    match query {
        None => shown,
        Some(query) => {
            let names: Vec<String> = query
                .split('&')
                .map(|parameter| match parameter.split_once('=') {
                    Some((name, _)) => format!("{}=…", printable(name.as_bytes())),
                    None => "…".to_owned(),
                })
                .collect();
            format!("{shown}?{}", names.join("&"))
        }
    }
}

/// Text for a line. (What a terminal might act upon is the console's to clean.)
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that fields which may carry a secret are shown by length only, and others in full.
    #[test]
    fn secrets_are_shown_by_length_only() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "x-api-key",
            "X-Auth-Token",
            "mcp-session-id",
            "X-Amz-Security-Token",
            "Api-Key",
        ] {
            let mut lines = String::new();
            push_headers(&mut lines, ">", &[Header::new(name, "canary")]);
            assert_eq!(lines, format!("> {name}: <6 bytes, not shown>\n"));
        }
        let mut lines = String::new();
        push_headers(&mut lines, "<", &[Header::new("WWW-Authenticate", "Basic"), Header::new("a", "b\nc")]);
        assert_eq!(lines, "< WWW-Authenticate: Basic\n< a: b c\n");
    }

    /// Proves that a URL is shown without userinfo, query values and fragment, wherever it stands.
    #[test]
    fn urls_are_shown_without_what_may_be_secret() {
        assert_eq!(redacted_query("http://u:canary@h/p?a=canary&canary#canary"), "http://h/p?a=…&…");
        let mut lines = String::new();
        push_headers(&mut lines, "<", &[Header::new("location", "https://h/cb?code=canary")]);
        assert_eq!(lines, "< location: https://h/cb?code=…\n");
    }
}
